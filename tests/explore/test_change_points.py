"""Change points: the best of all there are, by trying all."""

from itertools import combinations, pairwise

import numpy as np
import pytest

from soundkin.explore.change_points import change_points, change_points_at_price


def cost(features: np.ndarray, bounds: tuple[int, ...]) -> float:
    """The sum of squared distances from the means of the stretches between all bounds."""
    stretches = (features[start:end] for start, end in pairwise((0, *bounds, len(features))))
    return sum(float(((stretch - stretch.mean(axis=0)) ** 2).sum()) for stretch in stretches)


def all_bounds(beats: int, shortest: int, count: int) -> list[tuple[int, ...]]:
    """All ways to cut so many times, in stretches that are long enough."""
    return [
        bounds
        for bounds in combinations(range(1, beats), count)
        if min(end - start for start, end in pairwise((0, *bounds, beats))) >= shortest
    ]


@pytest.mark.parametrize("random_seed", range(5))
@pytest.mark.parametrize("shortest", [1, 3])
def test_cuts_are_the_best_there_are(random_seed: int, shortest: int) -> None:
    random = np.random.default_rng(random_seed)
    features = random.normal(size=(12, 3)) + np.repeat(random.normal(0, 2, (3, 3)), 4, axis=0)
    every = {count: all_bounds(12, shortest, count) for count in range(4)}
    for count, choices in every.items():
        assert change_points(features, shortest, count) == list(min(choices, key=lambda b: cost(features, b)))
    for price in (1.0, 8.0, 30.0, 1_000.0):
        found = tuple(change_points_at_price(features, shortest, price))
        best = min(cost(features, b) + price * len(b) for choices in every.values() for b in choices)
        assert cost(features, found) + price * len(found) <= best + 1e-9


@pytest.mark.parametrize("beats", [1, 3, 5])
def test_few_beats_are_one_stretch(beats: int) -> None:
    features = np.arange(beats, dtype=float)[:, None] * 100
    assert change_points_at_price(features, 4, 1.0) == []
    assert change_points(features, 1, 0) == []
