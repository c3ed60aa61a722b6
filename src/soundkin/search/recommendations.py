"""From a user to tracks they have not heard: those that their vector and the tracks' agree on most."""

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np

from soundkin.errors import UsageError
from soundkin.shapes import Bool, Float, typechecked

Recommended = tuple[int, float]  # row and score


@typechecked
def recommend(
    user: Float[np.ndarray, " factors"],
    tracks: Float[np.ndarray, "tracks factors"],
    k: int,
    heard: Collection[int] = (),
    allowed: Bool[np.ndarray, " tracks"] | None = None,
    artists: Sequence[Collection[str]] | None = None,
    artist_cap: int | None = None,
) -> list[Recommended]:
    """The `k` tracks with the largest dot product with the user's vector, best first: rows and scores.

    They are among `allowed`, not among the rows `heard`, and at most `artist_cap` are by any one of `artists`
    (one collection of names a track); a track without an artist counts for none. Of equal scores the earlier
    row comes first. There are `k` whenever `k` such tracks exist.

    Raises:
        UsageError: the user's vector is all zeros or not finite, so nothing is known of their taste.
    """
    if not np.isfinite(user).all() or not user.any():
        raise UsageError(
            "the user's vector is all zeros, or not finite: nothing is known of their taste. Ask for another."
        )
    open_to_them = np.ones(len(tracks), dtype=bool) if allowed is None else allowed.copy()
    open_to_them[list(heard)] = False
    rows = np.flatnonzero(open_to_them)
    scores = tracks[rows] @ user
    order = np.argsort(-scores, kind="stable").tolist()
    if artists is not None and artist_cap is not None:
        order = _capped(order, [artists[row] for row in rows.tolist()], k, artist_cap)
    return [(int(rows[place]), float(scores[place])) for place in order[:k]]


def _capped(order: Sequence[int], artists: Sequence[Collection[str]], k: int, most: int) -> list[int]:
    """The first `k` places of `order` that leave no artist with more than `most`."""
    counts: Counter[str] = Counter()
    kept: list[int] = []
    for place in order:
        if len(kept) == k:
            break
        if all(counts[artist] < most for artist in artists[place]):
            counts.update(set(artists[place]))
            kept.append(place)
    return kept
