"""Intervals for means of scores whose items come in groups.

Queries by one artist rise and fall together, so drawing tracks anew would pretend to more evidence than there is.
We draw whole *artists* with replacement (the cluster bootstrap: Field & Welsh 2007) and take percentiles. The
candidates stay as they are: an interval says what other artists' queries would score against this collection.
Every system is drawn with the same artists, so that the interval of a difference is a paired one.
"""

from functools import lru_cache

import numpy as np
from pydantic import BaseModel

from soundkin.evaluation.measure import Measure
from soundkin.shapes import Float, Int, typechecked

LEVEL = 0.95
FEW_GROUPS = 10  # below this, percentiles of the cluster bootstrap are known to be too narrow


class Interval(BaseModel, frozen=True):
    """A system's mean with its 95% interval; no ends where there are fewer than two groups to draw from."""

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
    """A score of each system, ours first; `gains` are ours minus each other one, on the same draws."""

    scores: tuple[Interval, ...]
    gains: tuple[Interval, ...]

    @property
    def unbeaten(self) -> list[str]:
        """The systems that ours is not shown to be above: those whose gain's interval reaches down to zero."""
        return [gain.system for gain in self.gains if gain.low is None or gain.low <= 0]

    @property
    def better(self) -> list[str]:
        """The systems that ours is shown to be below: those whose gain's interval lies under zero."""
        return [gain.system for gain in self.gains if gain.high is not None and gain.high < 0]


def intervals(measure: Measure, resamples: int, random_seed: int) -> tuple[Interval, ...]:
    """Each system's mean score and its interval, in the order of the measure."""
    means = _means(measure, resamples, random_seed)
    return tuple(interval_of(system, values) for system, values in means.items())


def paired_gains(measure: Measure, resamples: int, random_seed: int) -> tuple[Interval, ...]:
    """How far the first system is above each other one, on the same draws."""
    (_, ours), *others = _means(measure, resamples, random_seed).items()
    return tuple(interval_of(system, ours - values) for system, values in others)


def _means(measure: Measure, resamples: int, random_seed: int) -> dict[str, Float[np.ndarray, " draws"]]:
    """Mean score of each system: as it is in place 0, then in every draw of groups."""
    asked = measure.asked
    names, groups = np.unique(measure.groups[asked], return_inverse=True)
    weights = np.ones(asked.sum()) if measure.weights is None else measure.weights[asked]
    draws = draw_groups(len(names), resamples, random_seed)
    return {name: grouped_means(score[asked], weights, groups, draws) for name, score in measure.scores.items()}


@lru_cache(maxsize=16)  # measures of one label share their draws
def draw_groups(groups: int, resamples: int, random_seed: int) -> Int[np.ndarray, "draws groups"]:
    """How often each group is drawn: once each in row 0, then `resamples` rows of draws with replacement."""
    if groups < 2:
        return np.ones((1, groups), dtype=int)
    drawn = np.random.default_rng(random_seed).multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    return np.concatenate([np.ones((1, groups), dtype=int), drawn])


@typechecked
def grouped_means(
    scores: Float[np.ndarray, " items"],
    weights: Float[np.ndarray, " items"],
    groups: Int[np.ndarray, " items"],
    draws: Int[np.ndarray, "draws groups"],
) -> Float[np.ndarray, " draws"]:
    """Weighted mean of the scores in each draw of groups."""
    count = draws.shape[1]
    totals = draws @ np.bincount(groups, scores * weights, minlength=count)
    return totals / np.maximum(draws @ np.bincount(groups, weights, minlength=count), np.finfo(float).tiny)


@typechecked
def interval_of(system: str, means: Float[np.ndarray, " draws"]) -> Interval:
    """The mean, in place 0, with percentiles of the draws after it; draws that are NaN do not count."""
    if len(means) == 1:
        return Interval(system=system, mean=float(means[0]))
    low, high = np.nanquantile(means[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(system=system, mean=float(means[0]), low=float(low), high=float(high))
