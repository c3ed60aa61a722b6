"""Tracks of one batch that should be near, told apart from its other tracks.

A. van den Oord, Y. Li, O. Vinyals, "Representation Learning with Contrastive Predictive Coding" (2018), eq.
4, with several positives a row as in P. Khosla et al., "Supervised Contrastive Learning" (2020), eq. 2.
"""

from abc import abstractmethod

import torch
from pydantic import Field, PositiveInt
from torch import Tensor
from torch.nn.functional import normalize

from soundkin.catalog.table import Catalog
from soundkin.shapes import Bool, Float, typechecked
from soundkin.tasks.base import ProxyTask, Rows, Scalar, TaskConfig, Vectors, masked_mean
from soundkin.tasks.group_index import GroupIndex

Positives = Float[Tensor, "batch batch"]  # weights, 0 where a row is no positive
Candidates = Bool[Tensor, "batch batch"]  # the rows that a softmax runs over, the positives among them


class InfoNCEConfig(TaskConfig):
    """Settings of a task with an InfoNCE loss."""

    temperature: float = Field(0.1, gt=0.0, description="cosines are divided by it in the softmax")
    pairs_per_track: PositiveInt = Field(4, description="pairs of each track to draw batches from")


class InfoNCETask(ProxyTask):
    """InfoNCE between the rows of a batch; a subclass says which are positives, by `groups`."""

    config: InfoNCEConfig
    has_head = False

    def __init__(self, config: TaskConfig, embedding_size: int, groups: GroupIndex | None = None) -> None:
        super().__init__(config, embedding_size)
        self.groups = groups if groups is not None else GroupIndex(())

    def targets(self, catalog: Catalog) -> Tensor:
        """Int [tracks]: rows of the training catalog; -1 where a track is none of it."""
        return self.groups.rows(catalog)

    @abstractmethod
    def pairs(self, targets: Tensor) -> tuple[Positives, Candidates]:
        """Each row's positives and candidates."""

    @typechecked
    def loss(self, vectors: Vectors, targets: Rows) -> Scalar:
        """InfoNCE of each row over its candidates, averaged over the rows with a positive."""
        return info_nce(vectors, *self.pairs(targets), self.config.temperature)

    @typechecked
    def figures(self, vectors: Vectors, targets: Rows) -> dict[str, float]:
        """`nearest`: of the rows with a positive, the share whose nearest candidate is one."""
        positives, candidates = self.pairs(targets)
        asked = (positives > 0).any(dim=1)
        if not asked.any():
            return {}
        cosines = (normalize(vectors) @ normalize(vectors).T).masked_fill(~candidates, -torch.inf)
        right = positives.gather(1, cosines.argmax(dim=1, keepdim=True)) > 0
        return {"nearest": float(right[asked].float().mean())}


@typechecked
def info_nce(vectors: Vectors, positives: Positives, candidates: Candidates, temperature: float) -> Scalar:
    """Mean over rows of the weighted mean over positives of -log softmax(cosine / temperature)."""
    logits = normalize(vectors) @ normalize(vectors).T / temperature
    # The lowest finite number rather than -inf, which would make a row without candidates NaN.
    log_shares = torch.log_softmax(logits.masked_fill(~candidates, torch.finfo(logits.dtype).min), dim=1)
    weights = positives / positives.sum(dim=1, keepdim=True).clamp(min=torch.finfo(positives.dtype).tiny)
    losses = -torch.where(positives > 0, weights * log_shares, 0.0).sum(dim=1)
    return masked_mean(losses, (positives > 0).any(dim=1))
