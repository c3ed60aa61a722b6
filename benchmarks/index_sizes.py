"""What each kind of index takes and finds, from ten thousand tracks to ten millions.

    python benchmarks/index_sizes.py LIBRARY [--tracks 10000 100000 1000000] [--kinds exact ivf ivfpq]

Vectors are drawn from a mixture of Gaussians fitted to the vectors of LIBRARY, as are the queries. Each index
is built with made-up metadata, from a memory-mapped file to a folder in TMPDIR, by one thread of a process of
its own. A filter allows two fifths of the tracks, drawn at random, or half of them, a region in which the
queries are not ("far"). Bytes a track are what a search keeps in memory; of `exact`, what it reads. A build
needs the anonymous memory; RSS also counts pages of mapped files, which the system takes back. Seconds and
milliseconds are the processor's.

With --codes, what codes there are to choose from: bytes of each, recall of the ten nearest by the number of
candidates that are compared exactly, and the time with 400, all lists being scanned.

Ten millions need 25 GB in TMPDIR and half an hour: --tracks 10000000 --kinds ivfpq
"""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Event, Thread

import faiss
import numpy as np
from sklearn.mixture import GaussianMixture

from index_edits import timed
from search import build
from soundkin.search.exact_kind import Exact, array_of
from soundkin.search.index_manifest import VECTORS
from soundkin.search.kinds import KINDS
from soundkin.search.list_kinds import TRAINING_TRACKS, learn_lists
from soundkin.search.vector_index import Index, open_index
from soundkin.statistics.scaling import unit_length

COMPONENTS = 24
QUERIES = 100
BLOCK = 65_536
CANDIDATES = (100, 200, 400, 1000)
HEADS = ("tracks", "kind", "B a track", "build s", "anon GiB", "RSS GiB", "recall@10", "p50 ms",
         "2/5: recall", "p50 ms", "far: recall", "p50 ms")  # fmt: skip
WIDTHS = (11, 7, 10, 9, 9, 8, 10, 8, 12, 8, 12, 8)


def main() -> None:
    """Print a row for each number of tracks and kind of index."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", type=Path)
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--codes", action="store_true", help="Compare codes in place of kinds.")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    given = parser.parse_args()
    if not given.codes:
        print(line(*HEADS))
    for tracks in given.tracks:
        with tempfile.TemporaryDirectory() as folder:
            write_drawn(open_index(given.library), tracks + QUERIES, Path(folder) / "drawn.npy")
            if given.codes:
                compare_codes(np.load(Path(folder) / "drawn.npy", mmap_mode="r"), tracks)
                continue
            for kind in given.kinds:
                with ProcessPoolExecutor(1, get_context("spawn")) as process:
                    print(process.submit(measure, tracks, kind, Path(folder)).result(), flush=True)


def write_drawn(library: Index, count: int, path: Path) -> None:
    """Draw vectors [count, embedding] from a mixture fitted to those of a library; a block in memory."""
    real = library.vectors(np.arange(len(library)))
    mixture = GaussianMixture(COMPONENTS, covariance_type="tied", random_state=0).fit(real)
    spread = np.linalg.cholesky(mixture.covariances_).astype(np.float32).T
    random, size = np.random.default_rng(0), real.shape[1]
    drawn = np.lib.format.open_memmap(path, "w+", np.float32, (count, size))
    for start in range(0, count, BLOCK):
        some = drawn[start : start + BLOCK]
        means = mixture.means_[random.choice(COMPONENTS, len(some), p=mixture.weights_)]
        some[:] = unit_length(means + random.standard_normal(some.shape, np.float32) @ spread)


def measure(tracks: int, kind: str, folder: Path) -> str:
    """Build one index, ask it, and remove it."""
    faiss.omp_set_num_threads(1)
    drawn = np.load(folder / "drawn.npy", mmap_mode="r")
    with anonymous_memory() as peaks:
        seconds, _ = timed(partial(build, drawn[:tracks], folder / kind, kind), time.process_time)
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    index = open_index(folder / kind)
    files = [folder / kind / index.version / name for name in index.kind.files or (VECTORS,)]
    bytes_a_track = sum(file.stat().st_size for file in files) / tracks
    queries = np.array(drawn[tracks:])
    elsewhere = queries[np.argsort(queries @ queries[0])[: QUERIES // 3]]
    found = (
        asked(index, queries, None),
        asked(index, queries, np.random.default_rng(1).random(tracks) < 0.4),
        asked(index, elsewhere, half_near(index, queries[0])),
    )
    print(f"  {index.manifest.reason} {index.manifest.settings}", file=sys.stderr)
    shutil.rmtree(folder / kind)
    figures = [figure for recall, ms in found for figure in (f"{recall:.4f}", f"{ms:.2f}")]
    sizes = f"{bytes_a_track:.0f}", f"{seconds:.0f}", f"{max(peaks):.2f}", f"{resident:.2f}"
    return line(f"{tracks:,}", kind, *sizes, *figures)


def compare_codes(drawn: np.ndarray, tracks: int) -> None:
    """Print a row for each code, in the lists of `ivf`."""
    faiss.omp_set_num_threads(1)
    vectors = faiss.IndexFlatIP(drawn.shape[1])
    vectors.add(np.array(drawn[:tracks]))
    queries, size = np.array(drawn[tracks:]), vectors.d
    true, _ = vectors.search(queries, 10)
    ours = {f"{4 // n} bit a number{' (OPQ)' * (n > 1)}": partial(learn_lists, vectors, n) for n in (1, 2, 4)}
    descriptions = ("SQ8", f"PQ{size // 2}x4fsr", f"PQ{size // 4}x4fsr", "RaBitQfs", "RaBitQ")
    others = {name: partial(factory, name, vectors) for name in descriptions}
    print(
        f"{tracks:>11,}{'B a track':>23}{'build s':>9}" + "".join(f"{n:>8}" for n in CANDIDATES) + "      ms"
    )
    for name, make in (ours | others).items():
        seconds, codes = timed(make, time.process_time)
        lists = faiss.extract_index_ivf(codes)
        lists.nprobe, refined = lists.nlist, faiss.IndexRefine(codes, vectors)
        recalls = []
        for candidates in CANDIDATES:
            refined.k_factor = candidates / 10
            answers = [timed(partial(refined.search, query[None], 10), time.thread_time) for query in queries]
            scores = np.concatenate([scores for _, (scores, _) in answers])
            recalls.append(f"{(scores >= true[:, -1:] - 1e-5).mean():>8.4f}")
            if candidates == 400:
                ms = 1000 * float(np.median([ms for ms, _ in answers]))
        print(f"{name:<25}{lists.code_size + 8:>9}{seconds:>9.1f}{''.join(recalls)}{ms:>8.2f}", flush=True)


def factory(name: str, vectors: faiss.IndexFlatIP) -> faiss.Index:
    """Lists of FAISS's own making, as many as ours."""
    everything = array_of(vectors)
    number = max(16, round(np.sqrt(len(everything)) / 4))
    codes = faiss.index_factory(vectors.d, f"IVF{number},{name}", faiss.METRIC_INNER_PRODUCT)
    codes.train(everything[:TRAINING_TRACKS])
    codes.add(everything)
    return codes


@contextmanager
def anonymous_memory() -> Iterator[list[float]]:
    """GiB of this process that are no mapped files, every tenth of a second."""
    measured, done = [0.0], Event()

    def watch() -> None:
        while not done.wait(0.1):
            status = Path("/proc/self/status").read_text()
            measured.append(int(status.split("RssAnon:")[1].split()[0]) / 2**20)

    thread = Thread(target=watch)
    thread.start()
    try:
        yield measured
    finally:
        done.set()
        thread.join()


def half_near(index: Index, query: np.ndarray) -> np.ndarray:
    """The half of all tracks that is more like a query."""
    parts = np.array_split(np.arange(len(index)), len(index) // BLOCK + 1)
    cosines = np.concatenate([index.vectors(rows) @ query for rows in parts])
    return np.asarray(cosines >= np.median(cosines))


def asked(index: Index, queries: np.ndarray, allowed: np.ndarray | None) -> tuple[float, float]:
    """Recall@10 of single queries, and the median of their milliseconds."""
    everything = Exact(index.kind.vectors)
    true, _ = (
        everything.nearest(queries, 10) if allowed is None else everything.nearest_among(queries, 10, allowed)
    )
    answers = [timed(partial(index.search, query[None], 10, allowed), time.thread_time) for query in queries]
    scores = np.concatenate([scores for _, (scores, _) in answers])
    return float((scores >= true[:, -1:] - 1e-5).mean()), 1000 * float(np.median([ms for ms, _ in answers]))


def line(*cells: str) -> str:
    """A line of the table."""
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, WIDTHS, strict=True))


if __name__ == "__main__":
    main()
