"""The proxy tasks that a model bundle was trained on, with their trained heads."""

from pathlib import Path

from soundkin.embedding.bundle import Bundle
from soundkin.errors import ArtefactError
from soundkin.tasks import TASKS, ProxyTask


def trained_task(bundle: Bundle, folder: Path, name: str) -> ProxyTask:
    """The task `name` of the bundle from `folder`; ArtefactError where its tensors do not fit."""
    task = TASKS[name].from_json(bundle.tasks[name], bundle.network_config.embedding_size)
    prefix = f"tasks.{name}."
    state = {
        key.removeprefix(prefix): part for key, part in bundle.task_state.items() if key.startswith(prefix)
    }
    try:
        task.load_state_dict(state)
    except RuntimeError as error:  # torch lists on many lines which tensors do not fit
        raise ArtefactError(
            f"model {folder} is of another soundkin: its tensors do not fit the {name} task. Use the one "
            "that it was trained with, or train it again."
        ) from error
    return task.eval().requires_grad_(False)
