"""The tracks of an index that was edited: those of several files, without the removed ones.

A column is joined when it is first asked for: 20 ms for a million tracks. Labels, ids and artists are read
from their files, as quickly as from one.
"""

import bisect
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.search.segments import Segment
from soundkin.search.tracks import ARTIST_KEYS, Label, Tracks, filled_text, is_numeric, shown_columns
from soundkin.shapes import Bool, Int


class JoinedTracks(Tracks):
    """The kept tracks of several segments, one segment after the other."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._ends = list(accumulate(map(len, segments)))
        self._joined: dict[str, pa.Array] = {}

    def __len__(self) -> int:
        return self._ends[-1]

    @cached_property
    def columns(self) -> list[str]:
        """Names of the catalog's columns, in whichever file they are."""
        return list(dict.fromkeys(name for segment in self._segments for name in segment.tracks.columns))

    def label(self, row: int) -> Label:
        """What an answer shows of the track in `row`."""
        tracks, position = self._find(row)
        return tracks.label(position)

    def artists(self, row: int) -> tuple[str, ...]:
        """The keys of the artists of the track in `row`, the lead first; () where none is known."""
        tracks, position = self._find(row)
        return tracks.artists(position)

    def row(self, track_id: str) -> int | None:
        """Where a track is, or None if it is not indexed."""
        start = 0
        for segment in self._segments:
            row = segment.row(track_id)
            if row is not None:
                return start + row
            start += len(segment)
        return None

    @cached_property
    def batch(self) -> pa.RecordBatch:
        """A column for each of the catalog's, and ARTIST_KEYS."""
        names = [*self.columns, ARTIST_KEYS]
        return pa.RecordBatch.from_arrays([self._joined_column(name) for name in names], names=names)

    @cached_property
    def artist_keys(self) -> pa.Array:
        """The artists of each track (`artist_keys`)."""
        return self._joined_column(ARTIST_KEYS)

    def _column(self, name: str) -> pa.Array:
        return self._joined_column(name).cast(pa.large_string())

    def _find(self, row: int) -> tuple[Tracks, int]:
        """The file that a row is in, and where there."""
        number = bisect.bisect_right(self._ends, row)
        segment = self._segments[number]
        return segment.tracks, segment.position(row - (self._ends[number - 1] if number else 0))

    def _joined_column(self, name: str) -> pa.Array:
        if name not in self._joined:
            self._joined[name] = join([_kept_cells(segment, name) for segment in self._segments])
        return self._joined[name]


def stacked(batches: Sequence[pa.RecordBatch | pa.Table]) -> pa.Table:
    """The rows of several tables of tracks one after the other, with the columns of all of them."""
    names = dict.fromkeys(name for batch in batches for name in shown_columns(batch))
    return pa.table({name: join([_whole(batch, name) for batch in batches]) for name in names})


def same_cells(
    one: pa.RecordBatch | pa.Table, other: pa.RecordBatch | pa.Table
) -> Bool[np.ndarray, " tracks"]:
    """Which rows hold the same in two tables of the same tracks; a column that one lacks is empty there."""
    same = np.ones(len(one), dtype=bool)
    for name in {*shown_columns(one), *shown_columns(other)}:
        cells = join([_whole(one, name), _whole(other, name)])
        cells = cells if is_numeric(cells.type) else cells.cast(pa.large_string())
        left, right = cells[: len(one)], cells[len(one) :]
        equal = pc.or_(pc.equal(left, right).fill_null(False), pc.and_(left.is_null(), right.is_null()))
        same &= equal.to_numpy(zero_copy_only=False)
    return same


def join(parts: Sequence[pa.Array]) -> pa.Array:
    """One column of several; numbers if all are, else text, in the first one's way to store it.

    A part of type null is a column that these tracks do not have.
    """
    known = [part for part in parts if not pa.types.is_null(part.type)]
    if known and all(is_numeric(part.type) for part in known):
        kinds = {part.type for part in known}
        kind = kinds.pop() if len(kinds) == 1 else pa.float64()
        return pa.concat_arrays([part.cast(kind) for part in parts])
    if not known or not pa.types.is_dictionary(known[0].type):
        return pa.concat_arrays([filled_text(part) for part in parts])
    encoded = [
        part if pa.types.is_dictionary(part.type) else filled_text(part).dictionary_encode() for part in parts
    ]
    joined = pa.chunked_array(encoded).unify_dictionaries().combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _whole(batch: pa.RecordBatch | pa.Table, name: str) -> pa.Array:
    if name not in batch.schema.names:
        return pa.nulls(len(batch))
    column = batch.column(name)
    return column if isinstance(column, pa.Array) else pa.concat_arrays(column.chunks)


def _kept_cells(segment: Segment, name: str) -> pa.Array:
    """A column of one segment, or nulls where it has none."""
    tracks = segment.tracks
    cells = tracks.artist_keys if name == ARTIST_KEYS else _whole(tracks.batch, name)
    if segment.kept is None:
        return cells
    cells = cells.take(_arrow(segment.kept.positions))
    return _without_unused(cells) if pa.types.is_dictionary(cells.type) else cells


def _without_unused(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """The same cells; values that no cell has are no more in the dictionary."""
    codes = np.from_dlpack(column.indices)
    used = np.zeros(len(column.dictionary), dtype=bool)
    used[codes] = True
    new_codes = (np.cumsum(used) - 1).astype(np.int32)
    values = column.dictionary.take(_arrow(np.flatnonzero(used)))
    return pa.DictionaryArray.from_arrays(_arrow(new_codes[codes]), values)


def _arrow(numbers: Int[np.ndarray, " numbers"]) -> pa.Array:
    """The same numbers; pa.array would import pandas."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])
