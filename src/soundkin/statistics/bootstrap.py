"""Intervals for means of scores whose items come in groups, such as tracks by artists.

Scores of one artist's tracks are not independent: whole artists are drawn with replacement (the cluster
bootstrap: Field & Welsh 2007), and percentiles taken. The candidates stay fixed. Every system and measure is
drawn with the same artists, so that differences are paired. Draws are made anew, block by block: kept, they
would fill memory with draws x artists. Of fewer than `FEW_GROUPS` groups there is no interval and no verdict:
the percentiles would be far too narrow.
"""

from collections.abc import Iterable, Iterator, Sequence

from soundkin.extras import require

require("evaluate", "a bootstrap")

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.measure import Measure

LEVEL = 0.95
FEW_GROUPS = 8  # artists, users, annotators: of fewer, nothing is said beyond the mean
NUMBERS_AT_ONCE = 1 << 20  # in a block of draws: 8 MB


class Interval(BaseModel, frozen=True):
    """A system's mean with its 95% interval; no ends where there are fewer than `FEW_GROUPS` groups."""

    system: str
    mean: float
    low: float | None = None
    high: float | None = None

    def __format__(self, spec: str) -> str:
        """`0.27 [0.20, 0.33]`, each number by `spec`, or else with two digits."""
        spec = spec or ".2f"
        ends = "" if self.low is None or self.high is None else f" [{self.low:{spec}}, {self.high:{spec}}]"
        return f"{self.mean:{spec}}{ends}"

    def __str__(self) -> str:
        return format(self)


class Compared(BaseModel, frozen=True):
    """A score of each system, ours first; `gains` are ours minus each other one, on the same draws.

    `groups` is how many independent units (`unit`: artists, users ...) stand behind them.
    """

    scores: tuple[Interval, ...]
    gains: tuple[Interval, ...]
    groups: int
    unit: str = "artists"

    @property
    def too_few(self) -> str:
        """Why nothing can be concluded; empty where something can."""
        return too_few(self.groups, self.unit)

    @property
    def unbeaten(self) -> list[str]:
        """Systems that ours is not shown to be above."""
        return unbeaten(self.gains)

    @property
    def better(self) -> list[str]:
        """Systems that ours is shown to be below: the interval of the gain lies under zero."""
        return [gain.system for gain in self.gains if gain.high is not None and gain.high < 0]


def unbeaten(gains: Iterable[Interval]) -> list[str]:
    """Systems that ours is not shown to be above: the interval of the gain reaches down to zero."""
    return [gain.system for gain in gains if gain.low is None or gain.low <= 0]


def not_shown_to_beat(systems: Sequence[str]) -> str:
    """`not shown to beat MFCC or chance`, for a verdict; empty without systems."""
    return f"not shown to beat {' or '.join(systems)}" if systems else ""


def listed_means(scores: Iterable[Interval], spec: str = ".2f") -> str:
    """`MFCC 0.32, chance 0.05`, for a verdict; each mean by `spec`."""
    return ", ".join(f"{score.system} {score.mean:{spec}}" for score in scores)


def too_few(groups: int, unit: str) -> str:
    """What replaces a verdict where fewer than `FEW_GROUPS` artists (users ...) were measured; else empty.

    >>> too_few(5, "artists")
    'too few artists to say (5, at least 8 are needed)'
    """
    few = f"too few {unit} to say ({groups}, at least {FEW_GROUPS} are needed)"
    return few if groups < FEW_GROUPS else ""


def interval_note(groups: int, unit: str, resamples: int) -> str:
    """What intervals were drawn over, or why there are none."""
    if groups < FEW_GROUPS:
        return f"There are no intervals: {too_few(groups, unit)}."
    return f"Intervals are {LEVEL:.0%} percentiles of {resamples} draws of whole {unit} ({groups} here)."


def compare(measure: Measure, resamples: int, random_seed: int) -> Compared:
    """Each system's mean score, and how far the first one is above each other one, on the same draws."""
    asked = measure.asked
    weights = np.ones(len(asked)) if measure.weights is None else np.asarray(measure.weights, dtype=float)
    scores = np.stack([np.asarray(score[asked], dtype=float) for score in measure.scores.values()], axis=1)
    both = np.concatenate([scores, scores[:, :1] - scores[:, 1:]], axis=1)
    means = drawn_means(both, weights[asked], measure.groups[asked], resamples, random_seed)
    names = [*measure.scores, *list(measure.scores)[1:]]
    intervals = tuple(map(interval_of, names, means.T))
    return Compared(
        scores=intervals[: len(measure.scores)],
        gains=intervals[len(measure.scores) :],
        groups=len(np.unique(measure.groups[asked])),
        unit=measure.unit,
    )


@typechecked
def drawn_means(
    scores: Float[np.ndarray, "items systems"],
    weights: Float[np.ndarray, " items"],
    groups: Int[np.ndarray, " items"],
    resamples: int,
    random_seed: int,
) -> Float[np.ndarray, "draws systems"]:
    """Weighted means of the scores: in row 0 of all items, then in every draw of groups."""
    names, places = np.unique(groups, return_inverse=True)
    columns = [weights, *(score * weights for score in scores.T)]
    by_group = np.stack([np.bincount(places, column, minlength=len(names)) for column in columns], axis=1)
    sums = drawn_sums(by_group, resamples, random_seed)
    means = sums[:, 1:] / np.maximum(sums[:, :1], np.finfo(float).tiny)
    means[0] = np.stack(columns[1:]).sum(axis=1) / max(weights.sum(), np.finfo(float).tiny)
    return np.asarray(means)


def drawn_sums(
    by_group: Float[np.ndarray, "groups columns"] | csr_matrix, resamples: int, random_seed: int
) -> Float[np.ndarray, "draws columns"]:
    """Sums over the groups: all of them in row 0, then those of every draw with replacement.

    For few groups there is row 0 alone. The same number of groups, of `resamples` and seed have the same
    draws.
    """
    blocks = draw_blocks(by_group.shape[0], resamples, random_seed)
    return np.concatenate([np.asarray(block @ by_group) for block in blocks])


def draw_blocks(groups: int, resamples: int, random_seed: int) -> Iterator[Float[np.ndarray, "draws groups"]]:
    """How often each group is drawn: once each; then, unless they are few, draws with replacement."""
    yield np.ones((1, groups))
    if groups < FEW_GROUPS:
        return
    rows = max(1, NUMBERS_AT_ONCE // groups)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = np.random.default_rng([random_seed, start]).integers(groups, size=(count, groups))
        drawn += groups * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=count * groups).reshape(count, groups).astype(float)


@typechecked
def interval_of(system: str, means: Float[np.ndarray, " draws"]) -> Interval:
    """The mean, in place 0, with percentiles of the draws after it; draws that are NaN do not count."""
    if len(means) == 1:
        return Interval(system=system, mean=float(means[0]))
    low, high = np.nanquantile(means[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(system=system, mean=float(means[0]), low=float(low), high=float(high))
