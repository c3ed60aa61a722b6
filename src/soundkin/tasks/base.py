"""What every proxy task is: a head on the track vector, a loss masked where labels are missing, and metrics.

Heads see vectors at unit length, because queries compare vectors by cosine.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from soundkin.catalog.labels import Labels, Vocabulary
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.config import Config, validate
from soundkin.errors import CatalogError
from soundkin.shapes import Float, Int

Vectors = Float[Tensor, "batch embedding"]
Rows = Int[Tensor, " batch"]  # classes, or rows of the training catalog; -1: unlabelled
Scalar = Float[Tensor, ""]


class TaskConfig(Config):
    """Settings that every proxy task has."""

    weight: float = Field(1.0, gt=0.0, description="factor of this task's loss in the sum")


class ProxyTask(nn.Module, ABC):
    """A head over track vectors. A subclass is one file; one line in `tasks/__init__.py` registers it.

    `views`: how many excerpts of a track a batch has to hold; `columns`: those of the catalog that it is
    trained on; `files`: what it reads besides the catalog (ratings, triplets, playlists, teacher);
    `trained_on_examples`: its batches are of excerpts with targets of their own, not of tracks; `has_head`:
    whether it has weights of its own.
    """

    name: ClassVar[str]
    columns: tuple[str, ...] = ()
    files: ClassVar[tuple[str, ...]] = ()
    config_kind: ClassVar[type[TaskConfig]]
    views: ClassVar[int] = 1
    trained_on_examples: ClassVar[bool] = False
    has_head: ClassVar[bool] = True

    def __init__(self, config: TaskConfig, embedding_size: int) -> None:
        super().__init__()
        self.config = config
        self.embedding_size = embedding_size

    @classmethod
    @abstractmethod
    def from_sources(cls, config: Any, sources: Sources, embedding_size: int) -> Self:
        """A task on the training tracks in `sources.catalog`; CatalogError where labels are too few."""

    @classmethod
    def check(cls, config: Any, sources: Sources, embedding_size: int) -> None:
        """Raise what `from_sources` would, before any audio is decoded."""
        cls.from_sources(config, sources, embedding_size)

    @classmethod
    def files_read(cls, config: Any) -> tuple[str, ...]:
        """What it reads besides the catalog under `config`."""
        return cls.files

    @classmethod
    def reject(cls, problem: str, hint: str) -> NoReturn:
        """Raise the CatalogError of labels that are missing or too few."""
        raise CatalogError(f"{problem}. {hint}, or train without it: task.{cls.name}=null")

    @classmethod
    def require_column(cls, catalog: Catalog, column: str, hint: str = "Fill it in") -> None:
        """Raise CatalogError where the catalog has no value in `column`."""
        hint = f"{hint}, or train without it: task.{cls.name}=null"
        catalog.require(column, f"the {cls.name} task learns from it. {hint}")

    @abstractmethod
    def targets(self, catalog: Catalog) -> Tensor:
        """The target of each track, first axis tracks, in a form that also marks a missing label."""

    def target_lookup(self, catalog: Catalog) -> Callable[[Tensor], Tensor]:
        """A function from rows of the catalog, Int [batch], to their targets."""
        targets = self.targets(catalog)
        return lambda rows: targets[rows]

    def labelled(self, targets: Tensor) -> Tensor:
        """Bool [batch]: which targets hold a label."""
        return targets >= 0

    @abstractmethod
    def loss(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """Mean over the labelled rows of a batch; zero, with a gradient of zero, without any."""

    def metrics(self, vectors: Tensor, targets: Tensor) -> dict[str, float]:
        """Figures in [0, 1], higher is better, over the labelled rows; empty where there are none."""
        known = self.labelled(targets)
        return self.figures(vectors[known], targets[known]) if known.any() else {}

    @abstractmethod
    def figures(self, vectors: Tensor, targets: Tensor) -> dict[str, float]:
        """The metrics of labelled rows, of which there is one or more."""

    @torch.no_grad()
    def turn(self, rotation: Float[Tensor, "embedding embedding"]) -> None:
        """Turn the weights that meet a vector, those of `head` or `directions`, as the vectors are turned."""
        for name, weights in self.named_parameters():
            if name in ("head.weight", "directions"):
                weights.copy_(weights.double() @ rotation.T)

    def co_batched_groups(self) -> Tensor:
        """Int [groups, size]: rows of the training catalog to meet in one batch; none by default."""
        return torch.empty(0, 1, dtype=torch.int64)

    def to_json(self) -> dict[str, Any]:
        """Config, columns and further arguments of the constructor, as plain values for the model bundle."""
        return {"config": self.config.model_dump(mode="json"), "columns": list(self.columns)}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any], embedding_size: int) -> Self:
        """The task that `to_json` described, with fresh weights."""
        config = validate(cls.config_kind, saved["config"], f"task.{cls.name}")
        known = ("config", "columns", "calibration")  # the last is of its probabilities, once trained
        further = {key: value for key, value in saved.items() if key not in known}
        return cls(config=config, embedding_size=embedding_size, **further)


class LabelTaskConfig(TaskConfig):
    """Settings of a task over the labels of a column."""

    minimum_tracks: PositiveInt = Field(1, description="a label that fewer training tracks have is left out")


class LabelTask(ProxyTask):
    """A task over the vocabulary of one column of the catalog, the first of `columns`."""

    config: LabelTaskConfig

    def __init__(self, config: TaskConfig, vocabulary: Vocabulary | list[str], embedding_size: int) -> None:
        super().__init__(config, embedding_size)
        self.vocabulary = Vocabulary.from_json(vocabulary) if isinstance(vocabulary, list) else vocabulary

    @classmethod
    def from_sources(cls, config: LabelTaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the labels of the training tracks; CatalogError where they are fewer than two."""
        column = cls.columns[0]
        cls.require_column(sources.catalog, column)
        vocabulary = Vocabulary.from_values(cls.labels(sources.catalog), config.minimum_tracks)
        if len(vocabulary) < 2:
            counts = f"{len(vocabulary)} {column} label(s) on at least {config.minimum_tracks} track(s)"
            problem = f"the training tracks hold {counts}; the {cls.name} task needs two to tell apart"
            cls.reject(problem, "Fill it in")
        return cls(config, vocabulary, embedding_size)

    @classmethod
    def labels(cls, catalog: Catalog) -> Labels:
        """The labels of each track, in row order."""
        return catalog.values(cls.columns[0])

    def to_json(self) -> dict[str, Any]:
        """Config and vocabulary."""
        return super().to_json() | {"vocabulary": self.vocabulary.to_json()}


def masked_mean(losses: Tensor, mask: Tensor) -> Tensor:
    """Mean of `losses` where `mask` is true; a zero that still carries a gradient where it nowhere is."""
    return torch.where(mask, losses, 0.0).sum() / mask.sum().clamp(min=1)
