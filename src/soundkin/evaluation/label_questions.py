"""What is asked of vectors: a label of the catalog, and what must not help in answering."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.preprocessing import MultiLabelBinarizer

from soundkin.catalog.table import Catalog
from soundkin.shapes import Int

Values = Sequence[tuple[str, ...]]  # what one column holds for each track; () where it is empty

DEFAULT_LABELS = ("genre", "artist", "album", "decade")
# Tracks that share this column are no candidates for each other: tracks by one artist sound alike for reasons
# other than their genre, tracks of one album for reasons other than their artist.
FILTERED_BY = {"artist": "album", "album": None}


@dataclass(frozen=True)
class Question:
    """Asks which tracks share a value of `label`.

    `filtered_by` is the column whose sharers are kept from answering for each other, None if there is none.
    `groups` numbers the tracks' artists: the unit that intervals are drawn over.
    """

    label: str
    values: Values
    filtered_by: str | None
    filter_values: Values
    groups: Int[np.ndarray, " tracks"]


def question(catalog: Catalog, label: str) -> Question:
    """The question that the column `label` poses (`decade` is made from `year`)."""
    filtered_by = FILTERED_BY.get(label, "artist")
    filter_values = column_values(catalog, filtered_by) if filtered_by else [()] * len(catalog)
    if not any(filter_values):
        filtered_by = None
    return Question(label, column_values(catalog, label), filtered_by, filter_values, catalog.artists.groups)


def column_values(catalog: Catalog, column: str) -> Values:
    """What a column holds for each track; all empty where the catalog has no such column.

    An artist has one name, however spelled: the commonest; nobody is none. An album is told apart by its lead
    artist too: many are called "Greatest Hits".
    """
    if column == "decade":
        return [
            tuple(f"{int(year) // 10 * 10}s" for year in years) for years in column_values(catalog, "year")
        ]
    if column not in catalog.frame.columns:
        return [()] * len(catalog)
    if column == "artist":
        return catalog.artists.labels
    if column == "album":
        pairs = zip(column_values(catalog, "artist"), catalog.values("album"), strict=True)
        return [tuple(" / ".join([*artists[:1], album]) for album in albums) for artists, albums in pairs]
    values: Values = catalog.values(column)
    return values


def unit_of(catalog: Catalog) -> str:
    """What `Catalog.artists.groups` numbers: artists, or single tracks where no artist is known."""
    return "artists" if any(catalog.artists.keys) else "tracks"


def group_numbers(values: Values) -> Int[np.ndarray, " tracks"]:
    """Number the first value of each track; a track without one is a group of its own."""
    numbers: dict[object, int] = {}
    keys = [held[0] if held else row for row, held in enumerate(values)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=int)


def memberships(values: Values) -> csr_matrix:
    """Which track holds which value: sparse ones, [tracks, names in alphabetical order]."""
    return csr_matrix(MultiLabelBinarizer(sparse_output=True).fit_transform(values), dtype=np.float32)
