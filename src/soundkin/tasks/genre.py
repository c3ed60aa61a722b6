"""Genre: a track may have several, and most catalogs know only some, so each genre is a yes or no of its own."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.table import Catalog
from soundkin.shapes import Float, typechecked
from soundkin.tasks.base import ProxyTask, TaskConfig, masked_mean, unit_length


class GenreConfig(TaskConfig):
    """Settings of the genre task."""


class GenreTask(ProxyTask):
    """Multi-label classification with binary cross-entropy on scaled cosines to one direction a genre."""

    name = "genre"
    column = "genre"
    config_kind: ClassVar[type[TaskConfig]] = GenreConfig

    def __init__(self, config: TaskConfig, vocabulary: Vocabulary, embedding_size: int) -> None:
        super().__init__(config, vocabulary, embedding_size)
        self.head = nn.Linear(embedding_size, len(vocabulary.names))
        self.scale = nn.Parameter(torch.tensor(10.0))

    def targets(self, catalog: Catalog) -> Tensor:
        """Float [tracks, classes] of 0 and 1; a row of NaN where the genre is not known."""
        multi_hot, known = self.vocabulary.multi_hot(catalog.values(self.column))
        targets = torch.from_numpy(multi_hot)
        targets[~torch.from_numpy(known)] = torch.nan
        return targets

    @typechecked
    def logits(self, vectors: Float[Tensor, "batch embedding"]) -> Float[Tensor, "batch classes"]:
        """Log-odds of each genre."""
        directions = unit_length(self.head.weight)
        return self.scale * unit_length(vectors) @ directions.T + self.head.bias

    @typechecked
    def loss(
        self, vectors: Float[Tensor, "batch embedding"], targets: Float[Tensor, "batch classes"]
    ) -> Float[Tensor, ""]:
        """Binary cross-entropy, summed over genres and averaged over labelled tracks."""
        known = ~targets.isnan()
        losses = nn.functional.binary_cross_entropy_with_logits(
            self.logits(vectors), torch.where(known, targets, 0.0), reduction="none"
        )
        return masked_mean(torch.where(known, losses, 0.0).sum(dim=1), known.any(dim=1))

    @typechecked
    def metrics(
        self, vectors: Float[Tensor, "batch embedding"], targets: Float[Tensor, "batch classes"]
    ) -> dict[str, float]:
        """`accuracy`: how often the likeliest genre is one that the track has."""
        known = ~targets.isnan().any(dim=1) & (targets.sum(dim=1) > 0)
        if not known.any():
            return {}
        guess = self.logits(vectors[known]).argmax(dim=1, keepdim=True)
        return {"accuracy": float(targets[known].gather(1, guess).mean())}
