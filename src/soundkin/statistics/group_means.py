"""Means of scores within groups, and outside them, on the same draws of artists (or users).

As in `bootstrap`, an artist is drawn with all their tracks, whatever groups these are in.
"""

from typing import NamedTuple

from soundkin.extras import require

require("evaluate", "scores by group")

import numpy as np
from scipy.sparse import csr_matrix, hstack

from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import FEW_GROUPS, drawn_sums

FEW_ITEMS = 20  # with fewer, or of fewer artists (users) than FEW_GROUPS, a group is not scored

Means = Float[np.ndarray, "draws groups systems"]


class Sizes(NamedTuple):
    """How many items a group has, from how many units (artists, users); and what others there are."""

    items: int
    units: int
    other_items: int
    other_units: int

    @property
    def smaller_side(self) -> int:
        """Units of the group or of the others, whichever are fewer."""
        return min(self.units, self.other_units)


@typechecked
def sizes(members: csr_matrix, units: Int[np.ndarray, " items"]) -> list[Sizes]:
    """The size of each group; a unit with items in a group and out of it stands on both sides.

    `members` stores a one where an item is in a group, [items, groups]; `units` numbers each item's unit from
    0.
    """
    by_unit = _by_unit(units)
    in_group = (by_unit @ members).tocoo()
    items = np.asarray(members.sum(axis=0)).ravel().astype(int)
    units_in = np.bincount(in_group.col, minlength=len(items))
    wholly_in = np.bincount(
        in_group.col[in_group.data == np.bincount(units)[in_group.row]], minlength=len(items)
    )
    every_unit = len(np.unique(units))
    counts = np.stack([items, units_in, len(units) - items, every_unit - wholly_in], axis=1)
    return [Sizes(*row) for row in counts.tolist()]


def too_small(items: int, units: int, of_what: str, of_whom: str) -> str:
    """Why a group is not scored, in words; nothing where it is large enough."""
    few = [f"{of_what}: {items}"] if items < FEW_ITEMS else []
    few += [f"{of_whom}: {units}"] if units < FEW_GROUPS else []
    return f"too few to tell ({', '.join(few)})" if few else ""


@typechecked
def means_within_and_without(
    scores: Float[np.ndarray, "items systems"],
    weights: Float[np.ndarray, " items"],
    members: csr_matrix,
    units: Int[np.ndarray, " items"],
    resamples: int,
    random_seed: int,
) -> tuple[Means, Means]:
    """Weighted mean scores of each group's items, and of all others, in each draw of units (`drawn_sums`).

    NaN in a draw that leaves nothing of a group, or of the others.
    """
    by_unit = _by_unit(np.unique(units, return_inverse=True)[1])
    columns = np.stack([weights, *(weights * score for score in scores.T)], axis=1)
    parts = [members.multiply(column[:, None]) for column in columns.T]
    sums = drawn_sums(
        csr_matrix(by_unit @ hstack([*parts, csr_matrix(columns)], format="csr")), resamples, random_seed
    )
    *within, whole = np.split(sums, members.shape[1] * np.arange(1, columns.shape[1] + 1), axis=1)
    without = [every[:, None] - inside for every, inside in zip(whole.T, within, strict=True)]
    return _ratios(within), _ratios(without)


def _by_unit(units: Int[np.ndarray, " items"]) -> csr_matrix:
    """Sparse ones that sum items up by their unit, [units, items]."""
    count = int(units.max(initial=-1)) + 1
    return csr_matrix((np.ones(len(units)), (units, np.arange(len(units)))), shape=(count, len(units)))


def _ratios(sums: list[np.ndarray]) -> Means:
    """Weighted sums over the sum of weights, which comes first; rests of rounding are no weight."""
    weights, *totals = sums
    there = weights > 1e-9 * weights.max(initial=0.0)
    ratios = [np.divide(total, weights, out=np.full(weights.shape, np.nan), where=there) for total in totals]
    return np.asarray(np.stack(ratios, axis=2))
