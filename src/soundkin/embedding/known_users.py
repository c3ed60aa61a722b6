"""The users that a model bundle has learnt, and the common space of users and tracks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from soundkin.config import nearest
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.trained_tasks import trained_task
from soundkin.errors import ArtefactError, UsageError
from soundkin.parallel import one_torch_thread
from soundkin.shapes import Float32, typechecked
from soundkin.tasks.latent_factors import LatentFactorsTask
from soundkin.tasks.ratings import RatingsTask

UserTask = RatingsTask | LatentFactorsTask
USER_TASKS: tuple[type[UserTask], ...] = (RatingsTask, LatentFactorsTask)  # of two, the first is asked
TRACKS_AT_ONCE = 65_536


@dataclass(frozen=True, eq=False)
class KnownUsers:
    """A task of the bundle that learnt from ratings; row i of `vectors` is the user `ids[i]`.

    `ids` is empty where users.parquet was deleted.
    """

    task: UserTask
    ids: list[str]
    vectors: Float32[np.ndarray, "users factors"]

    @typechecked
    @torch.inference_mode()
    def track_vectors(
        self, vectors: Float32[np.ndarray, "tracks embedding"]
    ) -> Float32[np.ndarray, "tracks factors"]:
        """The model's track vectors, of any length, projected into the space of the users."""
        blocks = np.split(vectors, range(TRACKS_AT_ONCE, len(vectors), TRACKS_AT_ONCE))
        with one_torch_thread():
            return np.concatenate(
                [self.task.track_vectors(torch.from_numpy(block)).numpy() for block in blocks]
            )


def known_users(bundle: Bundle, folder: Path, task: str | None = None) -> KnownUsers:
    """The users of the bundle from `folder` by `task`, or by the first of `USER_TASKS` it was trained on.

    Raises:
        UsageError: the model learnt nothing of users, or not by that task.
        ArtefactError: the bundle's parts do not fit each other.
    """
    kinds = {kind.name: kind for kind in USER_TASKS if kind.name in bundle.tasks}
    if not kinds:
        raise UsageError(
            f"model {folder} knows no users: it was trained on {', '.join(bundle.tasks) or 'nothing'}. Train "
            "one on ratings: soundkin train task=[ratings] ratings=ratings.csv ..."
        )
    if task is not None and task not in kinds:
        raise UsageError(f"model {folder} was not trained on task {task}.{nearest(task, kinds)}")
    name = task or next(iter(kinds))
    built: Any = trained_task(bundle, folder, name)
    vectors = built.user_vectors().numpy()
    ids = bundle.users.get(name, [])
    if ids and len(ids) != len(vectors):
        raise ArtefactError(
            f"{folder}/users.parquet names {len(ids)} users of the {name} task, and the model has vectors of "
            f"{len(vectors)}. Copy or train the model again."
        )
    return KnownUsers(built, ids, vectors)
