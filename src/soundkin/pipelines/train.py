"""Train: a catalog and a config become a model bundle in the run's folder (its files:
`training/run_folder.py`).
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from soundkin.catalog.table import read_catalog
from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.embedding.model_card import training_data
from soundkin.errors import Skipped
from soundkin.features.front_ends import identified
from soundkin.tasks.collaborative import CollaborativeTask
from soundkin.training.checks import check, warn_of_unused_files
from soundkin.training.compose import compose, compose_sweep
from soundkin.training.data import PreparedData, prepare
from soundkin.training.environment import environment
from soundkin.training.fit import fit
from soundkin.training.module import TrainingModule
from soundkin.training.run_config import TrainConfig
from soundkin.training.run_folder import RunFolder

__all__ = ["TrainConfig", "TrainResult", "compose", "compose_sweep", "environment", "train"]

PLACES = {
    "catalog",
    "run_dir",
    "ratings",
    "triplets",
    "playlists",
}  # of this machine; a bundle goes elsewhere


@dataclass(frozen=True)
class TrainResult:
    """Where the model bundle is, how the run went, and which files it left out, now or when it was trained."""

    model: Path
    metrics: dict[str, float]
    skipped: list[Skipped]
    trained_before: bool = False


def train(config: TrainConfig, again: bool = False) -> TrainResult:
    """Run the training that `config` describes; go on where an earlier, interrupted run of the same config
    stopped.

    A run that is finished is not trained again. With `again` its folder is used anew, whatever it holds,
    under the split rule of the earlier run; its model stays until the new one takes its place.

    Raises:
        ConfigError: the run's folder holds a run of another config or on other inputs, or the config cannot
            be trained.
        CatalogError: the catalog or another file breaks its promises, or lacks what a task needs.
        UsageError: the file that frozen features come from cannot be used.
        OutputError: the run's folder cannot be written, or another run is at work in it.
    """
    config = config.model_copy(update={"features": identified(config.features)})
    folder = RunFolder(config, read_catalog(config.catalog, config.data.no_artist))
    if not again:
        folder.refuse_another()
        if (metrics := folder.finished()) is not None:
            return TrainResult(folder.model, metrics, folder.skipped(), trained_before=True)
    plan = folder.plan()
    check(plan)
    warn_of_unused_files(config)
    with folder.claimed(plan.split_rule, again):
        data = prepare(plan)
        module, metrics = fit(config, data)
        save_bundle(
            _bundle(config, data, module, metrics, _epochs_run(folder.path / "metrics.csv")), folder.model
        )
        folder.finish(metrics)
    return TrainResult(folder.model, metrics, data.skipped)


def _epochs_run(history: Path) -> int:
    with history.open(encoding="utf-8", newline="") as file:
        return sum(bool(row.get("epoch")) for row in csv.DictReader(file))


def _bundle(
    config: TrainConfig,
    data: PreparedData,
    module: TrainingModule,
    metrics: dict[str, float],
    epochs_run: int,
) -> Bundle:
    kept_epoch = int(metrics.get("epoch", -1)) + 1
    start_kept = module.start is not None and kept_epoch <= module.frozen_epochs
    held_out = (
        module.held_out.conclusion(config.trainer.watched, module.start is not None, start_kept)
        if epochs_run
        else "not trained: the network as it starts"
    )
    return Bundle(
        front_end=config.features,
        patch=config.patch,
        network_config=config.model,
        network=module.network,
        tokenizer=module.lyrics.tokenizer if module.lyrics else None,
        tasks={name: task.to_json() for name, task in module.proxy_tasks.items()},
        task_state={f"tasks.{name}": tensor for name, tensor in module.tasks.state_dict().items()},
        metrics=metrics,
        users={name: task.users for name, task in module.proxy_tasks.items() if isinstance(task, CollaborativeTask)},
        provenance={
            "training_data": training_data(data.train.catalog, config.catalog) | {"held_out": held_out},
            "training": {"epochs_run": epochs_run, "kept_epoch": kept_epoch, "start_kept": start_kept},
            "split": data.split_rule.model_dump(mode="json"),
            "versions": environment()["packages"],
            "train_config": config.model_dump(mode="json", exclude=PLACES),
        },
    )
