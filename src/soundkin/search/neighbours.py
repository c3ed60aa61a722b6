"""From a user to tracks: those of the largest products, no artist too often."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from itertools import islice

import numpy as np

from soundkin.errors import UsageError
from soundkin.shapes import Bool, Float, typechecked

Ranked = tuple[int, float]  # a track's row, and how alike it is to the seeds or its product with the user


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
        return list(islice((ranked for ranked in ranking if self.admits(ranked[0])), k))

    def admits(self, row: int) -> bool:
        """Whether one more track of its artists may come in; counts it if so."""
        artists = set(self._artists_of(row))
        admitted = all(self._counts[artist] < self._most for artist in artists)
        if admitted:
            self._counts.update(artists)
        return admitted
