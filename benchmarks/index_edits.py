"""How fast an index is edited, when readers see it, and what edits and narrow filters do to queries.

    python benchmarks/index_edits.py [--tracks 10000 1000000] [--quick]

Vectors of 256 numbers, artists within 40 genres. Queries are timed in turns on one thread, in seconds of that
thread, so that the ratios hold on a busy machine. Edits write to the disk that TMPDIR names and wait for it:
their seconds are the clock's, and the processor's where it says CPU. A filter allows a random share of the
tracks, or those nearest to a random direction (as a genre may, which lies in few lists): "scan" searches all
lists for them, "compare" the allowed alone.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa

from search import build, clusters, row, track_id
from soundkin.embedding.store import Embeddings
from soundkin.search import list_kinds
from soundkin.search.edits import add_tracks, compact, remove_tracks
from soundkin.search.exact_kind import Exact, array_of
from soundkin.search.list_kinds import Ivf
from soundkin.search.vector_index import Index, open_index
from soundkin.statistics.scaling import unit_length

SIZE = 256
QUERIES = 200
SHARES = (0.0001, 0.001, 0.01, 0.03, 0.1, 0.3, 0.5)


def main() -> None:
    """Print one table a number of tracks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--quick", action="store_true", help="2,000 tracks only, to see that it runs.")
    given = parser.parse_args()
    faiss.omp_set_num_threads(1)
    for tracks in [2_000] if given.quick else given.tracks:
        with tempfile.TemporaryDirectory() as folder:
            measure(tracks, Path(folder))


def measure(tracks: int, folder: Path) -> None:
    """Build an index of `tracks`, edit copies of it, and print what it takes."""
    share = max(10, tracks // 100)
    vectors = clusters(tracks + 2 * share + QUERIES, SIZE)
    new, queries = vectors[tracks : tracks + 2 * share], unit_length(vectors[-QUERIES:])
    seconds, manifest = timed(lambda: build(vectors[:tracks], folder / "index"))
    print(f"\n{tracks:,} vectors of {SIZE}: {manifest.reason}")
    row("build (s)", seconds)
    seconds, before = timed(lambda: open_index(folder / "index"))
    row("open, checksums included (s)", seconds, 3)
    edits(folder / "index", before, new, share)
    seconds, after = timed(lambda: open_index(folder / "index"))
    row("open after edits (s)", seconds, 3)
    seconds, _ = timed(lambda: after.tracks.batch)
    row("first filter after edits: join the columns (s)", seconds, 3)
    latency({"before edits": before, "1% new and 1% removed": after}, queries)
    removals(folder / "index", queries)
    lists = after.kind if isinstance(after.kind, Ivf) else Ivf.build(after.kind.vectors)
    filters(lists, queries)
    seconds, _ = timed(lambda: compact(folder / "index"))
    row("compact (s)", seconds)
    latency({"before edits": before, "after compaction": open_index(folder / "index")}, queries)


def edits(folder: Path, index: Index, new: np.ndarray, share: int) -> None:
    """Add and remove 1% of the tracks, singly and at once, and print the rates."""
    count, place = len(index), 0

    def add(tracks: int) -> float:
        nonlocal place
        numbers = range(count + place, count + place + tracks)
        chosen = new[place : place + tracks]
        place += tracks
        return timed(lambda: add_tracks(folder, embeddings_of(chosen, numbers), table_of(numbers), folder))[0]

    def remove(first: int, tracks: int) -> float:
        return timed(lambda: remove_tracks(folder, [track_id(n) for n in range(first, first + tracks)]))[0]

    started = time.process_time()
    row("add 1 track (s an edit)", float(np.median([add(1) for _ in range(5)])), 4)
    row("add 1 track (CPU s an edit)", (time.process_time() - started) / 5, 4)
    row("remove 1 track (s an edit)", float(np.median([remove(n, 1) for n in range(5)])), 4)
    seconds, newest = timed(index.newest)
    row("an opened index sees it (s)", seconds, 4)
    row(f"add {share:,} at once (tracks/s)", share / add(share), 0)
    row(f"remove {share:,} at once (tracks/s)", share / remove(5, share), 0)
    row(f"add 1 track beside {share:,} new (s an edit)", float(np.median([add(1) for _ in range(5)])), 4)
    started = time.perf_counter()
    add(1)
    newest = newest.newest()
    found = newest.search(unit_length(new[place - 1 : place]), 1)[1][0, 0]
    assert newest.tracks.label(int(found)).track_id == track_id(count + place - 1)
    row("from adding a track to its being found (s)", time.perf_counter() - started, 4)


def removals(folder: Path, queries: np.ndarray) -> None:
    """Latency and recall as more is removed: at random, or all that lies in one direction."""
    indexes = {}
    for name, percent in (("10% removed", 10), ("20% removed", 20), ("and a region, in all 50%", 50)):
        index = open_index(folder)
        base = index.segments[0]
        wanted = len(base) - len(base.tracks) * (100 - percent) // 100
        order = np.random.default_rng(percent).permutation(len(base))
        if percent == 50:
            order = np.argsort(-index.vectors(np.arange(len(base))) @ queries[0])
        remove_tracks(folder, [index.tracks.label(int(one)).track_id for one in order[:wanted]])
        indexes[name] = open_index(folder)
    latency(indexes, queries)


def latency(indexes: dict[str, Index], queries: np.ndarray) -> None:
    """The same queries to each index, in turns, and how much of what comparing with all finds they find."""
    seconds = {name: np.empty(len(queries)) for name in indexes}
    found = {name: np.empty((len(queries), 10)) for name in indexes}
    for _ in ("so that files are mapped", "measured"):
        for number in range(len(queries)):
            for name, index in list(indexes.items())[:: 1 if number % 2 else -1]:
                search = partial(index.search, queries[number : number + 1], 10)
                seconds[name][number], (scores, _) = timed(search, time.thread_time)
                found[name][number] = scores[0]
    for name, index in indexes.items():
        row(f"query {name}, p50 (CPU ms)", 1000 * float(np.median(seconds[name])), 3)
        row(f"recall@10 {name}", recall(index, queries, found[name]), 4)


def recall(index: Index, queries: np.ndarray, scores: np.ndarray) -> float:
    """Share of the found ten that are as near as the true tenth."""
    best = np.full((len(queries), 10), -np.inf, np.float32)
    for some in np.array_split(np.arange(len(index)), len(index) // 100_000 + 1):
        both = np.concatenate([best, queries @ index.vectors(some).T], axis=1)
        best = -np.sort(-both, axis=1)[:, :10]
    return float((scores >= best[:, -1:] - 1e-5).mean())


def filters(lists: Ivf, queries: np.ndarray) -> None:
    """Time and recall under filters of each share, scanned or compared."""
    exact, queries = Exact(lists.vectors), queries[:50]
    vectors = array_of(lists.vectors)
    near = -vectors @ unit_length(np.random.default_rng(7).standard_normal((1, SIZE), np.float32))[0]
    orders = {"random": np.random.default_rng(3).random(len(vectors)), "region": near}
    list_kinds.EXACT_SHARE = 0  # or lists would not scan
    print(f"  {'filter allows':<24}{'scan (ms)':>12}{'recall@10':>12}{'compare (ms)':>14}")
    for name, order in orders.items():
        for share in SHARES:
            allowed = order <= np.quantile(order, share)
            scanned, compared = np.empty(len(queries)), np.empty(len(queries))
            shares = []
            for n in range(len(queries)):
                asked = queries[n : n + 1], 10, allowed
                scanned[n], (found, _) = timed(partial(lists.nearest_among, *asked), time.thread_time)
                compared[n], (true, _) = timed(partial(exact.nearest_among, *asked), time.thread_time)
                shares.append((found >= true[true > -2].min() - 1e-5)[true > -2].mean())
            scan, compare = (1000 * float(np.median(times)) for times in (scanned, compared))
            line = f"{scan:>12.2f}{np.mean(shares):>12.4f}{compare:>14.2f}"
            print(f"  {f'{share:.2%}, {name}':<24}{line}")


def embeddings_of(vectors: np.ndarray, numbers: range) -> Embeddings:
    """Embeddings of made-up tracks."""
    ids, count = [track_id(number) for number in numbers], len(vectors)
    return Embeddings(ids, vectors, [30.0] * count, [""] * count, "bench", Path("model"), Path("catalog.csv"))


def table_of(numbers: range) -> pa.Table:
    """What the catalog says of made-up tracks."""
    columns: dict[str, Callable[[int], object]] = {
        "track_id": track_id,
        "path": lambda n: f"{n % 997:03}/{n}.ogg",
        "title": lambda n: f"Title {n}",
        "artist": lambda n: f"Artist {n // 50}",
        "genre": lambda n: ("rock", "pop; rock", "jazz", "ambient", "")[n % 5],
        "year": lambda n: 1950 + n % 76,
    }
    return pa.table({name: [cell(number) for number in numbers] for name, cell in columns.items()})


def timed(job: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> tuple[float, Any]:
    """Seconds that `job` takes by `clock`, and what it returns."""
    started = clock()
    result = job()
    return clock() - started, result


if __name__ == "__main__":
    main()
