"""Genre: a track may have several, and catalogs know only some, so each genre is a yes or no."""

from torch.nn.functional import binary_cross_entropy_with_logits

from soundkin.shapes import typechecked
from soundkin.tasks.base import LabelTaskConfig, Vectors
from soundkin.tasks.multi_label import Classes, MultiLabelTask


class GenreTask(MultiLabelTask):
    """Binary cross-entropy on scaled cosines to one direction per genre."""

    name = "genre"
    columns = ("genre",)
    config_kind = LabelTaskConfig

    @typechecked
    def costs(self, logits: Classes, targets: Classes) -> Classes:
        """Binary cross-entropy."""
        return binary_cross_entropy_with_logits(logits, targets, reduction="none")

    @typechecked
    def figures(self, vectors: Vectors, targets: Classes) -> dict[str, float]:
        """`accuracy`: how often the likeliest genre is one that the track has."""
        guess = self.logits(vectors).argmax(dim=1, keepdim=True)
        return {"accuracy": float(targets.gather(1, guess).mean())}
