"""What every proxy task is: a head on the track vector, a loss masked where labels are missing, and metrics.

Heads see the vector scaled to unit length, because cosine is what queries compare vectors by.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from soundkin.catalog.labels import Labels, Vocabulary
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.config import Config, validate
from soundkin.errors import CatalogError


class TaskConfig(Config):
    """Settings that every proxy task has."""

    weight: float = Field(1.0, gt=0.0, description="factor of this task's loss in the sum")


class ProxyTask(nn.Module, ABC):
    """A head over track vectors. A subclass is one file; one line in `tasks/__init__.py` registers it.

    `views` is how often a batch has to hold the same track, heard at different places, for the loss to say
    anything; `columns` names the catalog's columns that it is taught, so that an evaluation can say which
    questions are no news; `files` what it reads beside the catalog: ratings, triplets or playlists.
    """

    name: ClassVar[str]
    columns: tuple[str, ...] = ()
    files: ClassVar[tuple[str, ...]] = ()
    config_kind: ClassVar[type[TaskConfig]]
    views: ClassVar[int] = 1

    def __init__(self, config: TaskConfig, embedding_size: int) -> None:
        super().__init__()
        self.config = config
        self.embedding_size = embedding_size

    @classmethod
    @abstractmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over what `sources` say of the training tracks, which are all that is in `sources.catalog`.

        Raises:
            CatalogError: what it learns from is missing, or too little to learn from.
        """

    @classmethod
    def files_read(cls, config: TaskConfig) -> tuple[str, ...]:
        """What it reads beside the catalog under `config`: ratings, triplets or playlists."""
        return cls.files

    @classmethod
    def check(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> None:
        """Raise what `from_sources` would: training asks before it decodes any audio."""
        cls.from_sources(config, sources, embedding_size)

    @abstractmethod
    def targets(self, catalog: Catalog) -> Tensor:
        """What to predict for each track, first axis tracks, in a form that also says where a label is
        missing.
        """

    def target_lookup(self, catalog: Catalog) -> Callable[[Tensor], Tensor]:
        """A function of rows of the catalog, Int [batch], that gives their targets: what training keeps of
        tracks.
        """
        targets = self.targets(catalog)
        return lambda rows: targets[rows]

    @abstractmethod
    def labelled(self, targets: Tensor) -> Tensor:
        """Bool [batch]: the rows of `targets` that say anything."""

    @abstractmethod
    def loss(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """Mean loss over the labelled rows of a batch; zero, with a gradient of zero, where no row is
        labelled.
        """

    @abstractmethod
    def metrics(self, vectors: Tensor, targets: Tensor) -> dict[str, float]:
        """Figures in [0, 1], higher is better, over the labelled rows; empty where no row is labelled."""

    def together(self) -> Tensor:
        """Int [groups, size]: rows of the training catalog that the loss has to meet in one batch; none by
        default.
        """
        return torch.empty(0, 1, dtype=torch.int64)

    def to_json(self) -> dict[str, Any]:
        """What it takes to build the task anew, as plain values for the model bundle."""
        return {"config": self.config.model_dump(mode="json"), "columns": list(self.columns)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], embedding_size: int) -> Self:
        """The task that `to_json` described, with fresh weights."""
        return cls(cls._config_from(saved), embedding_size)

    @classmethod
    def _config_from(cls, saved: Mapping[str, Any]) -> TaskConfig:
        return validate(cls.config_kind, saved["config"], f"task.{cls.name}")


class LabelTaskConfig(TaskConfig):
    """Settings of a task over the labels of a column."""

    minimum_tracks: PositiveInt = Field(1, description="a label that fewer training tracks have is left out")


class LabelTask(ProxyTask):
    """A task over the vocabulary of one column of the catalog, the first of `columns`."""

    config: LabelTaskConfig

    def __init__(self, config: TaskConfig, vocabulary: Vocabulary, embedding_size: int) -> None:
        super().__init__(config, embedding_size)
        self.vocabulary = vocabulary

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the labels that the training tracks have.

        Raises:
            CatalogError: the column is missing or empty, or fewer than two labels are left to tell apart.
        """
        assert isinstance(config, LabelTaskConfig)
        column, mend = cls.columns[0], f"Fill it in, or train without it: task.{cls.name}=null"
        sources.catalog.require(column, f"the {cls.name} task learns from it. {mend}")
        vocabulary = Vocabulary.from_values(cls.labels(sources.catalog), config.minimum_tracks)
        if len(vocabulary) < 2:
            raise CatalogError(
                f"the training tracks hold {len(vocabulary)} {column} label(s) on at least "
                f"{config.minimum_tracks} track(s); the {cls.name} task needs two to tell apart. {mend}"
            )
        return cls(config, vocabulary, embedding_size)

    @classmethod
    def labels(cls, catalog: Catalog) -> Labels:
        """The labels of each track, in row order."""
        return catalog.values(cls.columns[0])

    def to_json(self) -> dict[str, Any]:
        """Config and vocabulary."""
        return super().to_json() | {"vocabulary": self.vocabulary.to_json()}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], embedding_size: int) -> Self:
        """The task that `to_json` described, with fresh weights."""
        return cls(cls._config_from(saved), Vocabulary.from_json(saved["vocabulary"]), embedding_size)


def unit_length(vectors: Tensor) -> Tensor:
    """Rows of [batch, embedding] scaled to length 1."""
    return nn.functional.normalize(vectors, dim=1)


def masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    """Mean of `losses` where `mask` is true; a zero that still carries a gradient where it nowhere is."""
    return torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)
