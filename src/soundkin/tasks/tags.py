"""Tags: whatever people write about a track; a tag that is there says yes, an absent one says little.

Nobody thinks of every tag. So an absent tag that is thought unlikely costs nothing, and one that the network
is sure of has a vanishing gradient: it is taken for forgotten rather than for wrong. E. Ben-Baruch, T. Ridnik
et al., "Asymmetric Loss For Multi-Label Classification" (2020), with the yeses unfocused, as its authors
recommend; `absent_focus=0 absent_shift=0` is binary cross-entropy. A track without any tag is unknown.
"""

import torch
from pydantic import Field, PositiveInt
from torch.nn.functional import logsigmoid

from soundkin.shapes import typechecked
from soundkin.tasks.base import LabelTaskConfig, Vectors
from soundkin.tasks.multi_label import Classes, MultiLabelTask


class TagsConfig(LabelTaskConfig):
    """Settings of the tags task."""

    absent_focus: float = Field(4.0, ge=0.0, description="power of an absent tag's likelihood")
    absent_shift: float = Field(0.05, ge=0.0, lt=1.0, description="likelihood that costs nothing")
    minimum_tracks: PositiveInt = 2


class TagsTask(MultiLabelTask):
    """Asymmetric loss on scaled cosines to one direction per tag."""

    name = "tags"
    columns = ("tags",)
    config_kind = TagsConfig
    config: TagsConfig

    @typechecked
    def costs(self, logits: Classes, targets: Classes) -> Classes:
        """-log p for a tag that is there; -q^focus log(1 - q) without, where q = max(p - shift, 0)."""
        shift = self.config.absent_shift
        # Kept off zero, where a power below one has no gradient; 1 - p from the logit: p may round to 1.
        likely = (torch.sigmoid(logits) - shift).clamp(min=1e-6)
        unlikely = (torch.sigmoid(-logits) + shift).clamp(max=1.0)
        absent = -(likely**self.config.absent_focus) * torch.log(unlikely)
        return torch.where(targets > 0, -logsigmoid(logits), absent)

    @typechecked
    def figures(self, vectors: Vectors, targets: Classes) -> dict[str, float]:
        """`average_precision` of each track's tags among all tags by likelihood, averaged."""
        order = self.logits(vectors).argsort(dim=1, descending=True)
        hits = targets.gather(1, order)
        ranks = torch.arange(1, hits.shape[1] + 1, device=hits.device)
        precision = (hits * hits.cumsum(dim=1) / ranks).sum(dim=1) / hits.sum(dim=1)
        return {"average_precision": float(precision.mean())}
