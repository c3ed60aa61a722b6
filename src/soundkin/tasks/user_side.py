"""What a task that learns from ratings knows of users: enough to say which tracks a user would like."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from soundkin.catalog.interactions import InteractionsConfig
from soundkin.catalog.table import Catalog
from soundkin.tasks.base import ProxyTask, TaskConfig
from soundkin.tasks.group_index import positions


class UserSideConfig(TaskConfig):
    """Settings of a task that learns from ratings."""

    factors: PositiveInt = Field(50, description="dimensions of users and tracks")
    listening: InteractionsConfig = InteractionsConfig()


class UserSide(ProxyTask):
    """Users and tracks in one space, where user . track is how much the user is predicted to like the track.

    `users` holds the ids that the rows of `user_vectors` belong to. They are personal, and many: `to_json`
    leaves them out, so that a task built by `from_json` has none until whoever keeps them puts them back.
    `taught` holds the ids of the tracks that targets are numbers of; only training needs them.
    """

    files = ("ratings",)
    config: UserSideConfig

    def __init__(self, config: TaskConfig, user_count: int, embedding_size: int) -> None:
        super().__init__(config, embedding_size)
        self.user_count = user_count
        self.users: list[str] = []
        self.taught: Sequence[str] = ()

    @abstractmethod
    def user_vectors(self) -> Tensor:
        """[users, factors]."""

    @abstractmethod
    def track_vectors(self, vectors: Tensor) -> Tensor:
        """[tracks, embedding] to [tracks, factors]."""

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: the number of the track among `taught`; -1 where too few users like it."""
        return torch.from_numpy(positions(self.taught, catalog.track_ids))

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows of tracks that enough users like."""
        return targets >= 0

    def to_json(self) -> dict[str, Any]:
        """Config and number of users."""
        return super().to_json() | {"user_count": self.user_count}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], embedding_size: int) -> Self:
        """The task that `to_json` described, with fresh weights."""
        return cls(cls._config_from(saved), saved["user_count"], embedding_size)
