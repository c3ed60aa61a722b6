"""The answers of many tracks at once, as lists that are kept: those of the default query.

Many queries are one matrix product, which beats asking track by track, and an index of lists too: that pays
for single queries. Cosines are computed once more pair by pair, and the nearest then ranked as for a query:
so a list does not depend on which others were computed with it, and is the same, bit for bit, in a fresh
store or after edits.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from soundkin.errors import ArtefactError
from soundkin.search.artist_cap import CAP_LOOKAHEAD
from soundkin.search.blend import blend_of
from soundkin.search.library_sample import sample_of
from soundkin.search.neighbour_store import ListSettings, version_of
from soundkin.search.packed_list import ALL, ListedAnswers
from soundkin.search.query_description import QueryDescription
from soundkin.search.ranking import LOOKAHEAD, order_of, rank_by_default
from soundkin.search.vector_index import Index, open_index
from soundkin.shapes import Bool, Float32, Int, typechecked
from soundkin.statistics.nearest_neighbours import chunk_size, nearest

SPARE = 8  # looked at beyond those wanted, for tracks as near as the last one
FULL_ARTISTS = 4  # tracks looked at beyond those wanted, for each one wanted, as a cap turns some down
ROUNDING = 1e-5  # cosines that differ by less may be equal


class BatchQuery:
    """Answers for tracks of an index; vectors of an edited one, or one in Milvus, are copied into memory."""

    def __init__(self, index: Index, settings: ListSettings) -> None:
        self.index = index
        is_whole = not index.manifest.edited_files and isinstance(index.segments[0].array, np.ndarray)
        self.vectors = index.segments[0].array if is_whole else index.vectors(np.arange(len(index)))
        self.track_ids = [index.tracks.label(row).track_id for row in range(len(index))]
        self.place_by_id = np.empty(len(index), np.int64)
        self.place_by_id[sorted(range(len(index)), key=self.track_ids.__getitem__)] = np.arange(len(index))
        self.order = order_of(QueryDescription(k=settings.k), index)
        self.first = min(LOOKAHEAD * settings.k + 1 + SPARE, len(index))  # what a query looks at
        further = 0 if self.order.artist_cap is None else (CAP_LOOKAHEAD + FULL_ARTISTS) * settings.k
        self._at_once = min(self.first + further, len(index))

    def fingerprints(self) -> Int[np.ndarray, " tracks"]:
        """A number a track that changes when it may be among other answers than before."""
        tracks, digests = self.index.tracks, bytearray()
        columns = [tracks.batch.column(name) for name in ("album", "duration") if name in tracks.columns]
        cells = zip(*(column.to_pylist() for column in columns), strict=True) if columns else None
        for row, vector in enumerate(self.vectors):
            digest = hashlib.blake2b(vector.tobytes(), digest_size=8)
            told = (tracks.artists(row), tracks.label(row).title, next(cells) if cells else ())
            digest.update(repr(told).encode())
            digests += digest.digest()
        return np.frombuffer(bytes(digests), np.int64)

    @typechecked
    def lists(self, rows: Int[np.ndarray, " tracks"]) -> list[ListedAnswers]:
        """The answers of the tracks in `rows`, as rows. There are none for a vector of zeros."""
        candidates = nearest(self.vectors[rows], self.vectors, self._at_once)[1]
        return [self._answers(row, near) for row, near in zip(rows.tolist(), candidates, strict=True)]

    def _answers(self, row: int, candidates: Int[np.ndarray, " candidates"]) -> ListedAnswers:
        vector = np.array(self.vectors[row])
        if not vector.any():
            return ListedAnswers(reach=-ALL)  # which nothing changes
        near = _NearTracks(self, vector, candidates)
        ranking = rank_by_default(self.index, blend_of(vector[None]), self.order, None, {row}, near.search)
        scores = [track.similarity for track in ranking]
        shares = sample_of(self.index).shares_less_alike(scores)
        folded = [track.folded for track in ranking]
        return ListedAnswers([track.row for track in ranking], scores, shares, folded, near.reach)

    @typechecked
    def are_within(
        self,
        reach: Float32[np.ndarray, " tracks"],
        rows: Int[np.ndarray, " tracks"],
        others: Float32[np.ndarray, "others embedding"],
        rounding: float = ROUNDING,
    ) -> Bool[np.ndarray, " tracks"]:
        """Whether any of `others` is about as near to each track in `rows` as its `reach`, or nearer."""
        nearer = np.zeros(len(rows), dtype=bool)
        size = chunk_size(len(others))
        for start in range(0, len(rows) if len(others) else 0, size):
            some = slice(start, start + size)
            best = (self.vectors[rows[some]] @ others.T).max(axis=1)
            nearer[some] = best >= reach[some] - rounding
        return nearer


class _NearTracks:
    """The tracks that are nearest to one, found already, in place of a search for them.

    `reach` is the cosine of the furthest that was asked for; ALL where there were no more.
    """

    def __init__(
        self,
        batch: BatchQuery,
        vector: Float32[np.ndarray, " embedding"],
        candidates: Int[np.ndarray, " candidates"],
    ) -> None:
        self._batch, self._vector, self._candidates = batch, vector, candidates
        self.reach = -ALL

    def search(
        self,
        queries: Float32[np.ndarray, "queries embedding"],
        k: int,
        allowed: Bool[np.ndarray, " tracks"] | None = None,
    ) -> tuple[Float32[np.ndarray, "queries neighbours"], Int[np.ndarray, "queries neighbours"]]:
        """As `Index.search`, for the one query that there is; what was not found already is searched for."""
        cosines, rows = self._ordered(self._batch.first if allowed is None else len(self._candidates))
        if allowed is not None:
            admitted = allowed[rows]
            cosines, rows = cosines[admitted], rows[admitted]
        if len(rows) < k and len(self._candidates) < len(self._batch.index):
            found, deeper = self._batch.index.search(queries, k, allowed)
            cosines, rows = found[0][deeper[0] >= 0], deeper[0][deeper[0] >= 0]
        self.reach = min(self.reach, float(cosines[k - 1]) if len(rows) >= k else ALL)
        return cosines[None, :k], rows[None, :k]

    def _ordered(self, count: int) -> tuple[Float32[np.ndarray, " tracks"], Int[np.ndarray, " tracks"]]:
        """Cosines and rows of `count` tracks, best first, of equal ones the earlier id.

        A cosine is the same in whatever company it is computed; a matrix product promises no such thing.
        """
        rows = self._candidates[:count]
        cosines = np.einsum("td,d->t", self._batch.vectors[rows], self._vector).clip(-1, 1)
        order = np.lexsort((self._batch.place_by_id[rows], -cosines))
        return cosines[order], rows[order]


def lists_in_worker(
    folder: Path, version: str, settings: ListSettings, rows: Int[np.ndarray, " tracks"]
) -> list[ListedAnswers]:
    """The lists of the index in `folder`, which each process opens once; it must still be of this version."""
    return _open(folder, version, settings).lists(rows)


@lru_cache(maxsize=1)
def _open(folder: Path, version: str, settings: ListSettings) -> BatchQuery:
    index = open_index(folder)
    if version_of(index) != version:
        raise ArtefactError(f"index {folder} was changed meanwhile. Run the same command again to go on.")
    return BatchQuery(index, settings)
