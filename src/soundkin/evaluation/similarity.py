"""Vectors of tracks, and the cosine similarity of many at once: a chunk of queries at a time, in bounded memory."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from soundkin.errors import UsageError
from soundkin.shapes import Float, Int, typechecked

CHUNK = 512  # queries at once, or fewer where there are very many candidates
SIMILARITIES_AT_ONCE = 1 << 26  # 256 MB


def chunk_size(candidates: int) -> int:
    """How many queries to compare with so many candidates at once."""
    return min(CHUNK, max(1, SIMILARITIES_AT_ONCE // max(candidates, 1)))


def check_systems(systems: Mapping[str, Float[np.ndarray, "tracks _"]], track_ids: Sequence[str]) -> None:
    """Raise UsageError unless every system has a finite vector for each of the tracks, and there is a system."""
    if not systems:
        raise UsageError("no system to judge: give the vectors of one at least.")
    for name, vectors in systems.items():
        if len(vectors) != len(track_ids):
            raise UsageError(
                f"{name} has {len(vectors)} vectors for {len(track_ids)} tracks. Give one a track, in their order."
            )
        if not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise UsageError(
                f"the vector of track {track_ids[row]} by {name} holds a NaN or infinity. Leave the track out."
            )


@typechecked
def unit_length(vectors: Float[np.ndarray, "tracks embedding"]) -> Float[np.ndarray, "tracks embedding"]:
    """Each vector divided by its norm; a zero vector stays zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0))


def similarity_chunks(
    vectors: Float[np.ndarray, "tracks embedding"],
    candidates: Int[np.ndarray, " candidates"],
    queries: Int[np.ndarray, " asking"] | None = None,
) -> Iterator[tuple[Int[np.ndarray, " queries"], Float[np.ndarray, "queries candidates"]]]:
    """For every track as a query, or those in the rows `queries`: (rows, their cosines to each of `candidates`)."""
    unit = unit_length(vectors)
    rows_of_all = np.arange(len(unit)) if queries is None else queries
    size = chunk_size(len(candidates))
    for start in range(0, len(rows_of_all), size):
        rows = rows_of_all[start : start + size]
        yield rows, unit[rows] @ unit[candidates].T
