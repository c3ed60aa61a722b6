"""From seeds to neighbours: the mean direction of the seeds, the nearest tracks to it, and no artist too
often.
"""

from collections import Counter
from collections.abc import Collection

import numpy as np

from soundkin.errors import UsageError
from soundkin.search.conditions import mask_any
from soundkin.search.tracks import Tracks
from soundkin.search.vector_index import Index
from soundkin.shapes import Bool, Float32, typechecked
from soundkin.statistics.scaling import unit_length

Neighbour = tuple[int, float]  # row and cosine

# Answers that an artist cap may turn down, looked at in the first go: for each one wanted.
CAP_LOOKAHEAD = 8


@typechecked
def find_neighbours(
    index: Index,
    seeds: Float32[np.ndarray, "seeds embedding"],
    k: int,
    allowed: Bool[np.ndarray, " tracks"] | None = None,
    without: Collection[int] = (),
    artist_cap: int | None = None,
) -> list[Neighbour]:
    """The `k` tracks nearest to all seeds together, best first: rows and cosines with the seeds' mean
    direction.

    They are among `allowed`, not among the rows `without`, and at most `artist_cap` are by any one artist,
    lead or guest; a track by nobody known counts for none. There are `k` whenever `k` such tracks exist.

    Raises:
        UsageError: the seeds cancel each other out, or the only one is a vector of zeros.
    """
    query = _mean_direction(seeds)
    if artist_cap is not None:
        return _capped(index, query, k, allowed, without, _ArtistCap(index.tracks, artist_cap))
    scores, rows = index.search(query, k + len(without), allowed)
    return [found for found in _pairs(rows, scores) if found[0] not in without][:k]


def _mean_direction(seeds: Float32[np.ndarray, "seeds embedding"]) -> Float32[np.ndarray, "1 embedding"]:
    mean: np.ndarray = seeds if len(seeds) == 1 else unit_length(seeds).mean(axis=0, keepdims=True)
    if np.abs(mean).max() < 1e-6:
        problem = "the seeds cancel each other out" if len(seeds) > 1 else "the seed's vector is all zeros"
        raise UsageError(f"{problem}, so nothing is near. Ask with other seeds.")
    return mean


def _capped(
    index: Index,
    query: Float32[np.ndarray, "1 embedding"],
    k: int,
    allowed: Bool[np.ndarray, " tracks"] | None,
    without: Collection[int],
    cap: "_ArtistCap",
) -> list[Neighbour]:
    """Look at more tracks until `k` fit under the cap, each time without those seen and those of artists at
    the cap.
    """
    kept: list[Neighbour] = []
    at_once = CAP_LOOKAHEAD * k + len(without)
    while True:
        scores, rows = index.search(query, at_once, allowed)
        seen = _pairs(rows, scores)
        kept += [
            found for found in seen if found[0] not in without and len(kept) < k and cap.admits(found[0])
        ]
        if len(kept) >= k or len(seen) < at_once:
            return sorted(kept[:k], key=lambda found: -found[1])
        allowed = np.ones(len(index), dtype=bool) if allowed is None else allowed.copy()
        allowed[[row for row, _ in seen]] = False
        allowed &= ~cap.mask_of_full()


def _pairs(rows: np.ndarray, scores: np.ndarray) -> list[Neighbour]:
    return [(row, score) for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if row >= 0]


class _ArtistCap:
    """Counts the admitted tracks of each artist, however spelled. A track counts for its lead and for its
    guests.
    """

    def __init__(self, tracks: Tracks, most: int) -> None:
        self._tracks = tracks
        self._most = most
        self._counts: Counter[str] = Counter()
        self._full: set[str] = set()

    def admits(self, row: int) -> bool:
        """Whether one more track of its artists may come in; counts it if so."""
        artists = self._tracks.artists(row)
        if any(self._counts[artist] >= self._most for artist in artists):
            return False
        self._counts.update(artists)
        self._full |= {artist for artist in artists if self._counts[artist] >= self._most}
        return True

    def mask_of_full(self) -> Bool[np.ndarray, " tracks"]:
        """All tracks of the artists that have no room left."""
        if not self._full:
            return np.zeros(len(self._tracks), dtype=bool)
        return mask_any(self._tracks.artist_keys, self._full)
