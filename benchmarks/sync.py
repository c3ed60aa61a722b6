"""What `soundkin sync` costs when little has changed: seconds, and what it opens and reads, stage by stage.

    python benchmarks/sync.py [--tracks 5000] [--changed 0.01] [--quick]

Makes a folder of short files of noise, ten to an album, and its library. Then it syncs again: with nothing
changed, with a share of the tracks new, as many retagged, moved and deleted, and with all retagged. Opened
files of music are counted by inotify, whoever opens them; bytes are those of all reads of this process
(`/proc/self/io`, the page cache and files of the library included, what is mapped into memory not).
"""

import argparse
import contextlib
import ctypes
import io
import os
import struct
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import mutagen
import numpy as np
import soundfile

from soundkin.pipelines import sync as pipeline

RATE_HZ, SECONDS, ALBUM = 22_050, 3, 10
STAGES = ("find_out", "write_catalog", "_embed", "_index", "draw_library_map")  # the last within _index
IN_OPEN, IN_CLOSE_NOWRITE, IN_ISDIR = 0x20, 0x10, 0x40000000


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=5000)
    parser.add_argument("--changed", type=float, default=0.01, help="share of the tracks")
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary folder")
    parser.add_argument("--quick", action="store_true", help="300 tracks")
    given = parser.parse_args()
    count = 300 if given.quick else given.tracks
    some = max(1, round(count * given.changed))
    with contextlib.ExitStack() as stack:
        here = given.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        music, library = here / "music", here / "library"
        for number in range(count):
            write_track(music, number)
        paths = sorted(music.rglob("*.flac"))
        print(f"{count} tracks of {SECONDS} s, {paths[0].stat().st_size // 1000} kB each; {some} changed\n")
        print(f"{'':24}{'wall s':>8}{'CPU s':>8}{'opened':>8}{'MB read':>9}   seconds of CPU by stage")
        measure("first", music, library)
        time.sleep(2.5)  # hashes of files that were written just now are not kept
        measure("nothing changed", music, library)
        for number in range(some):
            write_track(music, count + number)
        measure("new", music, library)
        for path in paths[:: count // some][:some]:
            retag(path, "another title")
        measure("retagged", music, library)
        for path in paths[1 :: count // some][:some]:
            path.rename(path.with_name(f"moved-{path.name}"))
        measure("moved", music, library)
        for path in paths[2 :: count // some][:some]:
            path.unlink()
        measure("gone", music, library)
        for path in paths[3 :: count // some][:some]:
            write_track(music, path.stem, seed=count + some + int(path.stem))
        measure("changed", music, library)
        for path in music.rglob("*.flac"):
            retag(path, "all titles")
        measure("all retagged", music, library)


def write_track(music: Path, number: int | str, seed: int | None = None) -> None:
    """A file of noise with tags."""
    path = music / f"{int(number) // ALBUM:04d}/{int(number):06d}.flac"
    path.parent.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(int(number) if seed is None else seed)
    soundfile.write(path, random.uniform(-0.3, 0.3, SECONDS * RATE_HZ), RATE_HZ)
    retag(path, f"title {number}")


def retag(path: Path, title: str) -> None:
    """Write tags as an editor does."""
    tags = mutagen.File(path)
    tags.update({"title": title, "artist": f"artist {path.parent.name}", "album": path.parent.name})
    tags.save()


def measure(what: str, music: Path, library: Path) -> None:
    """Sync once and print a row."""
    stages: defaultdict[str, float] = defaultdict(float)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        for name in STAGES:
            if hasattr(pipeline, name):
                stack.enter_context(
                    patch.object(pipeline, name, timed(getattr(pipeline, name), name, stages))
                )
        opened = stack.enter_context(counting_opens(music))
        wall, cpu, read = time.perf_counter(), time.process_time(), bytes_read()
        result = pipeline.sync(music, library)
        wall, cpu, read = time.perf_counter() - wall, time.process_time() - cpu, bytes_read() - read
    parts = ", ".join(f"{name.strip('_')} {seconds:.2f}" for name, seconds in stages.items())
    row = f"{what:24}{wall:8.1f}{cpu:8.1f}{opened():8d}{read / 1e6:9.1f}   {parts}"
    print(f"{row}; {result.embedded} embedded", flush=True)


def timed(function: Callable[..., Any], name: str, stages: dict[str, float]) -> Callable[..., Any]:
    """The function, which adds its seconds of CPU to `stages`."""

    def run(*words: Any, **more: Any) -> Any:
        began = time.process_time()
        try:
            return function(*words, **more)
        finally:
            stages[name] += time.process_time() - began

    return run


def bytes_read() -> int:
    """How much this process has read so far."""
    return int(Path("/proc/self/io").read_text().split()[1])


@contextlib.contextmanager
def counting_opens(folder: Path) -> Iterator[Callable[[], int]]:
    """Count how often files in `folder` and below are opened, by anybody."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK)
    for parent in [folder, *(path for path in folder.rglob("*") if path.is_dir())]:
        if libc.inotify_add_watch(descriptor, os.fsencode(parent), IN_OPEN | IN_CLOSE_NOWRITE) < 0:
            raise OSError(ctypes.get_errno(), "inotify")
    opens: list[int] = []  # without events of closing, the kernel merges openings that follow each other
    done = threading.Event()

    def listen() -> None:
        while not done.wait(0.02):  # the kernel keeps 16,384 events
            with contextlib.suppress(BlockingIOError):
                events, place = os.read(descriptor, 1 << 20), 0
                while place < len(events):
                    _, mask, _, length = struct.unpack_from("iIII", events, place)
                    place += 16 + length
                    opens.append(bool(mask & IN_OPEN) and not mask & IN_ISDIR)

    listener = threading.Thread(target=listen)
    listener.start()
    try:
        yield lambda: sum(opens)
    finally:
        time.sleep(0.1)
        done.set()
        listener.join()
        os.close(descriptor)


if __name__ == "__main__":
    main()
