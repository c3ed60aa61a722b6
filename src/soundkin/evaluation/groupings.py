"""Groups of tracks, or of users, that a system may serve unequally.

A grouping is `Values`, as in `label_questions`: the names of the groups that each item is in. An item in
several groups counts in each. What is not known is a group of its own, so that no item is lost for want of a
label.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import rankdata

from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import Values, column_values, memberships
from soundkin.shapes import Float, Int, typechecked

UNKNOWN, NEVER = "unknown", "never played"
COLUMNS = ("genre", "decade")  # unless others are asked for
POPULARITY, CATALOGUE, ACTIVITY = "popularity", "artist's catalogue", "activity"
CATALOGUE_SIZES = ((1, "1 track"), (4, "2-4 tracks"), (9, "5-9 tracks"))  # up to so many
LARGEST_CATALOGUE = "10+ tracks"
DECILE_NOTE = (
    "Decile 1 holds the tenth with the fewest plays, decile 10 that with the most; ties stay together."
)

Groupings = Mapping[str, Values]
Counts = Float[np.ndarray, " items"] | Int[np.ndarray, " items"]


def track_groups(
    catalog: Catalog, columns: Sequence[str] | None = None, plays_per_track: Counts | None = None
) -> dict[str, Values]:
    """Group tracks by columns, by the catalogue size of their lead artist, and by how often they are played.

    `columns` default to genre and decade, as far as the catalog has them. `plays_per_track` [tracks] is in
    catalog order, NaN where it is not known; without it there is no popularity.

    Raises:
        CatalogError: a column asked for is not in the catalog, or empty in every row.
    """
    if columns is None:
        columns = [column for column in COLUMNS if any(column_values(catalog, column))]
    else:
        for column in columns:
            catalog.require(
                "year" if column == "decade" else column, "it was named as a column to split scores by."
            )
    groups: dict[str, Values] = {
        column: [values or (UNKNOWN,) for values in column_values(catalog, column)] for column in columns
    }
    artists = catalog.artists
    if any(artists.keys):
        sizes = np.bincount(artists.groups)[artists.groups]
        groups[CATALOGUE] = [
            (_catalogue_size(size) if lead else UNKNOWN,)
            for size, lead in zip(sizes, artists.leads, strict=True)
        ]
    if plays_per_track is not None:
        groups[POPULARITY] = deciles(plays_per_track)
    return groups


def user_groups(plays_per_user: Counts) -> dict[str, Values]:
    """Group users by how many tracks they are known to like: little is known of who has played little."""
    return {ACTIVITY: deciles(plays_per_user)}


@typechecked
def deciles(plays: Counts) -> Values:
    """The tenth of the played items that each is in, by plays; ties share one, by their mean rank.

    Never played is a group of its own, and so is NaN.
    """
    counts = np.asarray(plays, dtype=float)
    played = counts > 0
    tenths = (10 * (rankdata(counts[played]) - 0.5) / max(played.sum(), 1)).astype(int) + 1
    names = np.where(np.isnan(counts), UNKNOWN, NEVER).astype(object)
    names[played] = [f"decile {tenth}" for tenth in tenths]
    return [(name,) for name in names]


def members_of(values: Values) -> tuple[list[str], csr_matrix]:
    """The groups' names, and sparse ones where an item is in a group, [items, groups].

    The order is the alphabet's, but numbers go by size and the unknown comes last.
    """
    alphabetical = sorted({name for held in values for name in held})
    order = sorted(range(len(alphabetical)), key=lambda place: _sort_key(alphabetical[place]))
    return [alphabetical[place] for place in order], memberships(values)[:, order]


def _sort_key(name: str) -> tuple[bool, list[tuple[int, str]], str]:
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
    return name == UNKNOWN, parts, name


def _catalogue_size(tracks: int) -> str:
    return next((name for most, name in CATALOGUE_SIZES if tracks <= most), LARGEST_CATALOGUE)
