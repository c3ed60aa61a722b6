"""The map of a library: what its places weigh and take, and how long its frames take in a browser.

    python benchmarks/map_frames.py [--tracks 10000 100000] [--keep FOLDER]

Places are drawn around artists around genres. Headless Chromium drags the map or turns the wheel over it
before each frame, and does the same on a page that draws nothing; without a GPU, SwiftShader draws on the
cores. Cores' time is that of all of the browser's processes. With --keep the libraries stay there, to be
looked at with `soundkin serve`.
"""

import argparse
import http.client
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
from playwright.sync_api import sync_playwright
from pyarrow import csv

from serving import served
from soundkin.embedding.library import Library
from soundkin.embedding.store import Embeddings
from soundkin.search.vector_index import build_index

WORDS = "blue night river love road home fire rain gold train moon dance heart stone shadow city ghost sun"
GENRES, TRACKS_PER_ARTIST = 40, 12
WIDTH, HEIGHT = 1280, 900  # pixels of the window
FRAMES = 240  # of each kind
REPEATS = 5
# Before each frame one event. A pointer that nobody holds cannot be captured, so that is left out.
MOVE = """async ([selector, what, frames]) => {
  const ground = document.querySelector(selector);
  ground.setPointerCapture = () => {};
  const box = ground.getBoundingClientRect();
  const at = (across) => ({ clientX: box.x + box.width / 2 + across, clientY: box.y + box.height / 2,
    pointerId: 1, isPrimary: true, bubbles: true, cancelable: true, button: 0, buttons: 1 });
  const send = (kind, across) => ground.dispatchEvent(new PointerEvent(kind, at(across)));
  const times = [];
  if (what === "drag") send("pointerdown", 0);
  await new Promise((done) => {
    let before = 0;
    const next = (now) => {
      if (before) times.push(now - before);
      before = now;
      if (times.length === frames) return done();
      const turn = times.length;
      if (what === "drag") send("pointermove", 150 * Math.sin(turn / 15));
      else ground.dispatchEvent(new WheelEvent("wheel", { ...at(40), deltaY: turn < frames / 2 ? -25 : 25 }));
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
  if (what === "drag") send("pointerup", 0);
  return times;
}"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--keep", type=Path, help="folder for the libraries")
    given = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("Chromium is not installed: apt install chromium")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        measure(browser, "an empty page", "data:text/html,<body>nothing</body>", "body")
        for tracks in given.tracks:
            folder = (given.keep or Path(name)) / f"{tracks}-tracks"
            if not folder.exists():
                made_library(folder, tracks)
            with served(folder, 1) as (port, _):
                sizes(port, tracks)
                address = f"http://127.0.0.1:{port}/?view=map"
                measure(browser, f"{tracks:,} tracks", address, ".map-ground[data-titles]")
        browser.close()


def sizes(port: int, tracks: int) -> None:
    """Print how many bytes the places are, and how long they take."""
    for name, headers in {"plain": {}, "gzip": {"Accept-Encoding": "gzip"}}.items():
        seconds = []
        for _ in range(REPEATS):
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
                started = time.perf_counter()
                connection.request("GET", "/map?columns=title&columns=artist&columns=genre", headers=headers)
                answer = connection.getresponse()
                content = answer.read()
                seconds.append(time.perf_counter() - started)
        told = f"{len(content) / 1e6:.2f} MB in {1000 * statistics.median(seconds):.0f} ms"
        print(f"{tracks:,} tracks, /map with titles, artists and genres, {name}: {told}")
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        started = time.perf_counter()
        connection.request("GET", "/map", headers={"If-None-Match": answer.headers["ETag"]})
        status = connection.getresponse().status
    print(
        f"{tracks:,} tracks, /map known already: {status} in {1000 * (time.perf_counter() - started):.1f} ms"
    )


def measure(browser: Any, name: str, address: str, selector: str) -> None:
    """Print how long frames take while dragging and while zooming, and what they take of a core."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    started = time.perf_counter()
    page.goto(address)
    page.wait_for_selector(selector, timeout=120_000)
    print(f"{name}: there after {time.perf_counter() - started:.1f} s; load {os.getloadavg()[0]:.0f}")
    for what in ("drag", "zoom"):
        before = browser_seconds()
        frames = page.evaluate(MOVE, [selector, what, FRAMES])
        cpu = 1000 * (browser_seconds() - before) / len(frames)
        p50, p95 = np.quantile(frames, (0.5, 0.95))
        print(f"  {what}: a frame each p50 {p50:.1f} ms, p95 {p95:.1f} ms; {cpu:.1f} ms of a core")
    page.close()


def browser_seconds() -> float:
    """What the browser's processes have computed so far."""
    return sum(
        sum(process.cpu_times()[:2])
        for process in psutil.Process().children(recursive=True)
        if "chrom" in process.name()
    )


def made_library(folder: Path, tracks: int) -> Library:
    """A library with a map of so many tracks, in clusters."""
    library = Library(folder)
    folder.mkdir(parents=True)
    library.catalog.touch()
    random = np.random.default_rng(0)
    genres = random.standard_normal((GENRES, 2)) * 25
    genre_of = random.integers(0, GENRES, -(-tracks // TRACKS_PER_ARTIST)) ** 2 // GENRES
    artists = genres[genre_of] + random.standard_normal((len(genre_of), 2)) * 4
    artist_of = np.arange(tracks) // TRACKS_PER_ARTIST
    places = artists[artist_of] + random.standard_normal((tracks, 2)) * 0.8
    ids = [f"{number:06}-{random.bytes(4).hex()}" for number in range(tracks)]
    words = WORDS.split()
    titles = [" ".join(random.choice(words, 1 + number % 4)).title() for number in range(tracks)]
    table = pa.table(
        {
            "track_id": ids,
            "path": [f"{number}.ogg" for number in range(tracks)],
            "title": titles,
            "artist": [
                f"The {words[number % 18].title()} {words[number // 18 % 18].title()}s {number}"
                for number in artist_of.tolist()
            ],
            "genre": [f"genre {genre_of[artist]}" for artist in artist_of.tolist()],
            "year": 1955 + (artist_of * 7 + random.integers(0, 9, tracks)) % 70,
        }
    )
    vectors = np.concatenate([places, random.standard_normal((tracks, 6))], axis=1).astype(np.float32)
    told = ([30.0] * tracks, ["0"] * tracks, "model-1", folder / "model", library.catalog)
    build_index(Embeddings(ids, vectors, *told), table, folder, library.index, "exact")
    x, y = places.astype(np.float32).astype(float).T
    csv.write_csv(pa.table({"track_id": ids, "x": x, "y": y}), library.map_places)
    return library


if __name__ == "__main__":
    main()
