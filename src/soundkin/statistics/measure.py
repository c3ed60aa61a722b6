"""Scores of all systems on one question, item by item, which `bootstrap` turns into intervals."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from soundkin.shapes import Float, Int

CHANCE = "chance"


@dataclass(frozen=True)
class Measure:
    """A score per item (track, user, triplet) and system; NaN where the item could not be asked.

    `scores` holds the same items in the same order for every system, so that differences are paired. `groups`
    numbers what items share beyond themselves (their artist): items of a group are not independent. `unit` is
    what a group is called, in the plural. `weights` say how much an item counts in the mean; None means all
    the same.
    """

    protocol: str
    label: str
    metric: str
    filtered_by: str | None  # the column whose sharers were kept from finding, or from teaching, each other
    scores: Mapping[str, Float[np.ndarray, " items"]]
    groups: Int[np.ndarray, " items"]
    weights: Float[np.ndarray, " items"] | None = None
    unit: str = "artists"

    @property
    def asked(self) -> np.ndarray:
        """Bool[items]: the items that every system has a score for."""
        return np.asarray(np.all([np.isfinite(score) for score in self.scores.values()], axis=0))
