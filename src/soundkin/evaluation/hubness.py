"""Hubs: tracks that stand among the nearest of far too many others (Radovanović, Nanopoulos & Ivanović 2010)."""

import numpy as np
from pydantic import BaseModel

from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.nearest_neighbours import similarity_chunks


class Hubness(BaseModel, frozen=True):
    """How unevenly tracks occur among others' `k` nearest.

    `skewness` is 0 for an even spread, above 2 for a space with clear hubs. `largest_hub` is the share of all
    lists that the most frequent track stands in; `antihubs` the share of tracks that stand in none.
    """

    system: str
    k: int
    skewness: float
    largest_hub: float
    antihubs: float


def hubness(system: str, vectors: Float[np.ndarray, "tracks embedding"], k: int = 10) -> Hubness:
    """Skewness of the k-occurrence under cosine, its largest hub and its antihubs."""
    return hubness_of(system, k_occurrences(vectors, k), k)


def hubness_of(system: str, occurrences: Int[np.ndarray, " tracks"], k: int) -> Hubness:
    """What these occurrences in lists of `k` come to, by whatever similarity the lists were made."""
    others = max(len(occurrences) - 1, 0)
    return Hubness(
        system=system,
        k=min(k, others),
        skewness=skewness(occurrences),
        largest_hub=float(occurrences.max(initial=0) / max(others, 1)),
        antihubs=float((occurrences == 0).mean()) if len(occurrences) else 0.0,
    )


@typechecked
def k_occurrences(
    vectors: Float[np.ndarray, "tracks embedding"],
    k: int = 10,
    queries: Int[np.ndarray, " asking"] | None = None,
) -> Int[np.ndarray, " tracks"]:
    """In how many other tracks' `k` nearest each track stands, or in those of the rows `queries`."""
    k = min(k, len(vectors) - 1)
    counts = np.zeros(len(vectors), dtype=int)
    if k < 1:
        return counts
    for rows, similarity in similarity_chunks(vectors, np.arange(len(vectors)), queries):
        similarity[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        counts += np.bincount(nearest.ravel(), minlength=len(vectors))
    return counts


def skewness(values: np.ndarray) -> float:
    """Third standardised moment; 0 where all values are equal."""
    deviations = values - values.mean() if len(values) else values
    spread = np.mean(deviations**2) if len(values) else 0.0
    return float(np.mean(deviations**3) / spread**1.5) if spread > 0 else 0.0
