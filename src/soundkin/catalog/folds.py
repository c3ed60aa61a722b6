"""Folds that leave whole sources out: what a network learns from some collections, tested on the others.

A *source* is a value of some column, as the game, the label or the project that tracks come from: what sounds
alike for reasons of its own (one mix, one sound font, one encoder). A track without one is a source by
itself.
"""

import math

import numpy as np

from soundkin.catalog.splits import SplitConfig, group_names
from soundkin.catalog.table import Catalog
from soundkin.errors import UsageError
from soundkin.shapes import Bool, Int

LEFT_OUT = ""


def leave_source_out(
    catalog: Catalog, column: str, folds: int, random_seed: int = 0
) -> Int[np.ndarray, " tracks"]:
    """A fold number, from 0, for each track: every source wholly in one fold, folds near each other in
    tracks.

    The largest source goes first, each to the fold with the fewest tracks so far; `random_seed` orders equal
    ones. A source larger than `1 / folds` of the tracks makes a fold larger than the others.

    Raises:
        CatalogError: `column` is absent or empty. UsageError: fewer sources than folds, or fewer than two
            folds.
    """
    catalog.require(column, "tracks were to be kept apart by it. Name another column as the source.")
    names = sources_of(catalog, column)
    sources = len(np.unique(names))
    if not 2 <= folds <= sources:
        known = f"{catalog.source}: {column} tells {sources} sources apart"
        mend = "Name a column with more" if sources < 2 else f"Give from 2 to {sources} folds"
        raise UsageError(f"folds={folds}, and {known}. {mend}.")
    return _deal(names, folds, random_seed)


def sources_of(catalog: Catalog, column: str) -> np.ndarray:
    """The source of each track, [tracks] of str, whatever its case and spacing: the first where a cell names
    two.

    Of `artist` it is the lead, however spelled.
    """
    return np.array(group_names(catalog, SplitConfig(group=column)))


def fold_splits(
    catalog: Catalog,
    column: str,
    tested: Bool[np.ndarray, " tracks"],
    valid_share: float,
    artist_column: str = "artist",
    random_seed: int = 0,
) -> np.ndarray:
    """`test` where `tested`, else `train`, `valid` or LEFT_OUT, for each track: [tracks] of str.

    Artists of tested tracks teach nothing: their tracks in other sources are left out, those on which they
    are guests too. About `valid_share` in [0, 1) of what teaches is held out for early stopping, by whole
    sources too, together with all else that their artists made. Where there is but one source to learn from,
    whole artists are held out.
    """
    sources, artists = sources_of(catalog, column), sources_of(catalog, artist_column)
    teaching = (
        ~_by_artists_of(catalog, tested) if artist_column == "artist" else ~np.isin(artists, artists[tested])
    )
    splits = np.where(tested, "test", np.where(teaching, "train", LEFT_OUT))
    splits[teaching] = np.where(
        _to_watch(sources[teaching], artists[teaching], valid_share, random_seed), "valid", "train"
    )
    return splits


def _by_artists_of(catalog: Catalog, chosen: Bool[np.ndarray, " tracks"]) -> Bool[np.ndarray, " tracks"]:
    """The chosen tracks, and all others that a lead or guest of theirs has a part in."""
    keys = catalog.artists.keys
    known = {key for row in np.flatnonzero(chosen) for key in keys[row]}
    return np.asarray(chosen | [not known.isdisjoint(of_track) for of_track in keys])


def _to_watch(
    sources: np.ndarray, artists: np.ndarray, share: float, random_seed: int
) -> Bool[np.ndarray, " tracks"]:
    """The tracks to hold out: of parts of about `share`, the one with the most sources; nothing where it
    would be all.

    The most sources, since one source larger than `share` makes a part that says little about others.
    """
    names = sources if len(np.unique(sources)) > 1 else artists
    count = len(np.unique(names))
    if share <= 0 or count < 2:
        return np.zeros(len(names), dtype=bool)
    parts = _deal(names, min(max(2, math.floor(1 / share)), count), random_seed)
    most = max(np.unique(parts), key=lambda part: len(np.unique(names[parts == part])))
    watched = np.isin(artists, artists[parts == most])
    return watched & ~watched.all()


def _deal(names: np.ndarray, folds: int, random_seed: int) -> Int[np.ndarray, " tracks"]:
    """Sources dealt to folds, the largest first, each to the fold with the fewest tracks."""
    sources, place, sizes = np.unique(names, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(random_seed).permutation(len(sources))
    filled, fold_of_source = np.zeros(folds, dtype=int), np.empty(len(sources), dtype=int)
    for source in np.lexsort((shuffled, -sizes)):
        fold_of_source[source] = filled.argmin()
        filled[filled.argmin()] += sizes[source]
    return fold_of_source[place]
