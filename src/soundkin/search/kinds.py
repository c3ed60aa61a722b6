"""The kinds of index, by name. Both keep the exact vectors and can leave rows out while they search.

exact   compares a query with every vector (FAISS IndexFlatIP).
ivf     sorts the vectors into lists around centres and keeps 4 bits a number of each (FAISS IVF with 4-bit
        product quantisation, residuals, fast scan). A query scans the nearest lists, and its best candidates
        are then compared exactly (IndexRefine), so that scores are exact cosines. How many lists is measured
        when the index is built.

Why not HNSW: it can remove nothing, takes ten times as long to build, and on vectors without clusters it
finds less in the same time (100,000 tracks: recall 0.76 at 1.4 ms). IVF finds nearly all: where tracks form
clusters, in a quarter of the lists; where they do not, in all of them, which 4-bit codes make five times as
fast as floats.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import faiss
import numpy as np

from soundkin.errors import UsageError
from soundkin.shapes import Bool, Float32, Int

EXACT_NUMBERS = 100_000 * 128  # One core compares this many in 2 ms; from there on, lists pay.
IVF_TRACKS = 1_000  # Fewer are too few to learn lists and codes from.

RECALL = 0.9995  # High: a seed that is not in the index finds a little less than the tracks we measure with.
ENOUGH_RECALL = 0.98  # Vectors where lists do worse are searched exactly, as slow as that may be.
RECALL_NEIGHBOURS = 10
MEASURED_NEIGHBOURS = 20  # Further down than these, the lists that were measured may not hold the nearest.
RECALL_QUERIES = 300
TRAINING_TRACKS = 100_000
EXACT_SHARE = 0.03  # Where fewer tracks are allowed, comparing these takes less time than scanning all lists.

ASKED = "asked for"  # how the reason for a kind begins that somebody chose

Scores = Float32[np.ndarray, "queries neighbours"]
Rows = Int[np.ndarray, "queries neighbours"]
Vectors = Float32[np.ndarray, "tracks embedding"]
Mask = Bool[np.ndarray, " tracks"]


class Exact:
    """Compares a query with every vector. The other kind overrides all of this."""

    name: ClassVar[str] = "exact"
    files: ClassVar[tuple[str, ...]] = ()  # what `write` writes

    def __init__(self, vectors: faiss.IndexFlatIP) -> None:
        self.vectors = vectors
        self.faiss_index: faiss.Index = vectors  # what searches where no rows are left out
        self.settings: dict[str, Any] = {}  # what to keep in the manifest, as plain JSON

    @classmethod
    def build(cls, vectors: faiss.IndexFlatIP) -> Self:
        """Learn from all vectors of the index whatever makes search fast."""
        return cls(vectors)

    @classmethod
    def read(cls, folder: Path, vectors: faiss.IndexFlatIP, settings: dict[str, Any]) -> Self:
        """Read what `write` wrote; `settings` are those of the manifest."""
        return cls(vectors)

    def write(self, folder: Path) -> None:
        """Write `files` into `folder`."""

    def explain(self) -> str:
        """How it searches and how good that is, for people."""
        return "every query is compared with all tracks, so no answer is approximate"

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> tuple[Scores, Rows]:
        """The nearest `k` that are allowed, best first; row -1 where there are fewer."""
        if allowed is None:
            return _search(self.faiss_index, queries, k)
        return _search(self.vectors, queries, k, faiss.SearchParameters(sel=_selector(allowed)))


class Ivf(Exact):
    """Scans the `probes` nearest lists and, for each answer, compares the best `candidates` exactly."""

    name: ClassVar[str] = "ivf"
    files: ClassVar[tuple[str, ...]] = ("lists.faiss",)

    def __init__(
        self, lists: faiss.Index, vectors: faiss.IndexFlatIP, probes: int, candidates: int, recall: float
    ) -> None:
        super().__init__(vectors)
        self._lists = lists
        self._lists.nprobe = probes
        self.faiss_index = faiss.IndexRefine(lists, vectors)
        self.faiss_index.k_factor = candidates
        self.recall = recall
        self.settings = {
            "lists": lists.nlist, "probes": probes, "candidates": candidates, "recall_at_10": round(recall, 4)
        }  # fmt: skip

    @classmethod
    def build(cls, vectors: faiss.IndexFlatIP) -> Self:
        """Learn lists and codes, then find how many lists and candidates reach a recall of RECALL."""
        if vectors.ntotal < IVF_TRACKS:
            few = f"at least {IVF_TRACKS} tracks, and there are {vectors.ntotal}"
            raise UsageError(f"kind=ivf needs {few}: use exact.")
        lists = _learn_lists(vectors)
        count = min(vectors.ntotal, RECALL_QUERIES)
        queries = array_of(vectors)[np.random.default_rng(1).choice(vectors.ntotal, count, replace=False)]
        tenth_best = vectors.search(queries, RECALL_NEIGHBOURS + 1)[0][:, -1:]  # but for the query itself
        for candidates in (20, 100):
            for probes in _growing(lists.nlist):
                kind = cls(lists, vectors, probes, candidates, recall=0.0)
                scores, _ = kind.search(queries, RECALL_NEIGHBOURS + 1)
                as_near = scores[:, 1:] >= tenth_best - 1e-6  # by score: of equal vectors any will do
                kind = cls(lists, vectors, probes, candidates, float(as_near.mean()))
                if kind.recall >= RECALL:
                    return kind
        return kind

    @classmethod
    def read(cls, folder: Path, vectors: faiss.IndexFlatIP, settings: dict[str, Any]) -> Self:
        """Read the lists into memory."""
        lists = faiss.read_index(str(folder / "lists.faiss"))
        return cls(lists, vectors, settings["probes"], settings["candidates"], settings["recall_at_10"])

    def write(self, folder: Path) -> None:
        """Write the lists: 4 bits a number, and a row number a track."""
        faiss.write_index(self._lists, str(folder / "lists.faiss"))

    def explain(self) -> str:
        """How much is scanned, and what that finds."""
        how = self.settings
        return (
            f"{how['probes']} of {how['lists']} lists are scanned and {how['candidates']} candidates an "
            f"answer compared exactly, which finds {self.recall:.2%} of the true ten nearest, measured with "
            f"{RECALL_QUERIES} of the tracks"
        )

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> tuple[Scores, Rows]:
        """The nearest `k` that are allowed, best first.

        All lists are scanned for neighbours further down than those that `probes` was measured for, and where
        some tracks are not allowed, since the nearest of the rest may be in any list. Where few are, these
        are compared exactly, which is sooner done.
        """
        if allowed is not None and np.count_nonzero(allowed) < EXACT_SHARE * len(allowed):
            return super().search(queries, k, allowed)
        wanted = max(k, RECALL_NEIGHBOURS)  # candidates go with it, so the nearest is found as surely as ten
        few = allowed is None and k <= MEASURED_NEIGHBOURS
        if few:
            scores, nearest = _search(self.faiss_index, queries, wanted)
        if not few or nearest.min() < 0:
            selector = None if allowed is None else _selector(allowed)
            scan = faiss.IVFSearchParameters(nprobe=self._lists.nlist, sel=selector)
            factor = self.faiss_index.k_factor
            thorough = faiss.IndexRefineSearchParameters(k_factor=factor, base_index_params=scan)
            scores, nearest = _search(self.faiss_index, queries, wanted, thorough)
        return scores[:, :k], nearest[:, :k]


KINDS: dict[str, type[Exact]] = {kind.name: kind for kind in (Exact, Ivf)}


def build_kind(name: str, vectors: faiss.IndexFlatIP) -> tuple[Exact, str]:
    """Build the kind `name`, or with `auto` the one that suits these vectors; and say why, for people."""
    size = f"{vectors.ntotal:,} tracks of {vectors.d} numbers"
    if name != "auto":
        kind = KINDS[name].build(vectors)
        return kind, f"{ASKED}; {kind.explain()}"
    exact, limit = Exact(vectors), max(EXACT_NUMBERS // vectors.d, IVF_TRACKS)
    chosen = f"chosen for {size}; {exact.explain()}"
    if vectors.ntotal < limit:
        return exact, f"{chosen}, which is fast below {limit:,} tracks"
    lists = Ivf.build(vectors)
    if lists.recall < ENOUGH_RECALL:
        return exact, f"{chosen}, since lists would find but {lists.recall:.1%} of the neighbours"
    slow = f"since comparing all is slow from {limit:,} tracks on"
    return lists, f"chosen for {size}, {slow}; {lists.explain()}"


def _learn_lists(vectors: faiss.IndexFlatIP) -> faiss.IndexIVFPQFastScan:
    """Some sqrt(tracks) / 4 lists: more would make the scan of all of them, which filters need, slower."""
    everything = array_of(vectors)
    count, embedding_size = everything.shape
    number = max(16, round(math.sqrt(count) / 4))
    description = f"IVF{number},PQ{embedding_size}x4fsr"
    lists = faiss.index_factory(embedding_size, description, faiss.METRIC_INNER_PRODUCT)
    for clustering in (lists.cp, lists.pq.cp):
        clustering.min_points_per_centroid = 1  # or FAISS warns on stderr; IVF_TRACKS are enough
    lists.cp.niter = 10
    chosen = np.random.default_rng(0).choice(count, min(count, TRAINING_TRACKS), replace=False)
    lists.train(everything[np.sort(chosen)])
    lists.add(everything)
    return lists


def array_of(vectors: faiss.IndexFlatIP) -> Vectors:
    """The vectors without copying them; gone when `vectors` is."""
    if vectors.ntotal == 0:
        return np.empty((0, vectors.d), np.float32)
    flat: np.ndarray = faiss.rev_swig_ptr(vectors.get_xb(), vectors.ntotal * vectors.d)
    return flat.reshape(vectors.ntotal, vectors.d)


def _growing(most: int) -> Iterator[int]:
    """1, 2, 3, 5, 8, 12, ... and `most` at last."""
    number = 1
    while number < most:
        yield number
        number = math.ceil(1.5 * number)
    yield most


def _selector(allowed: Mask) -> faiss.IDSelector:
    """Made anew for each search: FAISS writes into the parameters that hold it."""
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def _search(
    index: faiss.Index, queries: np.ndarray, k: int, parameters: faiss.SearchParameters | None = None
) -> tuple[Scores, Rows]:
    """Search with one thread for a single query: it is short, and a service answers many at once."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if len(queries) == 1 else threads)
    try:
        scores, rows = index.search(queries, k, params=parameters)
    finally:
        faiss.omp_set_num_threads(threads)
    return scores, rows
