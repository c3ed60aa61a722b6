"""Clusters of a library, found in the embedding and not on its map: spherical k-means, as many as are clear.

How clear a division is, is its mean silhouette by cosine (Rousseeuw 1987) above that of random vectors with
the same mean and covariance, divided likewise (after the gap statistic of Tibshirani, Walther and Hastie,
2001): anything can be divided, and few dimensions divide well. Of divisions that are nearly as clear as the
clearest, the one into most clusters is taken, since it says most; where none is clear, there is one cluster.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from soundkin.extras import require

require("explore", "the clusters of a library")

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from soundkin.catalog.labels import Labels
from soundkin.explore.palette import shorten
from soundkin.explore.typical_labels import TypicalLabel, name_labels, typical_labels
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.scaling import unit_length

MOST_CLUSTERS = 12
TRACKS_A_CLUSTER = 10  # at least, on average
SAMPLE_TRACKS = 2_000  # find the centres
REFERENCES = 3
CLEAR = 0.05  # above the references
NEARLY = 0.9  # of the clearest
STARTS = 4
LONGEST_NAME = 40  # characters of a track that names a cluster


class LibraryCluster(NamedTuple):
    """A cluster: its name, the rows of its tracks, its typical labels, and the row nearest to its mean."""

    name: str
    rows: Int[np.ndarray, " members"]
    typical: Sequence[TypicalLabel]
    centre: int


@typechecked
def library_clusters(
    vectors: Float[np.ndarray, "tracks embedding"], random_seed: int
) -> Int[np.ndarray, " tracks"]:
    """The cluster of each track, from 0, the largest first; of many tracks a sample finds the centres."""
    units = unit_length(vectors.astype(np.float32))
    rng = np.random.default_rng(random_seed)
    sample = units[np.sort(rng.permutation(len(units))[:SAMPLE_TRACKS])]
    distinct = len(np.unique(sample.round(4), axis=0))  # k-means finds no more clusters than that
    counts = range(2, min(MOST_CLUSTERS, len(sample) // TRACKS_A_CLUSTER, distinct - 1) + 1)
    if not counts:
        return np.zeros(len(units), np.int64)
    references = [_like(sample, rng) for _ in range(REFERENCES)]
    divisions = [_divided(sample, count) for count in counts]
    clear = np.array([_silhouette(sample, division) for division in divisions])
    clear -= np.mean(
        [[_silhouette(each, _divided(each, count)) for count in counts] for each in references], axis=0
    )
    if clear.max() < CLEAR:
        return np.zeros(len(units), np.int64)
    chosen = divisions[np.flatnonzero(clear >= NEARLY * clear.max())[-1]]
    numbers = chosen.predict(units)
    by_size = np.argsort(-np.bincount(numbers, minlength=chosen.n_clusters), kind="stable")
    return np.asarray(np.argsort(by_size)[numbers], np.int64)


@typechecked
def named_clusters(
    units: Float[np.ndarray, "tracks embedding"],
    clusters: Int[np.ndarray, " tracks"],
    labels: Mapping[str, Labels],
    names: Sequence[str],
) -> list[LibraryCluster]:
    """Each cluster by its typical labels, and where these do not tell it apart, by its most typical track."""
    parts = []
    typical = typical_labels(labels, clusters)
    shared = Counter(frozenset(name_labels(each)) for each in typical)
    for number, own in enumerate(typical):
        rows = np.flatnonzero(clusters == number)
        centre = int(rows[(units[rows] @ units[rows].mean(axis=0)).argmax()])
        words = name_labels(own)
        if not words or shared[frozenset(words)] > 1:
            words.append(f"like {shorten(names[centre], LONGEST_NAME)}")
        name = ", ".join(words) if len(typical) > 1 else "all tracks"
        parts.append(LibraryCluster(name, rows, own, centre))
    return parts


def _divided(units: Float[np.ndarray, "tracks embedding"], clusters: int) -> KMeans:
    return KMeans(clusters, n_init=STARTS, random_state=0).fit(units)


def _silhouette(units: Float[np.ndarray, "tracks embedding"], division: KMeans) -> float:
    return float(silhouette_score(units, division.labels_, metric="cosine"))


def _like(
    units: Float[np.ndarray, "tracks embedding"], rng: np.random.Generator
) -> Float[np.ndarray, "tracks embedding"]:
    """Random unit vectors with the mean and, about, the covariance of these."""
    centred = units - units.mean(axis=0)
    weights = rng.normal(size=(len(units), len(units))) / np.sqrt(len(units))
    return unit_length((units.mean(axis=0) + weights @ centred).astype(np.float32))
