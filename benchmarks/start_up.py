"""How long a person waits for the first word: whole commands, each in a new process.

    python benchmarks/start_up.py [PYTHON]

PYTHON is that of the environment to measure, by default this one; the index holds 20,000 tracks by the
default model, and the file is a 30 s stereo mp3. Files are in the page cache: the first call after a restart
takes longer. CPU seconds, user and system, tell where another process was in the way.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import soundfile

from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.default_model import model_folder
from soundkin.embedding.store import Embeddings
from soundkin.search.vector_index import build_index

TRACKS = 20_000
RATE_HZ, SONG_SECONDS = 44_100, 30
ROUNDS = 7


def main() -> None:
    """Print one row a command."""
    python = sys.argv[1] if len(sys.argv) > 1 else sys.executable
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_files(folder)
        commands = (
            ["--help"],
            ["query", "--help"],
            ["query", "index", "--like", "track7"],
            ["query", "index", "--like", "song.mp3"],
            ["embed", "default", "catalog.csv", "-o", "embeddings"],
        )
        seconds: dict[str, list[tuple[float, float]]] = {}
        for number in range(ROUNDS):
            for words in (["-c", "import torch"], *(["-m", "soundkin", *words] for words in commands)):
                fresh = [f"{word}{number}" if word == "embeddings" else word for word in words]
                seconds.setdefault(" ".join(words), []).append(seconds_of([python, *fresh], folder))
    print(f"{'python ..., median':<60}{'s':>8}{'CPU s':>8}")
    for command, measured in seconds.items():
        wall, cpu = map(statistics.median, zip(*measured, strict=True))
        print(f"{command:<60}{wall:>8.2f}{cpu:>8.2f}")


def make_files(folder: Path) -> None:
    """Write an index by the default model, a song, and a catalog that lists the song."""
    bundle = load_bundle("default")
    ids = [f"track{number}" for number in range(TRACKS)]
    random = np.random.default_rng(0)
    size, catalog = bundle.network_config.embedding_size, folder / "catalog.csv"
    vectors = random.standard_normal((TRACKS, size), dtype=np.float32)
    embeddings = Embeddings(ids, vectors, [1.0] * TRACKS, ids, bundle.hash, model_folder("default"), catalog)
    table = pa.table({"track_id": ids, "path": ids, "title": ids})
    build_index(embeddings, table, folder, folder / "index")
    noise = random.uniform(-0.3, 0.3, (SONG_SECONDS * RATE_HZ, 2))
    soundfile.write(folder / "song.mp3", noise, RATE_HZ)
    catalog.write_text("track_id,path\nsong,song.mp3\n", encoding="utf-8")


def seconds_of(command: list[str], folder: Path) -> tuple[float, float]:
    """Wall time and CPU time of one call."""
    began, before = time.perf_counter(), os.times()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    wall, after = time.perf_counter() - began, os.times()
    user, system = (
        getattr(after, name) - getattr(before, name) for name in ("children_user", "children_system")
    )
    return wall, user + system


if __name__ == "__main__":
    main()
