"""What Ray costs: `embed` by two actors of Ray Data against two local workers, and memory.

    python benchmarks/ray_engine.py [--files 40 200] [--rounds 1]

By the default model, of 30 s stereo 44.1 kHz mp3s. Each engine embeds two catalogs; the difference is what a
further file takes, in seconds that pass and seconds of processors, of all processes together. Memory is the
largest share (PSS) of a worker, and that of all processes at once.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from embedding import write_copies, write_songs

ENGINES = {
    "local, --workers 2": ("--engine", "local", "--workers", "2"),
    "ray, --workers 2": ("--engine", "ray", "--workers", "2"),
}
MIB = 2**20


class Cost(NamedTuple):
    """Seconds that passed, seconds of processors, MiB of the largest worker and of all processes at once."""

    wall: float
    cpu: float
    worker: float
    all: float


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, nargs=2, default=(40, 200), help="files of the two catalogs")
    parser.add_argument("--rounds", type=int, default=1, help="of which the quickest counts")
    given = parser.parse_args()
    print(
        f"{'':<20}{f's, {given.files[0]} files':>14}{'ms a further':>14}{'CPU ms':>8}"
        f"{'MiB a worker':>14}{'MiB':>7}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        songs = write_songs(folder / "songs", count=8)
        for count in given.files:
            write_copies(folder / str(count), songs, count)
        for engine, words in ENGINES.items():
            small, large = (
                min(embed(folder / str(count), words) for _ in range(given.rounds)) for count in given.files
            )
            further = given.files[1] - given.files[0]
            wall, cpu = 1000 * (large.wall - small.wall) / further, 1000 * (large.cpu - small.cpu) / further
            print(
                f"{engine:<20}{small.wall:>14.1f}{wall:>14.1f}{cpu:>8.1f}{large.worker:>14.0f}{large.all:>7.0f}"
            )


def embed(music: Path, words: tuple[str, ...]) -> Cost:
    """Run the command and look at its processes ten times a second."""
    with tempfile.TemporaryDirectory() as output:
        command = ["-m", "soundkin", "embed", "default", str(music / "catalog.csv"), "-o", output, *words]
        began = time.perf_counter()
        process = psutil.Popen([sys.executable, *command], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        seconds: dict[int, float] = {}
        worker = most = 0.0
        while process.poll() is None:
            shares = {}
            for it in [process, *process.children(recursive=True)]:
                try:
                    times = it.cpu_times()
                    seconds[it.pid] = times.user + times.system
                    shares[it] = it.memory_full_info().pss / MIB
                    if "MapWorker" in it.name() or "forkserver" in " ".join(it.parent().cmdline()):
                        worker = max(worker, shares[it])
                except (psutil.Error, AttributeError):  # it has ended meanwhile
                    continue
            most = max(most, sum(shares.values()))
            time.sleep(0.1)
        if process.returncode:
            raise SystemExit(process.stderr.read().decode())
        return Cost(time.perf_counter() - began, sum(seconds.values()), worker, most)


if __name__ == "__main__":
    main()
