"""Kinds of index that sort the vectors into lists around centres and keep 4-bit codes of them.

A query scans the codes in the lists nearest to it (FAISS IVF with 4-bit product quantisation, residuals, fast
scan); its best candidates are then compared exactly (IndexRefine), so that scores are exact cosines. How many
lists and candidates that takes is measured when the index is built. Of the vectors themselves, which are
mapped into memory, a query reads those of its candidates.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import faiss
import numpy as np

from soundkin.errors import UsageError
from soundkin.search.exact_kind import (
    MEASURED_NEIGHBOURS,
    Exact,
    Mask,
    Rows,
    Scores,
    Vectors,
    array_of,
    search_faiss,
    selector,
)

LIST_TRACKS = 1_000  # Fewer are too few to learn lists and codes from.
RECALL = 0.9995  # High: a seed that is not in the index finds a little less than the tracks we measure with.
RECALL_NEIGHBOURS = 10
DEEP_NEIGHBOURS, DEEP_RECALL = 100, 0.998  # Filters and artist caps ask for what is further down.
RECALL_QUERIES = 300
TRAINING_TRACKS = 100_000
ROWS_AT_ONCE = 65_536
EXACT_SHARE = 0.03  # Where fewer tracks are allowed, comparing these takes less time than scanning all lists.


class Scan(NamedTuple):
    """How many lists are scanned, and how many candidates an answer are compared exactly."""

    lists: int
    candidates: int


class Ivf(Exact):
    """Keeps a code a number: half a byte."""

    name: ClassVar[str] = "ivf"
    files: ClassVar[tuple[str, ...]] = ("lists.faiss",)
    least_tracks: ClassVar[int] = LIST_TRACKS
    most_looked_at: ClassVar[int] = DEEP_NEIGHBOURS
    numbers_a_code: ClassVar[int] = 1

    def __init__(
        self, codes: faiss.Index, vectors: faiss.IndexFlatIP, near: Scan, deep: Scan, recall: float
    ) -> None:
        """`near` finds MEASURED_NEIGHBOURS, `deep` DEEP_NEIGHBOURS; `recall` is that of the first ten."""
        super().__init__(vectors)
        self._codes = codes
        self._rotated = isinstance(codes, faiss.IndexPreTransform)
        lists = faiss.extract_index_ivf(codes)
        lists.nprobe, self._lists = near.lists, lists.nlist
        self.faiss_index = faiss.IndexRefine(codes, vectors)
        self.faiss_index.k_factor = near.candidates
        self.near, self.deep, self.recall = near, deep, recall
        self.settings = {
            "lists": self._lists, "probes": near.lists, "candidates": near.candidates,
            "deep_probes": deep.lists, "deep_candidates": deep.candidates, "recall_at_10": round(recall, 4)
        }  # fmt: skip

    @classmethod
    def build(cls, vectors: faiss.IndexFlatIP) -> Self:
        """Learn lists and codes, then how many of them find the nearest, with some of the tracks."""
        if vectors.ntotal < LIST_TRACKS:
            few = f"at least {LIST_TRACKS} tracks, and there are {vectors.ntotal}"
            raise UsageError(f"kind={cls.name} needs {few}: use exact.")
        codes = _learn_lists(vectors, cls.numbers_a_code)
        count = min(vectors.ntotal, RECALL_QUERIES)
        queries = array_of(vectors)[np.random.default_rng(1).choice(vectors.ntotal, count, replace=False)]
        true, _ = vectors.search(queries, DEEP_NEIGHBOURS + 1)  # the first is the query itself
        kind = cls(codes, vectors, Scan(1, 1), Scan(1, 1), recall=0.0)
        near, recall = kind._measured(queries, true[:, : RECALL_NEIGHBOURS + 1], (20, 40, 100), RECALL)
        deep, _ = kind._measured(queries, true, (5, 10, 20, 50), DEEP_RECALL)
        return cls(codes, vectors, near, deep, recall)

    @classmethod
    def read(cls, folder: Path, vectors: faiss.IndexFlatIP, settings: dict[str, Any]) -> Self:
        """Read the lists into memory."""
        codes = faiss.read_index(str(folder / "lists.faiss"))
        near = Scan(settings["probes"], settings["candidates"])
        # Indexes of before this was measured scan all lists.
        deep = Scan(
            settings.get("deep_probes", settings["lists"]), settings.get("deep_candidates", near.candidates)
        )
        return cls(codes, vectors, near, deep, settings["recall_at_10"])

    def write(self, folder: Path) -> None:
        """Write the lists: the codes, and a row number a track."""
        faiss.write_index(self._codes, str(folder / "lists.faiss"))

    def explain(self) -> str:
        """How much is scanned, and what that finds."""
        how = self.settings
        return (
            f"{how['probes']} of {how['lists']} lists are scanned and {how['candidates']} candidates an "
            f"answer compared exactly, which finds {self.recall:.2%} of the true ten nearest, measured with "
            f"{RECALL_QUERIES} of the tracks"
        )

    def nearest(self, queries: Vectors, k: int) -> tuple[Scores, Rows]:
        """The nearest `k` of all tracks; all lists are scanned for more than was measured."""
        if k <= MEASURED_NEIGHBOURS:
            wanted, scan = max(k, RECALL_NEIGHBOURS), self.near
        elif k <= DEEP_NEIGHBOURS:
            wanted, scan = min(DEEP_NEIGHBOURS, self.vectors.ntotal), self.deep
        else:
            return self._scan(queries, k, self._all_lists)
        scores, rows = self._scan(queries, wanted, scan)
        if rows.min() < 0:  # the lists hold too few
            scores, rows = self._scan(queries, wanted, self._all_lists)
        return scores[:, :k], rows[:, :k]

    def nearest_among(self, queries: Vectors, k: int, allowed: Mask) -> tuple[Scores, Rows]:
        """The nearest `k` that are allowed, which may be in any list: all are scanned.

        Where few are allowed, these are compared exactly, which is sooner done.
        """
        if np.count_nonzero(allowed) < EXACT_SHARE * len(allowed):
            return super().nearest_among(queries, k, allowed)
        wanted = max(k, RECALL_NEIGHBOURS)  # candidates go with it, so the nearest is found as surely as ten
        scores, rows = self._scan(queries, wanted, self._all_lists, selector(allowed))
        return scores[:, :k], rows[:, :k]

    @property
    def _all_lists(self) -> Scan:
        return Scan(self._lists, self.near.candidates)

    def _scan(
        self, queries: Vectors, k: int, scan: Scan, admitted: faiss.IDSelector | None = None
    ) -> tuple[Scores, Rows]:
        of_lists = faiss.IVFSearchParameters(nprobe=scan.lists, sel=admitted)
        if self._rotated:
            of_lists = faiss.SearchParametersPreTransform(index_params=of_lists)
        parameters = faiss.IndexRefineSearchParameters(k_factor=scan.candidates, base_index_params=of_lists)
        return search_faiss(self.faiss_index, queries, k, parameters)

    def _measured(
        self, queries: Vectors, true: Scores, candidates: tuple[int, ...], enough: float
    ) -> tuple[Scan, float]:
        """The first scan that finds `enough` of the `true` neighbours, else the most thorough; its recall."""
        k = true.shape[1]

        def recall(scan: Scan) -> float:
            found, _ = self._scan(queries, k, scan)
            return float((found[:, 1:] >= true[:, -1:] - 1e-6).mean())  # of equal vectors any will do

        for number in candidates:
            thorough = Scan(self._lists, number)
            best = recall(thorough)
            if best >= enough:
                break
        else:
            return thorough, best
        for lists in _growing(self._lists):
            scan = Scan(lists, number)
            reached = recall(scan)
            if reached >= enough:
                break
        return scan, reached


class IvfPq(Ivf):
    """Keeps a code for two numbers, a quarter of a byte each, of vectors rotated so that this is enough."""

    name: ClassVar[str] = "ivfpq"
    numbers_a_code: ClassVar[int] = 2


def _learn_lists(vectors: faiss.IndexFlatIP, numbers_a_code: int) -> faiss.Index:
    """Learn from a sample, then add all vectors, a block at a time.

    Some sqrt(tracks) / 4 lists: more would make the scan of all of them, which filters need, slower.
    """
    everything = array_of(vectors)
    count, size = everything.shape
    chosen = np.random.default_rng(0).choice(count, min(count, TRAINING_TRACKS), replace=False)
    sample = everything[np.sort(chosen)]
    number, codes = max(16, round(math.sqrt(count) / 4)), max(1, size // numbers_a_code)
    rotation = None
    if numbers_a_code > 1:
        rotation = _learn_rotation(sample, codes)
        sample = rotation.apply(sample)
    lists = faiss.index_factory(sample.shape[1], f"IVF{number},PQ{codes}x4fsr", faiss.METRIC_INNER_PRODUCT)
    for clustering in (lists.cp, lists.pq.cp):
        clustering.min_points_per_centroid = 1  # or FAISS warns on stderr; LIST_TRACKS are enough
    lists.cp.niter = 10
    lists.train(sample)
    index = lists if rotation is None else faiss.IndexPreTransform(rotation, lists)
    for start in range(0, count, ROWS_AT_ONCE):
        index.add(everything[start : start + ROWS_AT_ONCE])
    return index


def _learn_rotation(sample: Vectors, codes: int) -> faiss.OPQMatrix:
    """Optimised product quantisation (T. Ge, K. He, Q. Ke and J. Sun, 2013), in seconds rather than minutes.

    Of vectors whose numbers do not fill the codes evenly, it appends zeros.
    """
    size = sample.shape[1]
    rotated_size = codes * math.ceil(size / codes)
    quantiser = faiss.ProductQuantizer(rotated_size, codes, 4)
    quantiser.cp.min_points_per_centroid = 1
    rotation = faiss.OPQMatrix(size, codes, rotated_size)
    rotation.pq = quantiser
    rotation.niter, rotation.niter_pq, rotation.max_train_points = 8, 4, 20_000
    rotation.train(sample)
    rotation.pq = None
    return rotation


def _growing(most: int) -> Iterator[int]:
    """1, 2, 3, 5, 8, 12, ... and `most` at last."""
    number = 1
    while number < most:
        yield number
        number = math.ceil(1.5 * number)
    yield most
