"""The kind of index that compares a query with every vector, and what all kinds have in common.

Where some tracks are not allowed, more of the nearest are looked at than are wanted, and those not allowed
are left out: what remains is as near as a search among the allowed alone would find. Where too few remain,
that search is made.
"""

import math
from pathlib import Path
from typing import Any, ClassVar, Self

import faiss
import numpy as np

from soundkin.shapes import Bool, Float32, Int

MEASURED_NEIGHBOURS = 20  # Lists that were measured for ten may not hold the nearest further down.
SPARE = 1.5  # Of so many times as many as should hold enough that are allowed, nearly always enough are.

Scores = Float32[np.ndarray, "queries neighbours"]
Rows = Int[np.ndarray, "queries neighbours"]
Vectors = Float32[np.ndarray, "tracks embedding"]
Mask = Bool[np.ndarray, " tracks"]


class Exact:
    """Compares a query with every vector. Other kinds override all of this but `search`."""

    name: ClassVar[str] = "exact"
    files: ClassVar[tuple[str, ...]] = ()  # what `write` writes
    uri: str = ""  # of the server that holds the vectors
    least_tracks: ClassVar[int] = 0
    most_looked_at: ClassVar[int] = MEASURED_NEIGHBOURS  # more take longer than a search among the allowed

    def __init__(self, vectors: faiss.IndexFlatIP) -> None:
        self.vectors = vectors
        self.faiss_index: faiss.Index = vectors  # what searches where no rows are left out
        self.settings: dict[str, Any] = {}  # what to keep in the manifest, as plain JSON

    @property
    def array(self) -> Vectors:
        """The vectors [tracks, embedding], not copied."""
        return array_of(self.vectors)

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
            return self.nearest(queries, k)
        matching = int(np.count_nonzero(allowed))
        looked_at = max(MEASURED_NEIGHBOURS, math.ceil(SPARE * k * len(allowed) / (matching or 1)))
        if looked_at > self.most_looked_at:
            return self.nearest_among(queries, k, allowed)
        scores, rows = self.nearest(queries, looked_at)
        rows[~allowed[rows]] = -1  # where it is -1 already, whatever the last track is
        scores, rows = reordered(scores, rows, np.argsort(rows < 0, axis=1, kind="stable")[:, :k])
        short = rows[:, -1] < 0
        if short.any():
            scores[short], rows[short] = self.nearest_among(queries[short], k, allowed)
        return scores, rows

    def nearest(self, queries: Vectors, k: int) -> tuple[Scores, Rows]:
        """The nearest `k` of all tracks."""
        return search_faiss(self.faiss_index, queries, k)

    def nearest_among(self, queries: Vectors, k: int, allowed: Mask) -> tuple[Scores, Rows]:
        """The nearest `k` that are allowed, by looking at these alone."""
        return search_faiss(self.vectors, queries, k, faiss.SearchParameters(sel=selector(allowed)))


def reordered(scores: Scores, rows: Rows, order: Int[np.ndarray, "queries kept"]) -> tuple[Scores, Rows]:
    """Neighbours of each query in another order; a third of the time of np.take_along_axis."""
    query = np.arange(len(order))[:, None]
    return scores[query, order], rows[query, order]


def array_of(vectors: faiss.IndexFlatIP) -> Vectors:
    """The vectors without copying them; gone when `vectors` is."""
    if vectors.ntotal == 0:
        return np.empty((0, vectors.d), np.float32)
    flat: np.ndarray = faiss.rev_swig_ptr(vectors.get_xb(), vectors.ntotal * vectors.d)
    return flat.reshape(vectors.ntotal, vectors.d)


def selector(allowed: Mask) -> faiss.IDSelector:
    """Made anew for each search: FAISS writes into the parameters that hold it."""
    return faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))


def search_faiss(
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
