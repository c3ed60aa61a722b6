"""How well held-out tracks find their kin: the figure that early stopping watches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.evaluation.retrieval import retrieval
from soundkin.shapes import Float

METRIC = "mAP@10"
LABELS = ("genre", "artist")


@dataclass(frozen=True)
class HeldOutLabels:
    """What the held-out tracks are labelled with; a column nobody can be asked about is left out."""

    values: Mapping[str, Sequence[tuple[str, ...]]]
    artists: Sequence[tuple[str, ...]]

    @classmethod
    def of(cls, catalog: Catalog) -> "HeldOutLabels":
        """The labels of a catalog of held-out tracks."""
        present = [label for label in LABELS if label in catalog.frame.columns]
        return cls({label: catalog.values(label) for label in present}, _artists(catalog))


def retrieval_scores(vectors: Float[np.ndarray, "tracks embedding"], labels: HeldOutLabels) -> dict[str, float]:
    """Mean average precision at 10 for each label, artist filter on for all but the artist, and their mean.

    Returns:
        `<label>_map` for each label that some pair of tracks shares, and `retrieval`, their mean; empty if none does.
    """
    scores = {}
    for label, values in labels.values.items():
        held_out = None if label == "artist" else ("artist", labels.artists)
        measures = retrieval({"network": vectors}, label, values, held_out, np.arange(len(vectors)), random_seed=0)
        of_tracks = next(measure for measure in measures if measure.metric == METRIC).scores["network"]
        if np.isfinite(of_tracks).any():
            scores[f"{label}_map"] = float(np.nanmean(of_tracks))
    return scores | ({"retrieval": float(np.mean(list(scores.values())))} if scores else {})


def _artists(catalog: Catalog) -> Sequence[tuple[str, ...]]:
    return catalog.values("artist") if "artist" in catalog.frame.columns else [()] * len(catalog)
