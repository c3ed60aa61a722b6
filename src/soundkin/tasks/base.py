"""What every proxy task is: a head on the vector, a loss masked where labels are missing, and metrics.

Heads see the vector scaled to unit length, because cosine is what queries compare vectors by.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.table import Catalog
from soundkin.config import Config, validate
from soundkin.errors import CatalogError


class TaskConfig(Config):
    """Settings that every proxy task has."""

    weight: float = Field(1.0, gt=0.0, description="factor of this task's loss in the sum")
    minimum_tracks: PositiveInt = Field(1, description="a label that fewer training tracks have is left out")


class ProxyTask(nn.Module, ABC):
    """A head over the vector, learnt from one column of the catalog.

    A subclass is one file: its config, head, targets, loss and metrics. One line in `tasks/__init__.py` registers it.
    """

    name: ClassVar[str]
    column: ClassVar[str]
    config_kind: ClassVar[type[TaskConfig]]

    def __init__(self, config: TaskConfig, vocabulary: Vocabulary, embedding_size: int) -> None:
        super().__init__()
        self.config = config
        self.vocabulary = vocabulary
        self.embedding_size = embedding_size

    @classmethod
    def from_catalog(cls, config: TaskConfig, catalog: Catalog, embedding_size: int) -> Self:
        """A task over the labels that the training tracks in `catalog` have.

        Raises:
            CatalogError: the column is missing or empty, or fewer than two labels are left to tell apart.
        """
        mend = f"Fill it in, or train without it: task.{cls.name}=null"
        catalog.require(cls.column, f"the {cls.name} task learns from it. {mend}")
        minimum = getattr(config, "minimum_tracks", 1)
        vocabulary = Vocabulary.from_values(catalog.values(cls.column), minimum_tracks=minimum)
        if len(vocabulary.names) < 2:
            raise CatalogError(
                f"the training tracks hold {len(vocabulary.names)} {cls.column} label(s) on at least {minimum} "
                f"track(s); the {cls.name} task needs two to tell apart. {mend}"
            )
        return cls(config, vocabulary, embedding_size)

    @abstractmethod
    def targets(self, catalog: Catalog) -> Tensor:
        """What to predict for each track, first axis tracks, in a form that also says where a label is missing."""

    @abstractmethod
    def loss(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """Mean loss over the labelled rows of a batch; zero, with a gradient of zero, where no row is labelled."""

    @abstractmethod
    def metrics(self, vectors: Tensor, targets: Tensor) -> dict[str, float]:
        """Figures in [0, 1], higher is better, over the labelled rows; empty where no row is labelled."""

    def to_json(self) -> dict[str, Any]:
        """Config and vocabulary, as plain values for the model bundle."""
        return {"config": self.config.model_dump(mode="json"), "vocabulary": self.vocabulary.to_json()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], embedding_size: int) -> Self:
        """The task that `to_json` described, with fresh weights."""
        config = validate(cls.config_kind, saved["config"], f"task.{cls.name}")
        return cls(config, Vocabulary.from_json(saved["vocabulary"]), embedding_size)


def unit_length(vectors: Tensor) -> Tensor:
    """Rows of [batch, embedding] scaled to length 1."""
    return nn.functional.normalize(vectors, dim=1)


def masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    """Mean of `losses` where `mask` is true; a zero that still carries a gradient where it nowhere is."""
    return torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)
