"""How well clusters of a library agree with labels that they have not seen, and with themselves.

    python benchmarks/clusters.py library ../shared/music/tracks.csv [--labels genre_norm artist]

`library` is one that `soundkin sync` made; the labels are the catalog's, by file name. Adjusted mutual
information (Vinh, Epps and Bailey 2010) is 1 for the same division and 0, on average, for one at random; only
tracks that have the label count. *Stable*: that of the clusters of two random four fifths of the tracks, over
the tracks that both have. Ours beside k-means of the two-dimensional map into as many, Louvain communities of
shared neighbours, which find their number themselves, and HDBSCAN, which leaves tracks out (here, a cluster).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from time import process_time

import networkx as nx  # type: ignore[import-untyped]
import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix
from sklearn.cluster import HDBSCAN, KMeans
from sklearn.metrics import adjusted_mutual_info_score

from soundkin.explore.library_clusters import library_clusters
from soundkin.explore.map import map_points
from soundkin.search.vector_index import open_index
from soundkin.shapes import Float, Int
from soundkin.statistics.nearest_neighbours import nearest_others

NEIGHBOURS = 15
SHARE = 0.8
DRAWS = 3
Clusters = Int[np.ndarray, " tracks"]
Vectors = Float[np.ndarray, "tracks embedding"]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", type=Path)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--labels", nargs="+", default=["genre_norm", "artist", "collection"])
    given = parser.parse_args()
    index = open_index(given.library)
    names = [Path(index.tracks.label(row).path).stem for row in range(len(index))]
    catalog = pd.read_csv(given.catalog, dtype=str)
    catalog = catalog.set_index(catalog["path"].map(lambda path: Path(path).stem)).reindex(names)
    vectors = index.vectors(np.arange(len(index)))
    count = int(library_clusters(vectors, 0).max()) + 1
    finders: dict[str, Callable[[Vectors], Clusters]] = {
        "ours": lambda some: library_clusters(some, 0),
        "k-means of the map": lambda some: KMeans(count, n_init=4, random_state=0).fit_predict(
            map_points(some, 0)
        ),
        "Louvain": louvain,
        "HDBSCAN": lambda some: HDBSCAN(min_cluster_size=20, copy=True).fit_predict(some),
        "random": lambda some: np.random.default_rng(0).integers(count, size=len(some)),
    }
    print(
        f"{'':22}{'clusters':>9}{'stable':>8}{'CPU s':>7}" + "".join(f"{each:>12}" for each in given.labels)
    )
    for name, find in finders.items():
        begun = process_time()
        found = find(vectors)
        took = process_time() - begun
        agreement = "".join(f"{agreed(found, catalog[label]):12.2f}" for label in given.labels)
        print(
            f"{name:22}{len(np.unique(found)):9}{stable(find, vectors):8.2f}{took:7.1f}{agreement}",
            flush=True,
        )


def agreed(found: Clusters, labels: "pd.Series[str]") -> float:
    """The agreement of clusters with the labels that are there."""
    known = labels.notna().to_numpy(bool)
    return float(adjusted_mutual_info_score(labels[known].tolist(), found[known]))


def stable(find: Callable[[Vectors], Clusters], vectors: Vectors) -> float:
    """The mean agreement of the clusters of two random samples, over the tracks of both."""
    random, scores = np.random.default_rng(0), []
    for _ in range(DRAWS):
        one, other = (np.sort(random.permutation(len(vectors))[: int(SHARE * len(vectors))]) for _ in "ab")
        both = np.intersect1d(one, other)
        here, there = (find(vectors[rows])[np.searchsorted(rows, both)] for rows in (one, other))
        scores.append(adjusted_mutual_info_score(here, there))
    return float(np.mean(scores))


def louvain(vectors: Vectors) -> Clusters:
    """Communities of the graph of nearest neighbours, weighted by how many they share."""
    count = len(vectors)
    _, near = nearest_others(vectors.astype(np.float32), NEIGHBOURS)
    places = (np.repeat(np.arange(count), NEIGHBOURS), near.ravel())
    lists = csr_matrix((np.ones(near.size), places), shape=(count, count))
    graph = nx.from_scipy_sparse_array((lists @ lists.T).multiply(lists.maximum(lists.T)))
    found = np.zeros(count, np.int64)
    for number, rows in enumerate(nx.community.louvain_communities(graph, seed=0)):
        found[list(rows)] = number
    return found


if __name__ == "__main__":
    main()
