"""Cosine similarity of many tracks at once, a chunk of queries at a time so that memory stays bounded."""

from collections.abc import Iterator

import numpy as np

from soundkin.shapes import Float, Int, typechecked

CHUNK = 512  # queries; 512 x 100,000 similarities are 200 MB


@typechecked
def unit_length(vectors: Float[np.ndarray, "tracks embedding"]) -> Float[np.ndarray, "tracks embedding"]:
    """Each vector divided by its norm; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0))


def similarity_chunks(
    vectors: Float[np.ndarray, "tracks embedding"], candidates: Int[np.ndarray, " candidates"]
) -> Iterator[tuple[Int[np.ndarray, " queries"], Float[np.ndarray, "queries candidates"]]]:
    """For every track as a query: (query rows, their cosine similarity to each of `candidates`)."""
    unit = unit_length(vectors)
    for start in range(0, len(unit), CHUNK):
        rows = np.arange(start, min(start + CHUNK, len(unit)))
        yield rows, unit[rows] @ unit[candidates].T
