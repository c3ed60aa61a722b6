"""What the tasks that learn from ratings share: users and tracks in one space, and who likes which track."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from soundkin.catalog.interactions import Interactions, InteractionsConfig, make_interactions
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.tasks.base import ProxyTask, TaskConfig
from soundkin.tasks.group_index import positions

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class CollaborativeConfig(TaskConfig):
    """Settings of a task that learns from ratings."""

    factors: PositiveInt = Field(50, description="dimensions of users and tracks")
    listening: InteractionsConfig = InteractionsConfig()


class CollaborativeTask(ProxyTask):
    """Users and tracks in one space: user . track is the predicted preference.

    `users` are the ids of the rows of `user_vectors`: personal, so that `to_json` leaves them out. Buffers
    are for training, and in no bundle. Targets are numbers of `trained_tracks`; `first_listener` [tracks +
    1], `listeners` and `confidence` [pairs] are sparse rows.
    """

    files = ("ratings",)
    config: CollaborativeConfig
    first_listener: Tensor
    listeners: Tensor
    confidence: Tensor

    def __init__(self, config: TaskConfig, user_count: int, embedding_size: int) -> None:
        super().__init__(config, embedding_size)
        self.user_count = user_count
        self.users: list[str] = []
        self.trained_tracks: Sequence[str] = ()

    @classmethod
    def read_interactions(cls, config: CollaborativeConfig, sources: Sources) -> Interactions:
        """Who likes which of the tracks in `sources`."""
        ratings = sources.read_ratings(cls.name)
        return make_interactions(ratings, config.listening, f"ratings {sources.ratings}")

    def keep_for_training(
        self, users: list[str], track_ids: Sequence[str], by_track: "csr_matrix", **tensors: Tensor
    ) -> None:
        """Take users, tracks, confidences [tracks, users], and buffers of the task's own."""
        self.users, self.trained_tracks = users, track_ids
        tensors |= {
            "first_listener": torch.from_numpy(by_track.indptr.astype(np.int64)),
            "listeners": torch.from_numpy(by_track.indices.astype(np.int64)),
            "confidence": torch.from_numpy(by_track.data),
        }
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    @abstractmethod
    def user_vectors(self) -> Tensor:
        """[users, factors]."""

    @abstractmethod
    def track_vectors(self, vectors: Tensor) -> Tensor:
        """[tracks, embedding] to [tracks, factors]."""

    def targets(self, catalog: Catalog) -> Tensor:
        """Int [tracks]: the number of the track among `trained_tracks`; -1 where too few users like it."""
        return torch.from_numpy(positions(self.trained_tracks, catalog.track_ids))

    def to_json(self) -> dict[str, Any]:
        """Config and number of users."""
        return super().to_json() | {"user_count": self.user_count}
