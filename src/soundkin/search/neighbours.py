"""From seeds or a user to tracks: the nearest ones, or those of the largest products, no artist too often."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from itertools import islice

import numpy as np

from soundkin.errors import UsageError
from soundkin.search.conditions import mask_any
from soundkin.search.vector_index import Index
from soundkin.shapes import Bool, Float, Float32, typechecked
from soundkin.statistics.scaling import unit_length

Ranked = tuple[int, float]  # a track's row, and its cosine with the seeds or its product with the user

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
) -> list[Ranked]:
    """The `k` tracks nearest to all seeds together, best first: rows and cosines with the seeds' mean.

    They are among `allowed`, not among the rows `without`, and at most `artist_cap` are by any one artist,
    lead or guest; a track without a known artist counts for none. Returns fewer than `k` only if fewer tracks
    match. Raises UsageError where the seeds cancel each other out, or the only one is a vector of zeros.
    """
    query = seeds if len(seeds) == 1 else unit_length(seeds).mean(axis=0, keepdims=True)
    if np.abs(query).max() < 1e-6:
        problem = "the seeds cancel each other out" if len(seeds) > 1 else "the seed's vector is all zeros"
        raise UsageError(f"{problem}, so nothing is near. Ask with other seeds.")
    if artist_cap is None:
        ranking = _search(index, query, k + len(without), allowed)
        return [ranked for ranked in ranking if ranked[0] not in without][:k]
    # Look at more tracks until `k` fit, each time without those seen and those of artists at the cap.
    cap, kept = ArtistCap(artist_cap, index.tracks.artists), list[Ranked]()
    at_once = CAP_LOOKAHEAD * k + len(without)
    while True:
        ranking = _search(index, query, at_once, allowed)
        kept += cap.select((ranked for ranked in ranking if ranked[0] not in without), k - len(kept))
        if len(kept) >= k or len(ranking) < at_once:
            return sorted(kept, key=lambda ranked: -ranked[1])
        allowed = np.ones(len(index), dtype=bool) if allowed is None else allowed.copy()
        allowed[[row for row, _ in ranking]] = False
        if cap.full:
            allowed &= ~mask_any(index.tracks.artist_keys, cap.full)


def _search(index: Index, query: np.ndarray, k: int, allowed: np.ndarray | None) -> list[Ranked]:
    scores, rows = index.search(query, k, allowed)
    return [(row, score) for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if row >= 0]


@typechecked
def rank_for_user(
    user: Float[np.ndarray, " factors"],
    tracks: Float[np.ndarray, "tracks factors"],
    k: int,
    without: Collection[int] = (),
    allowed: Bool[np.ndarray, " tracks"] | None = None,
    artists_of: Callable[[int], Collection[str]] | None = None,
    artist_cap: int | None = None,
) -> list[Ranked]:
    """The `k` tracks with the largest dot product with the user's vector, best first: rows and products.

    They are among `allowed`, not among the rows `without`, and at most `artist_cap` are by any one artist
    (`artists_of` a row); a track without an artist counts for none. Of equal products the earlier row comes
    first. Raises UsageError where the user's vector is all zeros or not finite.
    """
    if not np.isfinite(user).all() or not user.any():
        problem = "the user's vector is all zeros, or not finite"
        raise UsageError(f"{problem}: nothing is known of their taste. Ask for another.")
    candidates = np.ones(len(tracks), dtype=bool) if allowed is None else allowed.copy()
    candidates[list(without)] = False
    rows = np.flatnonzero(candidates)
    products = tracks[rows] @ user
    order = np.argsort(-products, kind="stable")
    ranking = list(zip(rows[order].tolist(), products[order].tolist(), strict=True))
    if artists_of is None or artist_cap is None:
        return ranking[:k]
    return ArtistCap(artist_cap, artists_of).select(ranking, k)


class ArtistCap:
    """Counts the admitted tracks of each artist. A track counts for its lead and for its guests."""

    def __init__(self, most: int, artists_of: Callable[[int], Collection[str]]) -> None:
        self._most = most
        self._artists_of = artists_of
        self._counts: Counter[str] = Counter()

    @property
    def full(self) -> set[str]:
        """The artists of whom no further track is admitted."""
        return {artist for artist, count in self._counts.items() if count >= self._most}

    def select(self, ranking: Iterable[Ranked], k: int) -> list[Ranked]:
        """The first `k` of `ranking` that leave no artist with too many."""
        return list(islice(filter(self._admits, ranking), k))

    def _admits(self, ranked: Ranked) -> bool:
        """Whether one more track of its artists may come in; counts it if so."""
        artists = set(self._artists_of(ranked[0]))
        admitted = all(self._counts[artist] < self._most for artist in artists)
        if admitted:
            self._counts.update(artists)
        return admitted
