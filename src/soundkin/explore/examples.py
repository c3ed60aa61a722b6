"""Queries to show, chosen without looking at how well they do, and their nearest tracks by other artists."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from soundkin.shapes import Bool, Float, typechecked
from soundkin.statistics.scaling import unit_length

Names = Sequence[tuple[str, ...]]


def choose_queries(
    track_ids: Sequence[str],
    genres: Names,
    held_out: Bool[np.ndarray, " tracks"],
    count: int,
    random_seed: int,
) -> list[int]:
    """Rows of held-out tracks, one of each of the commonest genres in turn, chosen by a hash of their ids."""

    def digest(row: int) -> str:
        return hashlib.sha256(f"{random_seed}:{track_ids[row]}".encode()).hexdigest()

    order = sorted(np.flatnonzero(held_out).tolist(), key=digest)
    common = Counter(name for row in order for name in genres[row])
    chosen: list[int] = []
    for genre in sorted(common, key=lambda name: (-common[name], name)):
        chosen += [row for row in order if genre in genres[row] and row not in chosen][:1]
    return [*chosen, *(row for row in order if row not in chosen)][:count]


@typechecked
def nearest_by_others(
    vectors: Float[np.ndarray, "tracks embedding"], query: int, artists: Names, count: int
) -> list[tuple[int, float]]:
    """The `count` nearest tracks and their cosines: none by the query's artist, one by each other artist."""
    unit = unit_length(vectors)
    cosines = unit @ unit[query]
    taken = set(artists[query])
    nearest: list[tuple[int, float]] = []
    for row in np.argsort(-cosines, kind="stable").tolist():
        if row != query and not taken.intersection(artists[row]):
            nearest.append((row, float(cosines[row])))
            taken.update(artists[row])
        if len(nearest) == count:
            break
    return nearest
