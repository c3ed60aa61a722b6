"""The neighbours of many tracks at once, as lists that are kept: a query by cosine, with an artist cap.

Many queries are one matrix product, which beats asking track by track, and an index of lists too: that pays
for single queries. Scores are computed once more pair by pair, so that a list does not depend on which others
were computed with it: the same tracks give the same list, bit for bit, in a fresh build or after edits.
"""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from soundkin.errors import ArtefactError
from soundkin.search.artist_cap import CAP_LOOKAHEAD, ArtistCap, Ranked
from soundkin.search.neighbour_store import ListSettings, version_of
from soundkin.search.neighbours import find_neighbours
from soundkin.search.vector_index import Index, open_index
from soundkin.shapes import Bool, Float32, Int, typechecked
from soundkin.statistics.nearest_neighbours import chunk_size, nearest

SPARE = 8  # looked at beyond those wanted, for tracks as near as the last one
ROUNDING = 1e-5  # cosines that differ by less may be equal
SCORED_AT_ONCE = 64  # tracks; the vectors of their candidates are copied


class Lists(NamedTuple):
    """The answers of some tracks, best first; `found` is -1 and `scores` 0 where there are fewer."""

    rows: Int[np.ndarray, " tracks"]
    found: Int[np.ndarray, "tracks neighbours"]
    scores: Float32[np.ndarray, "tracks neighbours"]


class BatchQuery:
    """Answers for tracks of an index; the vectors of an edited one are copied into memory."""

    def __init__(self, index: Index, settings: ListSettings) -> None:
        self.index, self.settings = index, settings
        is_edited = bool(index.manifest.edited_files)
        self.vectors = index.vectors(np.arange(len(index))) if is_edited else index.segments[0].array
        self.track_ids = [index.tracks.label(row).track_id for row in range(len(index))]
        self._place_by_id = np.empty(len(index), np.int64)
        self._place_by_id[sorted(range(len(index)), key=self.track_ids.__getitem__)] = np.arange(len(index))
        self._at_once = settings.k if settings.artist_cap is None else CAP_LOOKAHEAD * settings.k
        self._at_once = min(self._at_once + 1 + SPARE, len(index))

    def fingerprints(self) -> Int[np.ndarray, " tracks"]:
        """A number a track that changes when it may be among other answers than before."""
        digests = bytearray()
        for row, vector in enumerate(self.vectors):
            digest = hashlib.blake2b(vector.tobytes(), digest_size=8)
            digest.update(";".join(self.index.tracks.artists(row)).encode())
            digests += digest.digest()
        return np.frombuffer(bytes(digests), np.int64)

    @typechecked
    def lists(self, rows: Int[np.ndarray, " tracks"]) -> Lists:
        """The answers of the tracks in `rows`: other tracks. There are none for a vector of zeros."""
        k = self.settings.k
        lists = Lists(rows, np.full((len(rows), k), -1), np.zeros((len(rows), k), np.float32))
        scores, candidates = self._ranked(rows, nearest(self.vectors[rows], self.vectors, self._at_once)[1])
        for place, row in enumerate(rows.tolist()):
            if self.vectors[row].any():
                others = candidates[place] != row
                ranking = _pairs(candidates[place, others], scores[place, others])
                for rank, (found, score) in enumerate(self._select(row, ranking)):
                    lists.found[place, rank], lists.scores[place, rank] = found, score
        return lists

    def _select(self, row: int, ranking: list[Ranked]) -> list[Ranked]:
        """Those answers that the filters let in."""
        k, cap = self.settings.k, self.settings.artist_cap
        if cap is None:
            return ranking[:k]
        kept = ArtistCap(cap, self.index.tracks.artists).select(ranking, k)
        if len(kept) == k or self._at_once == len(self.index):
            return kept
        deeper = find_neighbours(self.index, self.vectors[[row]], k, without={row}, artist_cap=cap)
        found = np.array([[found for found, _ in deeper]], np.int64)
        scores, found = self._ranked(np.array([row]), found)
        return _pairs(found[0], scores[0])

    def _ranked(
        self, rows: Int[np.ndarray, " tracks"], candidates: Int[np.ndarray, "tracks candidates"]
    ) -> tuple[Float32[np.ndarray, "tracks candidates"], Int[np.ndarray, "tracks candidates"]]:
        """Cosines of each track with its candidates, and these: in order, of equal ones the earlier id first.

        A cosine is the same in whatever company it is computed; a matrix product promises no such thing.
        """
        scores = np.empty(candidates.shape, np.float32)
        for start in range(0, len(rows), SCORED_AT_ONCE):
            some = slice(start, start + SCORED_AT_ONCE)
            near = self.vectors[candidates[some]]
            np.einsum("td,tcd->tc", self.vectors[rows[some]], near, out=scores[some])
        scores.clip(-1, 1, out=scores)
        order = np.lexsort((self._place_by_id[candidates], -scores))
        return np.take_along_axis(scores, order, axis=1), np.take_along_axis(candidates, order, axis=1)

    @typechecked
    def are_nearer(
        self,
        others: Int[np.ndarray, " others"],
        rows: Int[np.ndarray, " tracks"],
        least: Float32[np.ndarray, " tracks"],
    ) -> Bool[np.ndarray, " tracks"]:
        """Whether any of `others` is about as near to each track in `rows` as `least`, or nearer."""
        nearer = np.zeros(len(rows), dtype=bool)
        if len(others):
            other_vectors, size = self.vectors[others].T, chunk_size(len(others))
            for start in range(0, len(rows), size):
                some = slice(start, start + size)
                best = (self.vectors[rows[some]] @ other_vectors).max(axis=1)
                nearer[some] = best >= least[some] - ROUNDING
        return nearer


def _pairs(found: Int[np.ndarray, " candidates"], scores: Float32[np.ndarray, " candidates"]) -> list[Ranked]:
    return list(zip(found.tolist(), scores.tolist(), strict=True))


def lists_in_worker(
    folder: Path, version: str, settings: ListSettings, rows: Int[np.ndarray, " tracks"]
) -> Lists:
    """The lists of the index in `folder`, which each process opens once; it must still be of this version."""
    return _open(folder, version, settings).lists(rows)


@lru_cache(maxsize=1)
def _open(folder: Path, version: str, settings: ListSettings) -> BatchQuery:
    index = open_index(folder)
    if version_of(index) != version:
        raise ArtefactError(f"index {folder} was changed meanwhile. Run the same command again to go on.")
    return BatchQuery(index, settings)
