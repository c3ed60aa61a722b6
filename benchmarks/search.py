"""How fast a query is over a million vectors, how much of the true answer it finds, and what we add to bare
FAISS.

    python benchmarks/search.py [--tracks 1000000] [--queries 300]

Two kinds of 128-dimensional vectors: *clusters* (artists within 40 genres, variance falling over the
dimensions, as trained embeddings have it) and *uniform* (directions without any structure: the worst case,
met by no real music).
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa

from soundkin.embedding.store import Embeddings
from soundkin.pipelines.query import query
from soundkin.search.index_manifest import VECTORS, IndexManifest
from soundkin.search.vector_index import Index, build_index, open_index
from soundkin.statistics.scaling import unit_length

EMBEDDING_SIZE = 128
TRACKS_PER_ARTIST = 50


def main() -> None:
    """Print one table a kind of vectors."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=300)
    given = parser.parse_args()
    for name, draw in {"clusters": clusters, "uniform": uniform}.items():
        with tempfile.TemporaryDirectory() as folder:
            measure(name, draw(given.tracks + given.queries), given.queries, Path(folder) / "index")


def clusters(count: int, size: int = EMBEDDING_SIZE) -> np.ndarray:
    """Vectors [count, size] around artists around genres."""
    random = np.random.default_rng(0)
    genres = random.standard_normal((40, size), dtype=np.float32)
    artists = genres[random.integers(0, 40, max(1, count // TRACKS_PER_ARTIST))]
    artists += random.standard_normal(artists.shape, dtype=np.float32)
    tracks = artists[random.integers(0, len(artists), count)]
    tracks += random.standard_normal(tracks.shape, dtype=np.float32)
    return tracks * (np.arange(1, size + 1) ** -0.5).astype(np.float32)


def uniform(count: int) -> np.ndarray:
    """Vectors [count, 128] in directions without structure."""
    return np.random.default_rng(0).standard_normal((count, EMBEDDING_SIZE), dtype=np.float32)


def measure(name: str, vectors: np.ndarray, queries: int, folder: Path) -> None:
    """Build an index of all vectors but the last `queries`, and print what it takes."""
    indexed, unseen = vectors[:-queries], unit_length(vectors[-queries:])
    started = time.perf_counter()
    manifest = build(indexed, folder)
    built = time.perf_counter()
    index = open_index(folder)
    opened = time.perf_counter()
    chosen = [
        track_id(int(row)) for row in np.random.default_rng(1).choice(len(indexed), queries, replace=False)
    ]
    # Never the same seed twice in a row: the second to ask would find the vectors in the processor's cache.
    bare, ours = side_by_side(
        bare_faiss(index, chosen), lambda n: query(index, [chosen[n - queries // 2]]), queries
    )
    print(f"\n{name}: {len(indexed):,} vectors of {EMBEDDING_SIZE}")
    print(f"  {manifest.reason}")
    row("build (s)", built - started)
    row("open, checksums included (s)", opened - built)
    row("recall@10 of unseen queries", recall(index, unseen), digits=4)
    row("bare FAISS, p50 (ms)", 1000 * float(np.median(bare)))
    row("query by track, end to end, p50 (ms)", 1000 * float(np.median(ours)))
    row("query by track, end to end, p95 (ms)", 1000 * float(np.quantile(ours, 0.95)))
    row("end to end / bare FAISS, p50", float(np.median(ours) / np.median(bare)))
    narrowed: dict[str, Callable[[str], object]] = {
        "where genre=rock": lambda seed: query(index, [seed], where=["genre=rock"]),
        "where year>=1990": lambda seed: query(index, [seed], where=["year>=1990"]),
        "with artist_cap=2": lambda seed: query(index, [seed], artist_cap=2),
    }
    for label, ask in narrowed.items():
        seconds = [timed(partial(ask, seed)) for seed in chosen[:30]]
        row(f"query {label}, p50 (ms)", 1000 * float(np.median(seconds)))
    row("`soundkin query` by track, cold (s)", cold(folder, chosen[0]))


def build(vectors: np.ndarray, folder: Path, kind: str = "auto") -> IndexManifest:
    """Index `vectors` with made-up metadata."""
    count = len(vectors)
    ids = [track_id(row) for row in range(count)]
    tracks = pa.table(
        {
            "track_id": ids,
            "path": [f"{row % 997:03}/{row}.ogg" for row in range(count)],
            "title": [f"Title {row}" for row in range(count)],
            "artist": [f"Artist {row // TRACKS_PER_ARTIST}" for row in range(count)],
            "genre": [("rock", "pop; rock", "jazz", "ambient", "")[row % 5] for row in range(count)],
            "year": np.random.default_rng(2).integers(1950, 2026, count),
        }
    )
    embeddings = Embeddings(
        ids, vectors, [30.0] * count, [""] * count, "bench", Path("model"), Path("catalog.csv")
    )
    return build_index(embeddings, tracks, folder, folder, kind)


def track_id(row: int) -> str:
    """Id of the track made of vector `row`."""
    return f"track-{row:07}"


def bare_faiss(index: Index, chosen: list[str]) -> Callable[[int], object]:
    """The same search by FAISS alone, from a vector to rows: no ids, titles, paths, nor seeds taken out."""
    seeds = np.stack([index.vector(index.row(seed)) for seed in chosen])
    return lambda n: index.kind.faiss_index.search(seeds[n : n + 1], 11)


def side_by_side(
    bare: Callable[[int], object], ours: Callable[[int], object], queries: int
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of each query [queries], in turns, on one thread, after a warm-up."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    seconds = np.empty((2, queries))
    for n in [*range(min(50, queries)), *range(queries)]:
        for which in (0, 1) if n % 2 else (1, 0):
            seconds[which, n] = timed(partial((bare, ours)[which], n))
    faiss.omp_set_num_threads(threads)
    return seconds[0], seconds[1]


def timed(job: Callable[[], object]) -> float:
    """Seconds that `job` takes."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def recall(index: Index, queries: np.ndarray) -> float:
    """Share of the true ten nearest that a search for ten finds, one query at a time."""
    everything = faiss.read_index(str(next(index.folder.glob("v*")) / VECTORS), faiss.IO_FLAG_MMAP_IFC)
    _, true_rows = everything.search(queries, 10)
    found = [index.search(query[None], 10)[1][0] for query in queries]
    return float(np.mean([len(np.intersect1d(*pair)) / 10 for pair in zip(found, true_rows, strict=True)]))


def cold(folder: Path, seed: str) -> float:
    """Seconds of the whole command in a process of its own: the median of three."""
    command = [str(Path(sys.executable).parent / "soundkin"), "query", str(folder), "--like", seed]
    return sorted(timed(partial(subprocess.run, command, check=True, capture_output=True)) for _ in range(3))[
        1
    ]


def row(label: str, value: float, digits: int = 2) -> None:
    """Print a line of the table."""
    print(f"  {label:<44}{value:>10.{digits}f}")


if __name__ == "__main__":
    main()
