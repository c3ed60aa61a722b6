"""Neighbours computed ahead: how long a store takes to build and to follow edits, how fast it is read, and
how large it is.

    python benchmarks/neighbours.py [--tracks 100000] [--k 50] [--workers N] [--quick]

Vectors of 256 numbers form clusters: artists of 12 tracks within 40 genres, variance falling over the
dimensions. Redis is measured where redis-server is installed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from soundkin.embedding.store import Embeddings
from soundkin.pipelines.query import query
from soundkin.search.edits import edit_tracks
from soundkin.search.neighbour_lists import BatchQuery
from soundkin.search.neighbour_store import ListSettings, NeighbourStore
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import Index, build_index, open_index

EMBEDDING_SIZE = 256
TRACKS_PER_ARTIST = 12
EDITS = (10, 1_000)
READS = 20_000


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--k", type=int, default=50)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--quick", action="store_true", help="5,000 tracks")
    given = parser.parse_args()
    count = 5_000 if given.quick else given.tracks
    settings = ListSettings(k=given.k)
    with tempfile.TemporaryDirectory() as name, addresses(Path(name)) as urls:
        measure(Path(name), count, settings, given.workers, urls)


def measure(folder: Path, count: int, settings: ListSettings, workers: int, urls: dict[str, str]) -> None:
    """Build, read and edit a store of `count` tracks in a file, and in a Redis if there are `urls` of one."""
    vectors = clusters(count + sum(EDITS))
    index = indexed(vectors[:count], 0, folder)
    print(f"{count:,} tracks of {EMBEDDING_SIZE} numbers, {settings.k} neighbours")
    compare_ways(index, settings)
    places = {
        "LMDB": str(folder / "neighbours.lmdb"),
        **{f"Redis, {name}": url for name, url in urls.items()},
    }
    writable = {name: place for name, place in places.items() if name != "Redis, loopback"}  # the same Redis
    for name, place in writable.items():
        seconds = timed(partial(update_store, place, index, settings, workers))
        row(f"{name}: build, {workers} workers (s)", seconds)
    row("LMDB: size (MB)", (folder / "neighbours.lmdb").stat().st_size / 1e6)
    for name, place in places.items():
        read(name, place, count, settings.k)
    before = 0
    for edits in EDITS:
        gone = [track_id(number) for number in range(before, before + edits)]
        new = described(vectors[count + before :][:edits], count + before, folder)
        before += edits  # so many tracks leave at the front and others come at the end
        edit_tracks(folder / "index", *new, folder, gone)
        index = open_index(folder / "index")
        for name, place in writable.items():
            started, worked = time.perf_counter(), time.process_time()
            done = update_store(place, index, settings, workers)
            seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - worked
            label = f"{name}: {edits:,} gone, {edits:,} new: {done.computed:,} lists"
            row(f"{label} (s)", seconds)
            row(f"{label}, but for workers (CPU s)", cpu_seconds)


def compare_ways(index: Index, settings: ListSettings) -> None:
    """One query at a time against many at once, on one core, a track."""
    batch = BatchQuery(index, settings)
    rows = np.random.default_rng(1).choice(len(index), 512, replace=False)

    def one_by_one() -> None:
        for chosen in rows[:50].tolist():
            query(index, f"track:{batch.track_ids[chosen]}", settings.k)

    row("one query at a time, a track (CPU ms)", 1000 * processor_seconds(one_by_one) / 50, 3)
    row("512 at once, a track (CPU ms)", 1000 * processor_seconds(lambda: batch.lists(rows)) / 512, 3)


def read(name: str, place: str, count: int, k: int) -> None:
    """Read lists of random tracks."""
    chosen = np.random.default_rng(2).integers(0, count, READS if name == "LMDB" else READS // 10)
    with NeighbourStore.open(place) as store:
        for wanted in (10, k):
            seconds = [
                timed(partial(store.neighbours, track_id(number), wanted)) for number in chosen.tolist()
            ]
            p50, p99 = 1e6 * np.quantile(seconds, [0.5, 0.99])
            row(f"{name}: read {wanted}, p50 (us)", p50, 1)
            row(f"{name}: read {wanted}, p99 (us)", p99, 1)
        get = store.values.get
        keys = [b"=" + track_id(number).encode() for number in chosen.tolist()]
        row(f"{name}: bytes alone, p50 (us)", 1e6 * np.median([timed(partial(get, key)) for key in keys]), 1)


def clusters(count: int) -> np.ndarray:
    """Vectors [count, EMBEDDING_SIZE] around artists around genres."""
    random = np.random.default_rng(0)
    genres = random.standard_normal((40, EMBEDDING_SIZE), dtype=np.float32)
    artists = genres[random.integers(0, 40, max(1, count // TRACKS_PER_ARTIST))]
    artists += random.standard_normal(artists.shape, dtype=np.float32)
    tracks = artists[artists_of(count, len(artists))]
    tracks += random.standard_normal(tracks.shape, dtype=np.float32)
    return np.asarray(tracks * (np.arange(1, EMBEDDING_SIZE + 1) ** -0.5), np.float32)


def artists_of(count: int, artists: int) -> np.ndarray:
    """Whose track each is [count]."""
    return np.random.default_rng(3).integers(0, artists, count)


def indexed(vectors: np.ndarray, first: int, folder: Path) -> Index:
    """An index of `vectors`, whose tracks are numbered from `first` on."""
    build_index(*described(vectors, first, folder), folder, folder / "index", "exact")
    return open_index(folder / "index")


def described(vectors: np.ndarray, first: int, folder: Path) -> tuple[Embeddings, pa.Table]:
    """Tracks that are numbered from `first` on."""
    count = len(vectors)
    ids = [track_id(first + number) for number in range(count)]
    artists = artists_of(first + count, max(1, count // TRACKS_PER_ARTIST))[first:]
    tracks = pa.table({"track_id": ids, "path": ids, "artist": [f"Artist {artist}" for artist in artists]})
    return Embeddings(ids, vectors, [], [], "bench", folder / "model", folder / "catalog.csv"), tracks


def track_id(number: int) -> str:
    """Id of a track."""
    return f"track-{number:07}-some-title"


@contextmanager
def addresses(folder: Path) -> Iterator[dict[str, str]]:
    """Start a Redis; its addresses by name, none without redis-server."""
    if shutil.which("redis-server") is None:
        print("redis-server is not installed, so Redis is left out", file=sys.stderr)
        yield {}
        return
    socket, port = folder / "redis.sock", "16399"
    command = [
        "redis-server",
        "--port",
        port,
        "--unixsocket",
        str(socket),
        "--save",
        "",
        "--dir",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        while not socket.exists():
            if server.poll() is not None:
                sys.exit(f"redis-server ended at once. Is something else at port {port}?")
            time.sleep(0.05)
        try:
            yield {"unix socket": f"unix://{socket}", "loopback": f"redis://127.0.0.1:{port}"}
        finally:
            server.terminate()


def timed(job: Callable[[], object]) -> float:
    """Seconds that `job` takes."""
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def processor_seconds(job: Callable[[], object]) -> float:
    """Seconds that the processor works on `job`."""
    started = time.process_time()
    job()
    return time.process_time() - started


def row(label: str, value: float, digits: int = 2) -> None:
    """Print a line of the table."""
    print(f"  {label:<60}{value:>12,.{digits}f}", flush=True)


if __name__ == "__main__":
    main()
