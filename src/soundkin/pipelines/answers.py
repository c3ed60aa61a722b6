"""What a query or a recommendation gives back, and why there is less of it than was asked for."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.config import nearest
from soundkin.errors import UsageError
from soundkin.search.artist_cap import Ranked
from soundkin.search.condition_masks import matching
from soundkin.search.conditions import Condition, parse_condition
from soundkin.search.tracks import Cell, cells_in, is_numeric
from soundkin.search.vector_index import Index, open_index
from soundkin.shapes import Bool

if TYPE_CHECKING:
    from soundkin.pipelines.seeds import ResolvedSeed

log = logging.getLogger(__name__)

VALUES_TO_COMPARE = 20_000  # distinct cells of a column in which the nearest value is looked for


@dataclass(frozen=True)
class Answer:
    """One track. An unknown title or artist is empty; `path` is absolute.

    `score` is the cosine with the seed, of several a mean that asks for all of them (`search/blend.py`), or,
    in a recommendation, the product of the user's vector with the track's, which orders tracks and says no
    more. `closer_than` is the share, from 0 to 1, of random pairs of the library that are less alike.
    `catalog` holds cells of the catalog as they are in it, `path` too, for the columns asked for. `folded`
    are the ids of copies and versions that this answer stands for.
    """

    rank: int
    track_id: str
    title: str
    artist: str
    score: float
    path: str
    catalog: Mapping[str, Cell] = field(default_factory=dict)
    closer_than: float | None = None
    folded: tuple[str, ...] = ()


def opened_index(index: Index | Path | str) -> Index:
    """An index as people name it, opened."""
    return index if isinstance(index, Index) else open_index(Path(index))


class AnswerList(list[Answer]):
    """The answers, best first; `why_fewer` says why they are fewer than asked for, if they are.

    Of a query, `likes` and `unlikes` are its seeds.
    """

    why_fewer: str = ""
    likes: "Sequence[ResolvedSeed]" = ()
    unlikes: "Sequence[ResolvedSeed]" = ()


class Filter:
    """Conditions as people type them, the tracks of an index that meet all of them, and that in words.

    Of the mask `only`, if there is one.
    """

    def __init__(
        self, index: Index, where: Sequence[str], only: Bool[np.ndarray, " tracks"] | None = None
    ) -> None:
        self._index, self._only = index, only
        self._conditions = [parse_condition(as_text(text)) for text in where]

    @cached_property
    def allowed(self) -> Bool[np.ndarray, " tracks"] | None:
        """Which tracks match; None without conditions."""
        if not self._conditions:
            return self._only
        mask = matching(self._index.tracks, self._conditions)
        return mask if self._only is None else mask & self._only

    @property
    def matching(self) -> int:
        """How many tracks match."""
        return len(self._index) if self.allowed is None else int(self.allowed.sum())

    def admits(self, row: int) -> bool:
        """Whether a track matches."""
        return self.allowed is None or bool(self.allowed[row])

    def __str__(self) -> str:
        """`6 of 12 tracks match genre=rock`."""
        tracks = f"{len(self._index)} track{'s' * (len(self._index) != 1)}"
        if self.allowed is None:
            return f"the index holds {tracks}"
        asked = " and ".join(map(str, self._conditions)) or "what may be answered with"
        return f"{self.matching or 'none'} of {tracks} {'match' if self.matching != 1 else 'matches'} {asked}"

    def hints(self) -> str:
        """Where no track matches: what there is in the columns that were asked for; else nothing."""
        if self.matching:
            return ""
        tracks = self._index.tracks
        empty = [condition for condition in self._conditions if not matching(tracks, [condition]).any()]
        return "".join(f" {_hint(tracks.batch.column(condition.column), condition)}" for condition in empty)


class Query:
    """What is asked of an index, whatever ranks its tracks: how many answers, which tracks, which cells."""

    def __init__(
        self,
        index: Index,
        k: int,
        where: Sequence[str],
        artist_cap: int | None,
        columns: Sequence[str] | None,
        only: Bool[np.ndarray, " tracks"] | None = None,
    ) -> None:
        known = index.tracks.columns
        if k < 1:
            raise UsageError(f"k={k}: ask for at least 1 answer.")
        if artist_cap is not None and artist_cap < 1:
            raise UsageError(f"artist_cap={artist_cap}: allow each artist at least 1 answer.")
        if artist_cap is not None and "artist" not in known:
            raise UsageError(f"artist_cap={artist_cap}: the tracks of {index.folder} have no artist column.")
        self._index, self._k, self._artist_cap = index, k, artist_cap
        self._columns = columns_to_show(index, columns)
        self._filter = Filter(index, where, only)
        self.allowed = self._filter.allowed

    def answers(
        self,
        ranking: Sequence[Ranked],
        left_out: Collection[int],
        reason: str,
        closer_than: Sequence[float | None] | None = None,
        folded: Sequence[Sequence[int]] | None = None,
    ) -> AnswerList:
        """The ranked tracks; says and logs why they are fewer than `k`: the rows `left_out` are for `reason`.

        `folded` are the rows of versions that each stands for.
        """
        shares, versions = closer_than or [None] * len(ranking), folded or [()] * len(ranking)
        ranks = range(1, len(ranking) + 1)
        made = zip(ranks, ranking, shares, versions, strict=True)
        answers = AnswerList(self._answer(*each) for each in made)
        if len(ranking) < self._k:
            answers.why_fewer = self._why_fewer(len(ranking), left_out, reason, sum(map(len, versions)))
            log.warning("%s", answers.why_fewer)
        return answers

    def _answer(self, rank: int, ranked: Ranked, closer_than: float | None, folded: Sequence[int]) -> Answer:
        row, score = ranked
        tracks = self._index.tracks
        track_id, title, artist, path = tracks.label(row)
        known = cells_in(tracks.batch, row, self._columns)
        audio_path, versions = (
            self._index.audio_path(path),
            tuple(tracks.label(each).track_id for each in folded),
        )
        return Answer(rank, track_id, title, artist, score, audio_path, known, closer_than, versions)

    def _why_fewer(self, answers: int, left_out: Collection[int], reason: str, folded: int) -> str:
        lost, why = sum(map(self._filter.admits, left_out)), str(self._filter)
        why += f", {lost} of them left out because {reason}" if lost else ""
        why += f", {folded} are versions of others" if folded else ""
        if self._artist_cap is not None and answers < self._filter.matching - lost - folded:
            why += f", and artist_cap={self._artist_cap} admits no more of their artists"
        count = f"{answers} of {self._k} answers" if answers else "no answer"
        return f"{count}: {why}.{self._filter.hints()}"


def columns_to_show(index: Index, columns: Sequence[str] | None) -> Sequence[str]:
    """These columns, all for None; UsageError names the nearest of one that there is not."""
    known = index.tracks.columns
    for name in columns or ():
        if name not in known:
            raise UsageError(f"there is no column {name}.{nearest(name, known)}")
    return known if columns is None else columns


def _hint(column: pa.Array, condition: Condition) -> str:
    from rapidfuzz import process

    name = condition.column
    if condition.operator == "!=":
        return f"All tracks have {name}={condition.value}."
    if is_numeric(column.type):
        ends = pc.min_max(column).as_py()
        low, high = ends["min"], ends["max"]
        return "" if low is None else f"Values of {name} go from {low:g} to {high:g}."
    cells = column.unique()[:VALUES_TO_COMPARE].to_pylist()
    values = {value.strip() for cell in cells for value in cell.split(";")} - {""}
    if not values:
        return f"No track has a {name}."
    closest = process.extractOne(condition.value, values, processor=str.casefold, score_cutoff=60)
    if closest and condition.operator == "=":
        return f"The nearest {name} is {closest[0]}."
    return f"Values of {name} are {shorten(', '.join(sorted(values)), 100, placeholder=' ...')}."


def as_text(word: str) -> str:
    """A word of the command line as the UTF-8 text that catalogs hold, in whatever locale it was read."""
    return word.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
