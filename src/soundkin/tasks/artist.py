"""Artist: who plays is the richest label most catalogs have, and a margin softmax makes use of thousands of names.

Margin: H. Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition" (2018), eq. 4.
Many artists: X. An et al., "Partial FC: Training 10 Million Identities on a Single Machine" (2020): the softmax runs
over the artists of the batch and a random sample of the others.
"""

from typing import ClassVar

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.table import Catalog
from soundkin.shapes import Float, Int, typechecked
from soundkin.tasks.base import ProxyTask, TaskConfig, masked_mean, unit_length


class ArtistConfig(TaskConfig):
    """Settings of the artist task."""

    margin: float = Field(0.2, ge=0.0, lt=1.0, description="how much nearer its own artist must be, in cosine")
    scale: float = Field(16.0, gt=0.0, description="inverse temperature of the softmax over cosines")
    sampled_artists: PositiveInt = Field(4096, description="with more artists than this, a softmax sees a sample")
    minimum_tracks: PositiveInt = 2


class ArtistTask(ProxyTask):
    """Large-margin cosine softmax over one direction an artist."""

    name = "artist"
    column = "artist"
    config_kind: ClassVar[type[TaskConfig]] = ArtistConfig
    config: ArtistConfig

    def __init__(self, config: TaskConfig, vocabulary: Vocabulary, embedding_size: int) -> None:
        super().__init__(config, vocabulary, embedding_size)
        self.directions = nn.Parameter(unit_length(torch.randn(len(vocabulary.names), embedding_size)))

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: the number of the first named artist that is in the vocabulary; -1 where there is none."""
        numbers = [
            next((n for name in names if (n := self.vocabulary.index(name)) is not None), -1)
            for names in catalog.values(self.column)
        ]
        return torch.tensor(numbers, dtype=torch.int64)

    @typechecked
    def loss(self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Cross-entropy of the softmax over scale * (cosine - margin for the track's own artist)."""
        known = targets >= 0
        classes, targets = self._sample(targets.clamp(min=0))
        cosines = unit_length(vectors) @ unit_length(self.directions[classes]).T
        own = nn.functional.one_hot(targets, len(classes))
        logits = self.config.scale * (cosines - self.config.margin * own)
        return masked_mean(nn.functional.cross_entropy(logits, targets, reduction="none"), known)

    @typechecked
    def metrics(self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]) -> dict[str, float]:
        """`accuracy`: how often the nearest artist is the right one."""
        known = targets >= 0
        if not known.any():
            return {}
        nearest = (unit_length(vectors[known]) @ unit_length(self.directions).T).argmax(dim=1)
        return {"accuracy": float((nearest == targets[known]).float().mean())}

    def _sample(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Classes that the softmax runs over, and the targets as places among them."""
        total = len(self.vocabulary.names)
        if total <= self.config.sampled_artists:
            return torch.arange(total, device=targets.device), targets
        present = torch.unique(targets)
        others = torch.randperm(total, device=targets.device)
        others = others[~torch.isin(others, present)][: max(0, self.config.sampled_artists - len(present))]
        classes = torch.cat([present, others])
        return classes, torch.searchsorted(present, targets)
