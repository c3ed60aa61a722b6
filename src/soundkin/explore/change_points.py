"""Places where what is measured along a song changes: the exact best ones, by dynamic programming.

A stretch costs the sum of its squared distances from its mean. Z. Harchaoui and O. Cappe, "Retrospective
multiple change-point estimation with kernels" (2007), whose kernel is linear here.
"""

from collections.abc import Iterable
from itertools import repeat

import numpy as np

from soundkin.shapes import Float, Int, typechecked


@typechecked
def change_points_at_price(
    features: Float[np.ndarray, "beats features"], shortest: int, price: float
) -> list[int]:
    """First beats of all stretches but the first one, where these and `price` for each cost least in sum.

    No stretch has fewer beats than `shortest`; there is one if there are no more beats than that.
    """
    costs = _costs(features, shortest)
    best, before = np.full(len(costs), np.inf), np.zeros(len(costs), np.int64)
    best[0] = 0.0
    for end in range(shortest, len(costs)):
        totals = best[: end + 1 - shortest] + costs[: end + 1 - shortest, end]
        before[end] = totals.argmin()
        best[end] = totals[before[end]] + price
    return _path(repeat(before), len(features))


@typechecked
def change_points(features: Float[np.ndarray, "beats features"], shortest: int, count: int) -> list[int]:
    """The same, of `count` + 1 stretches; there are beats for so many."""
    costs = _costs(features, shortest)
    best, steps = costs[0], [np.zeros(len(costs), np.int64)]
    for _ in range(count):
        totals = best[:, None] + costs
        steps.append(totals.argmin(axis=0))
        best = totals.min(axis=0)
    return _path(reversed(steps), len(features))


def _costs(features: Float[np.ndarray, "beats features"], shortest: int) -> Float[np.ndarray, "starts ends"]:
    """What each stretch costs, by the bounds of beats at which it starts and ends; infinite if too short."""
    sums = np.vstack([np.zeros(features.shape[1]), np.cumsum(features, axis=0)])
    squares = np.concatenate([[0.0], np.cumsum((features**2).sum(axis=1))])
    products = sums @ sums.T
    norms = products.diagonal()
    bounds = np.arange(len(sums))
    lengths = bounds - bounds[:, None]
    costs = squares - squares[:, None] - (norms + norms[:, None] - 2 * products) / np.maximum(lengths, 1)
    costs[lengths < shortest] = np.inf
    return np.asarray(costs)


def _path(before: Iterable[Int[np.ndarray, " bounds"]], end: int) -> list[int]:
    """Back from the bound `end` to the first one, by the best bound before each, step by step."""
    path: list[int] = []
    for best_before in before:
        end = int(best_before[end])
        if end == 0:
            break
        path.append(end)
    return path[::-1]
