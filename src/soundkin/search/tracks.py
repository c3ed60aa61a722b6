"""What is known of the indexed tracks: an Arrow file mapped into memory, rows in order of track_id.

Mapped Arrow rather than Parquet: with a million tracks it opens in a millisecond, where four columns of
Parquet take 330. Text columns that repeat themselves hold each distinct value once, so that a condition is
tested once a value. The column `label` repeats all that an answer shows in one text: after a search has
filled the processor's caches, ten answers are ten reads of memory instead of eighty. Unknown labels are
empty.
"""

import bisect
import re
from collections.abc import Collection, Iterable
from functools import cached_property, reduce
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from soundkin.catalog.artists import Artists
from soundkin.errors import ArtefactError

# Ids kept in memory, one in so many: half of the steps of looking up an id then touch no mapped page.
ROWS_BETWEEN_SIGNPOSTS = 512

LABEL = "label"  # the first column; the catalog may have another of that name
ARTIST_KEYS = "\x1fartist keys"  # the last column, not shown: keys of the artists, separated by `;`
RECORDING = "recording"  # tracks with the same value in this column are one recording
WARNINGS = "warnings"  # what was found to be off when a track was embedded
Cell = str | int | float | None

SEPARATOR = "\x1f"  # ASCII's own for units of text


class Label(NamedTuple):
    """What an answer shows of a track."""

    track_id: str
    title: str
    artist: str
    path: str


class Texts:
    """One text column; reads the mapped bytes itself, in a third of the time of pyarrow's scalars."""

    def __init__(self, column: pa.Array) -> None:
        self._codes = None
        if pa.types.is_dictionary(column.type):
            self._codes = memoryview(column.indices.buffers()[1]).cast("b").cast("i")
            column = column.dictionary
        _, offsets, content = column.buffers()
        self._offsets = memoryview(offsets).cast("b").cast("q")
        self._content = memoryview(content or b"")

    def __getitem__(self, row: int) -> str:
        if self._codes is not None:
            row = self._codes[row]
        return str(self._content[self._offsets[row] : self._offsets[row + 1]], "utf-8")


class Tracks:
    """The tracks that one file holds, by row."""

    def __init__(self, path: Path) -> None:
        try:
            stored = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        except (OSError, pa.ArrowInvalid) as error:
            raise ArtefactError(f"{path} cannot be read ({error}). Build the index again.") from error
        self._stored = pa.RecordBatch.from_arrays(stored.columns[1:], names=stored.schema.names[1:])
        self._labels = Texts(stored.column(0))
        self._ids = Texts(self._stored.column("track_id"))
        self._signposts = [self._ids[row] for row in range(0, len(self), ROWS_BETWEEN_SIGNPOSTS)]

    def __len__(self) -> int:
        return len(self._stored)

    @cached_property
    def batch(self) -> pa.RecordBatch:
        """A column for each of the catalog's, and ARTIST_KEYS."""
        return self._stored

    @cached_property
    def columns(self) -> list[str]:
        """Names of the catalog's columns."""
        return shown_columns(self.batch)

    def label(self, row: int) -> Label:
        """What an answer shows of the track in `row`."""
        return Label(*self._labels[row].split(SEPARATOR))

    @cached_property
    def recordings(self) -> dict[int, str]:
        """By row, the name of the recording of tracks that may share theirs (RECORDING)."""
        return self._filled(RECORDING)

    @cached_property
    def warnings(self) -> dict[int, str]:
        """By row, what is off with tracks (WARNINGS)."""
        return self._filled(WARNINGS)

    @cached_property
    def artist_keys(self) -> pa.Array:
        """The artists of each track (`artist_keys`)."""
        return artist_keys(self.batch)

    @cached_property
    def _artist_texts(self) -> Texts:
        return Texts(self.artist_keys)

    def artists(self, row: int) -> tuple[str, ...]:
        """The keys of the artists of the track in `row`, the lead first; () where none is known."""
        keys = self._artist_texts[row]
        return tuple(filter(None, keys.split(";"))) if keys else ()

    def row(self, track_id: str) -> int | None:
        """Where a track is, or None if it is not indexed."""
        row = self._place(track_id)
        return row if row < len(self) and self._ids[row] == track_id else None

    def row_of_path(self, path: str) -> int | None:
        """Where the track with this path is, or None."""
        column = self._column("path")
        rows = pc.indices_nonzero(pc.match_substring(column, path))  # a pa.scalar would import pandas
        return next((row for row in rows.to_pylist() if column[row].as_py() == path), None)

    def similar_ids(self, wanted: str) -> list[str]:
        """Up to three ids that `wanted` may mean: their id or title holds it, or its longest known word."""
        from rapidfuzz import fuzz, process

        columns = [self._column(name) for name in ("track_id", "title") if name in self.columns]
        ids = columns[0]
        for text in [wanted, *sorted(re.findall(r"[^\W_]{3,}", wanted), key=len, reverse=True)]:
            masks = [pc.match_substring(column, text, ignore_case=True) for column in columns]
            holding = ids.filter(reduce(pc.or_, masks)).to_pylist()
            if holding:
                break
        known = holding or ids.to_pylist()
        matches = process.extract(wanted, known, scorer=fuzz.ratio, limit=3, score_cutoff=50)
        return [match[0] for match in matches] or holding[:3]

    def _place(self, track_id: str) -> int:
        """The row that `track_id` has, or would have."""
        first = max(0, bisect.bisect_left(self._signposts, track_id) - 1) * ROWS_BETWEEN_SIGNPOSTS
        last = min(first + ROWS_BETWEEN_SIGNPOSTS, len(self))
        return bisect.bisect_left(range(len(self)), track_id, first, last, key=self._ids.__getitem__)

    def _filled(self, name: str) -> dict[int, str]:
        """By row, the cells of a column that hold something."""
        if name not in self.columns:
            return {}
        cells = self._column(name)
        rows = pc.indices_nonzero(pc.binary_length(cells))
        return dict(zip(rows.to_pylist(), cells.take(rows).to_pylist(), strict=True))

    def _column(self, name: str) -> pa.Array:
        return self.batch.column(name).cast(pa.large_string())


def is_numeric(kind: pa.DataType) -> bool:
    """Whether a column of this type is stored and compared as numbers."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def shown_columns(tracks: pa.RecordBatch) -> list[str]:
    """Names of the columns that the catalog has."""
    return [name for name in tracks.schema.names if name != ARTIST_KEYS]


def artist_keys(tracks: pa.RecordBatch) -> pa.Array:
    """The keys of each track's artists, separated by `;`; computed for an index of an earlier version."""
    if ARTIST_KEYS in tracks.schema.names:
        return tracks.column(ARTIST_KEYS)
    if "artist" not in tracks.schema.names:
        return pa.array([""] * len(tracks), pa.large_string())
    return _keys_of(tracks.column("artist"))


def _keys_of(credits: pa.Array, elsewhere: Collection[str] = ()) -> pa.Array:
    artists = Artists.from_credits(credits.to_pylist(), elsewhere=elsewhere)
    return pa.array([";".join(keys) for keys in artists.keys], pa.large_string())


def write_tracks(table: pa.Table, path: Path, artists_elsewhere: Collection[str] = ()) -> None:
    """Write `table`, already in order of track_id, for `Tracks` to read.

    `artists_elsewhere`: keys of artists of other tracks of the same index.
    """
    unknown = pa.chunked_array([pa.repeat(pa.scalar("", pa.large_string()), len(table))])
    shown = [_text(table[name] if name in table.column_names else unknown) for name in Label._fields]
    parts = [pc.replace_substring(part, SEPARATOR, " ") for part in shown]
    label = pc.binary_join_element_wise(*parts, pa.scalar(SEPARATOR, pa.large_string()))
    columns = [_stored(name, table[name]) for name in table.column_names]
    keys = _encoded(_keys_of(shown[Label._fields.index("artist")], artists_elsewhere))
    names = [LABEL, *table.column_names, ARTIST_KEYS]
    batch = pa.RecordBatch.from_arrays([label, *columns, keys], names=names)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)


def _stored(name: str, column: pa.ChunkedArray) -> pa.Array:
    """Numbers as they are; all else as text, each distinct value once if at most half of them are."""
    if name not in Label._fields and is_numeric(column.type):
        return column.combine_chunks()
    return _encoded(_text(column))


def _encoded(text: pa.Array) -> pa.Array:
    encoded = text.dictionary_encode()
    return encoded if len(encoded.dictionary) * 2 <= len(encoded) else text


def filled_text(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """A column as text, empty where it holds nothing."""
    return pc.fill_null(column.cast(pa.large_string()), "")


def _text(column: pa.ChunkedArray) -> pa.Array:
    text = filled_text(column).combine_chunks()
    return text if isinstance(text, pa.Array) else pa.concat_arrays(text.chunks)


def cells_in(tracks: pa.RecordBatch, row: int, columns: Iterable[str]) -> dict[str, Cell]:
    """What the catalog holds of the track in `row`; None where it holds nothing."""
    cells = {name: tracks.column(name)[row].as_py() for name in columns}
    return {name: cell if cell == cell else None for name, cell in cells.items()}  # NaN is not itself


def seconds_in(cell: object) -> float:
    """How long a cell of the column `duration` says that a track is; 0 where it does not say."""
    try:
        seconds = float(str(cell))
    except ValueError:
        return 0.0
    return seconds if 0 < seconds < float("inf") else 0.0
