"""How long a person waits for the first word: whole commands, each in a new process.

python benchmarks/start_up.py
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from soundkin.embedding.store import Embeddings
from soundkin.search.vector_index import build_index

TRACKS = 20_000


def main() -> None:
    """Print one row a command."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        ids = [f"track{number}" for number in range(TRACKS)]
        vectors = np.random.default_rng(0).standard_normal((TRACKS, 128), dtype=np.float32)
        embeddings = Embeddings(
            ids, vectors, [1.0] * TRACKS, ids, "0" * 32, Path("model"), Path("catalog.csv")
        )
        build_index(embeddings, pa.table({"track_id": ids, "path": ids, "title": ids}), Path(folder), index)
        print(f"{'command':<50}{'median s':>10}")
        for words in (["--help"], ["query", "--help"], ["query", str(index), "--like", "track7"]):
            shown = " ".join(word if word != str(index) else "INDEX" for word in words)
            print(f"{f'soundkin {shown}':<50}{statistics.median(seconds(words) for _ in range(7)):>10.2f}")


def seconds(words: list[str]) -> float:
    """Wall time of one call."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "soundkin", *words], check=True, capture_output=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
