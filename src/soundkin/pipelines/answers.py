"""What a query or a recommendation gives back: answers, and a note on why there are fewer than were asked
for.
"""

import difflib
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import shorten

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.config import nearest
from soundkin.errors import UsageError
from soundkin.search.conditions import Condition, mask_where, parse_condition
from soundkin.search.vector_index import Index
from soundkin.shapes import Bool

log = logging.getLogger(__name__)

VALUES_TO_COMPARE = 20_000  # distinct cells of a column in which the nearest value is looked for

Cell = str | int | float | None


@dataclass(frozen=True)
class Answer:
    """One neighbour. `score` is the cosine with the seeds' mean direction; an unknown title or artist is
    empty.

    `path` is absolute; `catalog` holds cells as they stand in the catalog, its `path` too, for the columns
    asked for.
    """

    rank: int
    track_id: str
    title: str
    artist: str
    score: float
    path: str
    catalog: Mapping[str, Cell] = field(default_factory=dict)


def make_answer(index: Index, rank: int, row: int, score: float, columns: Sequence[str]) -> Answer:
    """The answer that is the track in `row`, with its cells in `columns`."""
    track_id, title, artist, path = index.tracks.label(row)
    cells = {name: _cell(index.tracks.batch.column(name)[row].as_py()) for name in columns}
    return Answer(rank, track_id, title, artist, score, index.audio_path(path), cells)


def _cell(value: object) -> Cell:
    if isinstance(value, float) and value != value:
        return None
    return value if isinstance(value, (str, int, float)) else None


def known_columns(index: Index, columns: Sequence[str] | None) -> Sequence[str]:
    """`columns`, or all that the index has if None.

    Raises:
        UsageError: there is no such column; names the nearest.
    """
    known = index.tracks.columns
    for name in columns or ():
        if name not in known:
            raise UsageError(f"there is no column {name}.{nearest(name, known)}")
    return known if columns is None else columns


def as_text(word: str) -> str:
    """A word of the command line as the UTF-8 text that catalogs hold, whatever the locale took it for."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@dataclass(frozen=True)
class Filter:
    """Conditions, all of which an answer meets, and the tracks that do; `allowed` is None without conditions."""

    conditions: Sequence[Condition]
    allowed: Bool[np.ndarray, " tracks"] | None

    @classmethod
    def of(cls, index: Index, where: Sequence[str]) -> "Filter":
        """The filter that `where`, such as `genre=rock`, describes."""
        conditions = [parse_condition(as_text(text)) for text in where]
        return cls(conditions, mask_where(index.tracks.batch, conditions) if conditions else None)

    def note_if_fewer(
        self, index: Index, found: int, k: int, left_out: Collection[int], reason: str, artist_cap: int | None
    ) -> None:
        """Log why there are fewer than `k` answers; the rows `left_out` are no answers because `reason`."""
        if found >= k:
            return
        matching, why = len(index), f"the index holds {len(index)} tracks"
        if self.allowed is not None:
            matching = int(self.allowed.sum())
            asked = " and ".join(map(str, self.conditions))
            why = f"{matching or 'none'} of {len(index)} tracks {'match' if matching != 1 else 'matches'} {asked}"
        lost = sum(self.allowed is None or bool(self.allowed[row]) for row in left_out)
        why += f", {lost} of them left out because {reason}" if lost else ""
        if artist_cap is not None and found < matching - lost:
            why += f", and artist_cap={artist_cap} admits no more of their artists"
        count = f"{found} of {k} answers" if found else "no answer"
        log.warning("%s: %s.%s", count, why, "" if matching else self._hints(index))

    def _hints(self, index: Index) -> str:
        """What the columns hold that no track matches."""
        tracks = index.tracks.batch
        empty = [one for one in self.conditions if not mask_where(tracks, [one]).any()]
        return "".join(f" {_hint(tracks.column(one.column), one)}" for one in empty)


def _hint(column: pa.Array, condition: Condition) -> str:
    name, wanted = condition.column, condition.value
    if condition.operator == "!=":
        return f"All tracks have {name}={wanted}."
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        ends = pc.min_max(column).as_py()
        return (
            f"Values of {name} go from {ends['min']:g} to {ends['max']:g}." if ends["min"] is not None else ""
        )
    distinct = column.dictionary if pa.types.is_dictionary(column.type) else pc.unique(column)
    cells = distinct[:VALUES_TO_COMPARE].to_pylist()
    values = {value.strip() for cell in cells for value in cell.split(";")} - {""}
    if not values:
        return f"No track has a {name}."
    folded = {value.casefold(): value for value in values}
    close = difflib.get_close_matches(wanted.casefold(), folded, n=1)
    if close and condition.operator == "=":
        return f"The nearest {name} is {folded[close[0]]}."
    return f"Values of {name} are {shorten(', '.join(sorted(values)), 100, placeholder=' ...')}."
