"""One label a track out of many: a softmax over cosines with a margin.

Margin: H. Wang et al., "CosFace: Large Margin Cosine Loss for Deep Face Recognition" (2018), eq. 4. Many
labels: X. An et al., "Partial FC: Training 10 Million Identities on a Single Machine" (2021): the softmax
runs over the labels of the batch and a random sample of the others.
"""

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, one_hot

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.table import Catalog
from soundkin.shapes import typechecked
from soundkin.tasks.base import LabelTask, LabelTaskConfig, Rows, Scalar, TaskConfig, Vectors, masked_mean


class MarginSoftmaxConfig(LabelTaskConfig):
    """Settings of a margin softmax."""

    margin: float = Field(0.2, ge=0.0, lt=1.0, description="how much nearer its own label must be, in cosine")
    scale: float = Field(16.0, gt=0.0, description="inverse temperature of the softmax over cosines")
    sampled_labels: PositiveInt = Field(4096, description="of more labels, a softmax sees a sample")
    minimum_tracks: PositiveInt = 2


class MarginSoftmaxTask(LabelTask):
    """Large-margin cosine softmax over one direction per label of the subclass's column."""

    config_kind = MarginSoftmaxConfig
    config: MarginSoftmaxConfig

    def __init__(self, config: TaskConfig, vocabulary: Vocabulary | list[str], embedding_size: int) -> None:
        super().__init__(config, vocabulary, embedding_size)
        self.directions = nn.Parameter(normalize(torch.randn(len(self.vocabulary), embedding_size)))

    def targets(self, catalog: Catalog) -> Tensor:
        """Int [tracks]: the class of the first label that is in the vocabulary; -1 where there is none."""
        classes = ([self.vocabulary.index(label) for label in labels] for labels in self.labels(catalog))
        firsts = [next((number for number in numbers if number is not None), -1) for numbers in classes]
        return torch.tensor(firsts, dtype=torch.int64)

    @typechecked
    def loss(self, vectors: Vectors, targets: Rows) -> Scalar:
        """Cross-entropy of the softmax over scale * (cosine - margin for the track's own label)."""
        known = self.labelled(targets)
        classes, targets = self._sample(targets.clamp(min=0))
        cosines = normalize(vectors) @ normalize(self.directions[classes]).T
        logits = self.config.scale * (cosines - self.config.margin * one_hot(targets, len(classes)))
        return masked_mean(cross_entropy(logits, targets, reduction="none"), known)

    @typechecked
    def figures(self, vectors: Vectors, targets: Rows) -> dict[str, float]:
        """`accuracy`: how often the nearest label is the right one, among those that a softmax sees."""
        classes, targets = self._sample(targets)
        nearest = (normalize(vectors) @ normalize(self.directions[classes]).T).argmax(dim=1)
        return {"accuracy": float((nearest == targets).float().mean())}

    def _sample(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Classes that the softmax runs over, and the targets as places among them."""
        total = len(self.vocabulary)
        if total <= self.config.sampled_labels:
            return torch.arange(total, device=targets.device), targets
        present = torch.unique(targets)
        others = sample_others(present, total, max(0, self.config.sampled_labels - len(present)))
        return torch.cat([present, others]), torch.searchsorted(present, targets)


def sample_others(present: Tensor, total: int, count: int) -> Tensor:
    """Int [count]: classes below `total` that are none of `present` (sorted), each as likely as any other.

    One is drawn from each of `count` runs of them, so that it takes no longer however many there are; the
    runs, of which some are longer by one, begin anywhere.
    """
    left = total - len(present)
    if not count:
        return present[:0]
    edges = torch.arange(count + 1, device=present.device) * left // count
    sizes = edges.diff()
    places = edges[:-1] + (torch.rand(count, device=present.device) * sizes).long().clamp(max=sizes - 1)
    places = (places + torch.randint(left, (1,), device=present.device)) % left
    before = present - torch.arange(len(present), device=present.device)  # others before each present one
    return places + torch.searchsorted(before, places, right=True)
