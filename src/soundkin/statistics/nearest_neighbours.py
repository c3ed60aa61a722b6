"""Nearest neighbours by cosine, exactly, in bounded memory: of unit vectors, a chunk of queries at a time."""

from collections.abc import Iterator

import faiss
import numpy as np

from soundkin.shapes import Float, Float32, Int, typechecked
from soundkin.statistics.scaling import unit_length

CHUNK = 512  # queries at once, or fewer where there are very many candidates
SIMILARITIES_AT_ONCE = 1 << 26  # 256 MB


@typechecked
def nearest(
    queries: Float32[np.ndarray, "queries embedding"],
    candidates: Float32[np.ndarray, "candidates embedding"],
    k: int,
) -> tuple[Float32[np.ndarray, "queries k"], Int[np.ndarray, "queries k"]]:
    """The `k` candidates of largest inner product with each query: (products, rows), best first.

    With unit vectors the products are cosines. Fewer than `k` columns if there are fewer candidates.
    """
    products, rows = faiss.knn(
        np.ascontiguousarray(queries),
        np.ascontiguousarray(candidates),
        min(k, len(candidates)),
        metric=faiss.METRIC_INNER_PRODUCT,
    )
    return products, rows


@typechecked
def nearest_others(
    vectors: Float32[np.ndarray, "tracks embedding"],
    k: int,
    queries: Int[np.ndarray, " queries"] | None = None,
) -> tuple[Float32[np.ndarray, "_ k"], Int[np.ndarray, "_ k"]]:
    """As `nearest`, of every track, or those in the rows `queries`, among all the others of `vectors`."""
    k = max(min(k, len(vectors) - 1), 0)
    products, rows = nearest(vectors if queries is None else vectors[queries], vectors, k + 1)
    own = rows == (np.arange(len(vectors)) if queries is None else queries)[:, None]
    own[~own.any(axis=1), -1] = True  # crowded out by copies of itself
    return products[~own].reshape(len(own), k), rows[~own].reshape(len(own), k)


@typechecked
def largest(similarity: Float[np.ndarray, "queries candidates"], k: int) -> Int[np.ndarray, "queries k"]:
    """The columns of the `k` largest similarities of each row, best first; `k` is at most their number."""
    columns = np.argpartition(-similarity, max(k - 1, 0), axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(similarity, columns, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(columns, order, axis=1))


def chunk_size(candidates: int) -> int:
    """How many queries to compare with so many candidates at once."""
    return min(CHUNK, max(1, SIMILARITIES_AT_ONCE // max(candidates, 1)))


def similarity_chunks(
    vectors: Float[np.ndarray, "tracks embedding"],
    candidates: Int[np.ndarray, " candidates"],
    queries: Int[np.ndarray, " asking"] | None = None,
) -> Iterator[tuple[Int[np.ndarray, " queries"], Float[np.ndarray, "queries candidates"]]]:
    """For all tracks, or the rows `queries`, in chunks: (rows, their cosines to each of `candidates`)."""
    unit = unit_length(vectors)
    rows_of_all = np.arange(len(unit)) if queries is None else queries
    size = chunk_size(len(candidates))
    for start in range(0, len(rows_of_all), size):
        rows = rows_of_all[start : start + size]
        yield rows, unit[rows] @ unit[candidates].T
