"""Tracks by words as they are typed: each word may be the beginning of one in title, artist or album."""

from functools import cached_property, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.search.named_tracks import folded_column, searched_columns
from soundkin.search.tracks import Tracks

BETWEEN_WORDS = r"[^\pL\pN]+"


class TypedWords:
    """The names of all tracks, folded once: a search then takes about a millisecond for 10,000 tracks."""

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks

    def find(self, text: str, limit: int, offset: int = 0) -> tuple[list[int], int]:
        """Rows of the tracks that hold all words of `text`, and how many there are; all tracks without words.

        Those whose title begins with `text` come first; then the order is that of the index.
        """
        words = _folded(pa.array([text], pa.large_string()))[0].as_py().split()
        if not words:
            return list(range(len(self._tracks)))[offset : offset + limit], len(self._tracks)
        holding = reduce(pc.and_, [pc.match_substring(self._names, f" {word}") for word in words])
        rows = pc.indices_nonzero(holding)
        titled = pc.starts_with(self._names.take(rows), f" {' '.join(words)}")
        order = np.argsort(~np.asarray(titled), kind="stable")
        return np.asarray(rows)[order[offset : offset + limit]].tolist(), len(rows)

    @cached_property
    def _names(self) -> pa.Array:
        """` night train oscar peterson trio night train` of each track: title (or file name) first."""
        columns = [*searched_columns(self._tracks), self._tracks.artist_keys]
        texts = [pc.fill_null(column.cast(pa.large_string()), "") for column in columns]
        nothing, blank = (pa.scalar(text, pa.large_string()) for text in ("", " "))
        spaced = pc.binary_join_element_wise(nothing, *texts, blank)
        return _folded(spaced)


def _folded(text: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(folded_column(text), BETWEEN_WORDS, " ")
