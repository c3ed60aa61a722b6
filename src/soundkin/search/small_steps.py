"""From one track to another in small steps: the largest step is as small as can be, then all of them are.

A step is 1 - cosine. Tracks are put in order by how much farther they lie from the one end than from the
other, and a path only goes forward in that order: no track comes twice, and the best path of a given length
is found exactly, by dynamic programming. Orders along the graph of nearest neighbours lead to no smaller
steps.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from soundkin.shapes import Bool, Float, Int, typechecked

NEIGHBOURS = 10  # tracks that are near a track, where islands are told apart
SMALL_STEPS = (
    4.0  # power of a step where tracks are put in order: two small steps count less than a large one
)


@dataclass(frozen=True)
class SmallSteps:
    """Places of the tracks on the way, both ends included, and the steps between them."""

    places: list[int]
    steps: list[float]


@typechecked
def find_path(
    vectors: Float[np.ndarray, "tracks embedding"],
    length: int,
    artists: Sequence[Collection[str]] = (),
    variety: float = 0.0,
    random_seed: int = 0,
) -> SmallSteps | None:
    """The path of `length` tracks from the first of these unit vectors to the last; 2 <= length <= tracks.

    Two tracks in a row share none of their `artists`: None where that allows no path. With `variety`, steps
    look up to that much larger by chance, so that another `random_seed` goes another way.
    """
    distances = distances_between(vectors)
    noise = 1.0 + variety * np.random.default_rng(random_seed).random(distances.shape)
    seen = distances * np.maximum(noise, noise.T)
    order = _in_order(seen)
    forward = np.triu(seen[np.ix_(order, order)], 1) + np.tril(np.full(seen.shape, np.inf))
    _forbid_artists_in_a_row(forward, [artists[place] for place in order] if artists else ())
    largest = _least_largest_step(forward, length)
    if not np.isfinite(largest):
        return None
    forward[forward > largest] = np.inf
    found = order[_least_sum(forward, length)]
    return SmallSteps(found.tolist(), distances[found[:-1], found[1:]].tolist())


@typechecked
def distances_between(vectors: Float[np.ndarray, "tracks embedding"]) -> Float[np.ndarray, "tracks tracks"]:
    """1 - cosine of unit vectors."""
    return np.maximum(1.0 - vectors.astype(np.float64) @ vectors.astype(np.float64).T, 0.0)


def _in_order(distances: Float[np.ndarray, "tracks tracks"]) -> Int[np.ndarray, " tracks"]:
    """Places from the first track to the last, which stay at the ends."""
    inner = np.arange(1, len(distances) - 1)
    farther = (distances[0] - distances[-1])[inner]
    return np.concatenate([[0], inner[np.argsort(farther, kind="stable")], [len(distances) - 1]])


def _forbid_artists_in_a_row(forward: np.ndarray, artists: Sequence[Collection[str]]) -> None:
    places: dict[str, list[int]] = {}
    for place, names in enumerate(artists):
        for name in names:
            places.setdefault(name, []).append(place)
    for own in places.values():
        forward[np.ix_(own, own)] = np.inf


def _least_largest_step(forward: np.ndarray, length: int) -> float:
    largest = np.full(len(forward), np.inf)
    largest[0] = 0.0
    for _ in range(length - 1):
        largest = np.maximum(largest[:, None], forward).min(axis=0)
    return float(largest[-1])


def _least_sum(forward: np.ndarray, length: int) -> list[int]:
    total = np.full(len(forward), np.inf)
    total[0] = 0.0
    before = []
    for _ in range(length - 1):
        totals = total[:, None] + forward
        before.append(totals.argmin(axis=0))
        total = totals.min(axis=0)
    path = [len(forward) - 1]
    for places in reversed(before):
        path.append(int(places[path[-1]]))
    return path[::-1]


@typechecked
def island(distances: Float[np.ndarray, "tracks tracks"], place: int) -> Bool[np.ndarray, " tracks"]:
    """Which tracks can be reached from one by going from a track to one of its ten nearest, or back."""
    nearest = np.argsort(distances, axis=1, kind="stable")[:, : NEIGHBOURS + 1]
    near = np.zeros(distances.shape, dtype=bool)
    np.put_along_axis(near, nearest, True, axis=1)
    near |= near.T
    reached = np.zeros(len(near), dtype=bool)
    reached[place] = True
    while True:
        more = near[reached].any(axis=0) | reached
        if (more == reached).all():
            return reached
        reached = more
