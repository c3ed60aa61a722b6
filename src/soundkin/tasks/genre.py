"""Genre: a track may have several, and most catalogs know only some, so each genre is a yes or no of its own."""

from typing import ClassVar

from torch import Tensor, nn

from soundkin.shapes import Float, typechecked
from soundkin.tasks.base import LabelTaskConfig, TaskConfig
from soundkin.tasks.multi_label import MultiLabelTask


class GenreConfig(LabelTaskConfig):
    """Settings of the genre task."""


class GenreTask(MultiLabelTask):
    """Multi-label classification with binary cross-entropy on scaled cosines to one direction a genre."""

    name = "genre"
    columns = ("genre",)
    config_kind: ClassVar[type[TaskConfig]] = GenreConfig

    @typechecked
    def costs(
        self, logits: Float[Tensor, "batch classes"], targets: Float[Tensor, "batch classes"]
    ) -> Float[Tensor, "batch classes"]:
        """Binary cross-entropy."""
        return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")

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
