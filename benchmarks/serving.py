"""A library served: requests a second and their durations, and what clients see while versions are swapped.

    python benchmarks/serving.py [--tracks 100000] [--seconds 10] [--clients 64] [--swaps 100] [--quick]

wrk (apt install wrk) asks for the neighbours of tracks by turns, over loopback, on the same cores as the
server: from the store, and live. Then clients ask while another process edits the library: each version has
its own titles, so that an answer of two versions shows.
"""

import argparse
import http.client
import json
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa

from soundkin.embedding.library import Library
from soundkin.embedding.store import Embeddings
from soundkin.search.edits import update_tracks
from soundkin.search.neighbour_store import ListSettings
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import build_index, open_index

EMBEDDING_SIZE, TRACKS_PER_ARTIST = 128, 12
SWAPPED_TRACKS = 400  # in the library whose versions are swapped: all of them change each time
WRK_SCRIPT = """
local turn = math.random(0, {tracks} - 1)
request = function()
  turn = (turn + 7919) % {tracks}
  return wrk.format("GET", string.format("/tracks/track-%07d/similar?k={k}{more}", turn))
end
"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="2,000 tracks, 2,000 requests, 5 swaps")
    given = parser.parse_args()
    if given.quick:
        given.tracks, given.requests, given.swaps, given.seconds = 2_000, 2_000, 5, 2
    with tempfile.TemporaryDirectory() as name:
        measure_speed(Path(name) / "large", given.tracks, given.seconds, given.processes)
        measure_swaps(Path(name) / "small", given.clients, given.requests, given.swaps, given.processes)


def measure_speed(folder: Path, tracks: int, seconds: int, processes: int) -> None:
    """How many requests a second are answered, and how fast."""
    library = made_library(folder, tracks)
    print(f"{tracks:,} tracks of {EMBEDDING_SIZE} numbers, {processes} server processes")
    with served(library.folder, processes) as (port, server):
        if shutil.which("wrk") is None:
            sys.exit("wrk is not installed: apt install wrk")
        asked = {
            "from the store, k=10": (10, ""),
            "from the store, k=50": (50, ""),
            "live, k=10": (10, "&artist_cap=2"),
        }
        for name, (k, more) in asked.items():
            for connections in (1, 16, 64):
                before = cpu_seconds(server)
                told, answered = wrk(folder, port, tracks, k, more, connections, seconds)
                told += f", {(cpu_seconds(server) - before) / answered * 1e6:.0f} us of a core each"
                print(f"/similar {name}, {connections:2} connections: {told}; server {memory(server):.0f} MB")


def wrk(
    folder: Path, port: int, tracks: int, k: int, more: str, connections: int, seconds: int
) -> tuple[str, int]:
    """What wrk says: requests a second, median and 99th percentile, errors; and how many were answered."""
    script = folder / "ask.lua"
    script.write_text(WRK_SCRIPT.format(tracks=tracks, k=k, more=more))
    told = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, f"http://127.0.0.1:{port}"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    shares = {share: time for share, time in re.findall(r"(50|99)%\s+(\S+)", told)}
    errors = re.findall(r"(?:Non-2xx.*|Socket errors.*)", told)
    count = re.search(r"(\d+) requests in", told)
    assert rate is not None and count is not None, told
    said = f"{float(rate[1]):,.0f}/s, p50 {shares['50']}, p99 {shares['99']} {' '.join(errors)}"
    return said, int(count[1])


def measure_swaps(folder: Path, clients: int, requests: int, swaps: int, processes: int) -> None:
    """What clients see while the library goes through versions."""
    library = made_library(folder, SWAPPED_TRACKS)
    with served(library.folder, processes) as (port, server):
        seen, before = Seen(), memory(server)
        left = iter(range(requests))
        threads = [threading.Thread(target=ask_on, args=(port, left, seen)) for _ in range(clients)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        swapped = 0
        while any(thread.is_alive() for thread in threads):
            if swapped < swaps and seen.answers >= swapped * requests / swaps:
                swapped += 1
                swap(library, swapped)
                print(f"\r{swapped} swaps, {seen.answers:,} answers", end="", file=sys.stderr)
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        print(
            f"\n{swapped} swaps under {clients} clients: {seen.answers:,} answers in {seconds:.0f} s, ",
            end="",
        )
        print(f"of {len(seen.versions)} versions, {seen.mixed} mixed, {seen.failed} failed; ", end="")
        print(f"server {before:.0f} MB before, {memory(server):.0f} MB after")


class Seen:
    """What clients have seen so far."""

    def __init__(self) -> None:
        self.answers = self.mixed = self.failed = 0
        self.versions: Counter[str] = Counter()
        self._lock = threading.Lock()

    def note(self, status: int, content: bytes) -> None:
        """Titles in an answer are all of one version, and that is the version it names."""
        answer = json.loads(content) if status == 200 else {}
        titles = {each["title"].split()[-1] for each in answer.get("answers", ())}
        with self._lock:
            self.answers += 1
            self.failed += status != 200 or len(answer["answers"]) != 10
            self.mixed += len(titles) > 1 or titles != {str(int(answer.get("version", "v0")[1:]) - 1)}
            self.versions[answer.get("version", "none")] += 1


def ask_on(port: int, left: Iterator[int], seen: Seen) -> None:
    """Ask over one connection as long as there are requests left."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for number in left:
            try:
                connection.request("GET", f"/tracks/track-{number % SWAPPED_TRACKS:07}/similar?k=10")
                response = connection.getresponse()
                seen.note(response.status, response.read())
            except (OSError, http.client.HTTPException):
                seen.note(0, b"")
                connection.close()


def swap(library: Library, number: int) -> None:
    """A new version in which every track has another title, and its neighbours."""
    embeddings, table = some_tracks(library.folder, SWAPPED_TRACKS, number)
    update_tracks(library.index, embeddings, table, library.folder)
    update_store(str(library.neighbours), open_index(library.index), ListSettings(k=20))


def made_library(folder: Path, tracks: int) -> Library:
    """An index of clustered vectors, its neighbours, and an empty catalog."""
    library = Library(folder)
    folder.mkdir()
    library.catalog.touch()
    embeddings, table = some_tracks(folder, tracks, 0)
    build_index(embeddings, table, folder, library.index, "auto")
    started = time.perf_counter()
    update_store(str(library.neighbours), open_index(library.index), ListSettings(k=50), 2)
    print(f"neighbours of {tracks:,} tracks made in {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return library


def some_tracks(folder: Path, tracks: int, version: int) -> tuple[Embeddings, pa.Table]:
    """Tracks in clusters, an artist each; their titles end with the number of the version."""
    random = np.random.default_rng(0)
    artists = random.standard_normal((-(-tracks // TRACKS_PER_ARTIST), EMBEDDING_SIZE))
    numbers = np.arange(tracks)
    vectors = artists[numbers // TRACKS_PER_ARTIST] + random.standard_normal((tracks, EMBEDDING_SIZE))
    ids = [f"track-{number:07}" for number in numbers]
    table = pa.table(
        {
            "track_id": ids,
            "path": [f"{number}.ogg" for number in numbers],
            "title": [f"Title {number} {version}" for number in numbers],
            "artist": [f"Artist {number // TRACKS_PER_ARTIST}" for number in numbers],
        }
    )
    model, catalog = folder / "model", folder / "catalog.csv"
    told = ([30.0] * tracks, ["0"] * tracks, "model-1", model, catalog)
    return Embeddings(ids, vectors.astype(np.float32), *told), table


@contextmanager
def served(folder: Path, processes: int) -> Iterator[tuple[int, psutil.Process]]:
    """`soundkin serve` in a process of its own; its port."""
    command = [sys.executable, "-m", "soundkin", "serve", str(folder), "--port", "0", "--no-access-log"]
    command += ["--processes", str(processes)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = re.search(r":(\d+)/", server.stdout.readline())
        assert address is not None
        port = int(address[1])
        while not is_up(port):
            time.sleep(0.1)
        try:
            yield port, psutil.Process(server.pid)
        finally:
            server.terminate()


def is_up(port: int) -> bool:
    """Whether the server answers."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
    except OSError:
        return False


def cpu_seconds(server: psutil.Process) -> float:
    """What the server's processes have computed so far."""
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return float(sum(time.user + time.system for time in times))


def memory(server: psutil.Process) -> float:
    """MB that the server's processes hold and share with nobody."""
    processes = [server, *server.children(recursive=True)]
    return float(sum(process.memory_full_info().uss for process in processes) / 1e6)


if __name__ == "__main__":
    main()
