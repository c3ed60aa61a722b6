"""From a vector or a user to tracks: the nearest ones, or those of the largest products."""

from collections.abc import Callable, Collection

import numpy as np

from soundkin.errors import UsageError
from soundkin.search.artist_cap import ArtistCap, Ranked
from soundkin.search.blend import blend_of
from soundkin.search.ranking import Order, rank
from soundkin.search.vector_index import Index
from soundkin.shapes import Bool, Float, Float32, typechecked
from soundkin.statistics.scaling import unit_length


@typechecked
def find_neighbours(
    index: Index,
    seeds: Float32[np.ndarray, "seeds embedding"],
    k: int,
    allowed: Bool[np.ndarray, " tracks"] | None = None,
    without: Collection[int] = (),
    artist_cap: int | None = None,
) -> list[Ranked]:
    """The `k` tracks that `search.ranking` finds most alike to all seeds, by cosine alone: rows and cosines.

    They are among `allowed`, not among the rows `without`, and at most `artist_cap` are by any one artist,
    lead or guest; a track without a known artist counts for none. Returns fewer than `k` only if fewer tracks
    match. Raises UsageError where the seeds cancel each other out, or the only one is a vector of zeros.
    """
    ranking = rank(index, blend_of(unit_length(seeds)), Order(k, artist_cap), allowed, without)
    return [(candidate.row, candidate.similarity) for candidate in ranking]


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
