"""Several labels a track: each label is a yes or no of its own, by the cosine to its direction."""

from abc import abstractmethod
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.table import Catalog
from soundkin.shapes import Float, typechecked
from soundkin.tasks.base import LabelTask, Scalar, TaskConfig, Vectors, masked_mean

Classes = Float[Tensor, "batch classes"]


class MultiLabelTask(LabelTask):
    """One direction per label of the subclass's column; the subclass says what a wrong answer costs."""

    def __init__(self, config: TaskConfig, vocabulary: Vocabulary | list[str], embedding_size: int) -> None:
        super().__init__(config, vocabulary, embedding_size)
        self.head = nn.Linear(embedding_size, len(self.vocabulary))
        self.scale = nn.Parameter(torch.tensor(10.0))

    def targets(self, catalog: Catalog) -> Tensor:
        """Float [tracks, classes] of 0 and 1; a row of NaN where no label is known."""
        return self.target_lookup(catalog)(torch.arange(len(catalog)))

    def target_lookup(self, catalog: Catalog) -> Callable[[Tensor], Tensor]:
        """Dense targets of a batch, of sparse labels: a million tracks by five thousand would be 19 GB."""
        labels = self.vocabulary.sparse(self.labels(catalog))

        def dense(rows: Tensor) -> Tensor:
            chosen = labels[rows.numpy()]
            targets = torch.from_numpy(chosen.toarray())
            targets[torch.from_numpy(np.diff(chosen.indptr) == 0)] = torch.nan
            return targets

        return dense

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows with a known label."""
        return ~targets.isnan().all(dim=1)

    @typechecked
    def logits(self, vectors: Vectors) -> Classes:
        """Log-odds of each label."""
        return self.scale * normalize(vectors) @ normalize(self.head.weight).T + self.head.bias

    @typechecked
    def loss(self, vectors: Vectors, targets: Classes) -> Scalar:
        """The costs, summed over labels and averaged over labelled tracks."""
        known = ~targets.isnan()
        losses = self.costs(self.logits(vectors), torch.where(known, targets, 0.0))
        return masked_mean(torch.where(known, losses, 0.0).sum(dim=1), known.any(dim=1))

    @abstractmethod
    def costs(self, logits: Classes, targets: Classes) -> Classes:
        """The cost of each answer; `targets` are 0 or 1."""
