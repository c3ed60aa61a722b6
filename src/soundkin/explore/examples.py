"""Queries to show, chosen without looking at how well they do, and their nearest tracks by others."""

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from soundkin.shapes import Bool, Float, typechecked

Names = Sequence[tuple[str, ...]]


def choose_queries(
    track_ids: Sequence[str],
    genres: Names,
    held_out: Bool[np.ndarray, " tracks"],
    count: int,
    random_seed: int,
) -> list[int]:
    """Rows of held-out tracks, one of each of the commonest genres in turn; which one is left to a hash of
    its id.
    """
    order = sorted(np.flatnonzero(held_out).tolist(), key=lambda row: _hash(track_ids[row], random_seed))
    common = Counter(name for row in order for name in genres[row])
    chosen: list[int] = []
    for genre, _ in sorted(common.items(), key=lambda pair: (-pair[1], pair[0])):
        chosen += [row for row in order if genre in genres[row] and row not in chosen][:1]
    chosen += [row for row in order if row not in chosen]
    return chosen[:count]


@typechecked
def nearest_by_others(
    vectors: Float[np.ndarray, "tracks embedding"], query: int, artists: Names, count: int
) -> list[tuple[int, float]]:
    """The `count` nearest tracks and their cosines: none by the query's own artist, one by each other artist."""
    norms = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors[query] / np.maximum(norms * norms[query], 1e-12)
    taken = set(artists[query])
    found: list[tuple[int, float]] = []
    for row in np.argsort(-cosines, kind="stable").tolist():
        if row == query or taken.intersection(artists[row]):
            continue
        found.append((row, float(cosines[row])))
        taken.update(artists[row])
        if len(found) == count:
            break
    return found


def _hash(track_id: str, random_seed: int) -> str:
    return hashlib.sha256(f"{random_seed}:{track_id}".encode()).hexdigest()
