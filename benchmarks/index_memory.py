"""What memory `soundkin index` takes, from an embeddings folder to an index.

    python benchmarks/index_memory.py [--tracks 200000] [--size 256]

Vectors are drawn at random, in parts of 1,000 tracks as `soundkin embed` writes them, in catalog order. It
prints the most anonymous memory of the process that builds, less what it took before it began, and seconds of
the processor. Pages of mapped files, which the system takes back, do not count. TMPDIR needs 4 KB a track.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import faiss
import numpy as np
import pandas as pd

from index_edits import timed
from index_sizes import anonymous_memory
from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.export import Export
from soundkin.pipelines.index import index_embeddings


def main() -> None:
    """Print what the vectors are and what building took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=200_000)
    parser.add_argument("--size", type=int, default=256)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_embeddings(folder, given.tracks, given.size)
        gib = 4 * given.tracks * given.size / 2**30
        print(f"{given.tracks:,} tracks of {given.size} numbers: {gib:.3f} GiB of vectors", flush=True)
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            print(process.submit(measure, folder).result())


def measure(folder: Path) -> str:
    """Build one index."""
    faiss.omp_set_num_threads(1)
    with anonymous_memory() as before:
        time.sleep(0.5)
    build = partial(index_embeddings, folder / "embeddings", folder / "index")
    with anonymous_memory() as peaks:
        seconds, built = timed(build, time.process_time)
    return f"{built.kind}: {max(peaks) - max(before):.3f} GiB of anonymous memory, {seconds:.0f} s"


def write_embeddings(folder: Path, tracks: int, size: int) -> None:
    """An embeddings folder and its catalog, of files that are not there."""
    ids = [f"{number:08}" for number in np.random.default_rng(0).permutation(tracks)]
    table = pd.DataFrame({"track_id": ids, "path": ids, "title": ids, "artist": [it[:4] for it in ids]})
    table.to_csv(folder / "catalog.csv", index=False)
    with Export(folder / "embeddings", ids, "m", size, patches=False) as export:
        for row, embedding in enumerate(drawn(tracks, size)):
            export.record(row, embedding)
        export.finish(folder / "model", folder / "catalog.csv")


def drawn(tracks: int, size: int) -> Iterator[TrackEmbedding]:
    """Embeddings at random, of tracks of two to five minutes."""
    random = np.random.default_rng(1)
    for number in range(tracks):
        yield TrackEmbedding(
            vector=random.standard_normal(size, np.float32),
            patch_vectors=np.empty((0, size), np.float32),
            start_seconds=[],
            duration_seconds=random.uniform(120, 300),
            audio_hash=f"{number:032x}",
            warnings=(),
        )


if __name__ == "__main__":
    main()
