"""The clusters of a library over the years of its tracks, and which one grew."""

from typing import NamedTuple

from soundkin.extras import require

require("explore", "the growth of clusters")

import numpy as np

from soundkin.explore.typical_labels import LEAST_SCORE, log_odds_score
from soundkin.shapes import Float, Int, typechecked

MOST_BARS = 40  # of years
WIDTHS = (1, 2, 5, 10, 25, 50, 100)  # of a bar, in years


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


@typechecked
def tracks_by_year(
    clusters: Int[np.ndarray, " tracks"], years: Float[np.ndarray, " tracks"]
) -> tuple[Int[np.ndarray, " edges"], Int[np.ndarray, "clusters bars"]]:
    """Tracks of each cluster by bars of years: where bars begin and the last one ends, and the counts.

    A bar is as many whole years as make it about forty bars at most; `years` holds one that is known.
    """
    known = years[np.isfinite(years)]
    first, last = int(known.min()), int(known.max())
    width = next((width for width in WIDTHS if (last - first) // width < MOST_BARS), WIDTHS[-1])
    edges = np.arange(first - first % width, last + width + 1, width)
    if edges[-2] > last:
        edges = edges[:-1]
    of_each = [years[clusters == number] for number in range(int(clusters.max()) + 1)]
    return edges, np.stack([np.histogram(own[np.isfinite(own)], edges)[0] for own in of_each])
