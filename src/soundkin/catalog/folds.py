"""Folds that leave whole sources out: train on some collections, test on the others.

A *source* is a value of some column, as the game, the label or the project that tracks come from: tracks that
sound alike for reasons of their own (one mix, one sound font, one encoder). A track without one is a source
by itself.
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
    """A fold number, from 0, for each track: every source wholly in one fold, folds of about equal size.

    The largest source goes first, each to the fold with the fewest tracks so far; `random_seed` orders equal
    ones. Raises CatalogError if `column` is absent or empty, UsageError if there are fewer sources than
    folds, or fewer than two folds.
    """
    catalog.require(column, "tracks were to be kept apart by it. Name another column as the source.")
    names = sources_of(catalog, column)
    sources = len(np.unique(names))
    if not 2 <= folds <= sources:
        known = f"{catalog.source}: {column} tells {sources} sources apart"
        hint = "Name a column with more" if sources < 2 else f"Give from 2 to {sources} folds"
        raise UsageError(f"folds={folds}, and {known}. {hint}.")
    return _deal(names, folds, random_seed)


def sources_of(catalog: Catalog, column: str) -> np.ndarray:
    """The source of each track, [tracks] of str: the first value of a cell, without case and spacing.

    In column `artist` it is the lead, however spelled.
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

    No artist of a tested track is trained on: their tracks in other sources are left out, those on which they
    are guests too. About `valid_share` in [0, 1) of the rest is held out for early stopping, by whole sources
    too, together with all else by their artists. Where only one source is left, whole artists are held out.
    """
    sources, artists = sources_of(catalog, column), sources_of(catalog, artist_column)
    if artist_column == "artist":
        keys = catalog.artists.keys
        tested_keys = {key for row in np.flatnonzero(tested) for key in keys[row]}
        by_tested = tested | np.array([not tested_keys.isdisjoint(names) for names in keys], dtype=bool)
    else:
        by_tested = np.isin(artists, artists[tested])
    splits = np.where(tested, "test", np.where(by_tested, LEFT_OUT, "train"))
    rest = ~by_tested
    held_out = _held_out(sources[rest], artists[rest], valid_share, random_seed)
    splits[rest] = np.where(held_out, "valid", "train")
    return splits


def _held_out(
    sources: np.ndarray, artists: np.ndarray, share: float, random_seed: int
) -> Bool[np.ndarray, " tracks"]:
    """The tracks to hold out: of parts of about `share`, the one with the most sources; never all tracks.

    The most sources, since one source larger than `share` makes a part that says little about others.
    """
    names = sources if len(np.unique(sources)) > 1 else artists
    count = len(np.unique(names))
    if share <= 0 or count < 2:
        return np.zeros(len(names), dtype=bool)
    parts = _deal(names, min(max(2, math.floor(1 / share)), count), random_seed)
    most = max(np.unique(parts), key=lambda part: len(np.unique(names[parts == part])))
    held_out = np.isin(artists, artists[parts == most])
    return held_out & ~held_out.all()


def _deal(names: np.ndarray, folds: int, random_seed: int) -> Int[np.ndarray, " tracks"]:
    """Sources dealt to folds, the largest first, each to the fold with the fewest tracks.

    As scikit-learn's GroupKFold deals groups, but for the order of equally large ones, which the seed draws.
    """
    sources, place, sizes = np.unique(names, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(random_seed).permutation(len(sources))
    filled, fold_of_source = np.zeros(folds, dtype=int), np.empty(len(sources), dtype=int)
    for source in np.lexsort((shuffled, -sizes)):
        fold_of_source[source] = filled.argmin()
        filled[filled.argmin()] += sizes[source]
    return fold_of_source[place]
