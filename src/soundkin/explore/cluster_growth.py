"""Which cluster of a library grew over the years of its tracks."""

from typing import NamedTuple

from soundkin.extras import require

require("explore", "the growth of clusters")

import numpy as np

from soundkin.explore.typical_labels import LEAST_SCORE, log_odds_score
from soundkin.shapes import Float, Int, typechecked


class Growth(NamedTuple):
    """A cluster whose share of the tracks is larger after the year in the middle than up to it."""

    cluster: int
    middle: int
    before: float
    after: float


@typechecked
def cluster_growth(
    clusters: Int[np.ndarray, " tracks"], years: Float[np.ndarray, " tracks"]
) -> Growth | None:
    """The cluster (numbers from 0) that grew most, None where none did beyond chance.

    By the log odds of being of the later years, as typical labels are found; NaN is an unknown year.
    """
    dated = np.isfinite(years)
    if not dated.any():
        return None
    clusters, years = clusters[dated], years[dated]
    middle, count = np.median(years), int(clusters.max()) + 1
    late, early = (
        np.bincount(clusters[half], minlength=count).astype(float)
        for half in (years > middle, years <= middle)
    )
    all_late, all_early = np.full(count, late.sum()), np.full(count, early.sum())
    score = log_odds_score(late, all_late, early, all_early)
    best = int(score.argmax())
    if score[best] < LEAST_SCORE:
        return None
    return Growth(best, int(middle), float(early[best] / all_early[0]), float(late[best] / all_late[0]))
