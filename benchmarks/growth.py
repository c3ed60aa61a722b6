"""How time, memory and disk grow with tracks, with the length of a file, with artists and with users.

    python benchmarks/growth.py [--to 1e6] [--only tracks] [-o growth]

Each job runs in a process of its own for each size, a factor of ten apart, until one takes longer than
--patience. Seconds are of the processor, on one thread; memory is the most that the process held beyond what
it held before the job. The slope is that of a line through the last three points on logarithmic axes: 1 for
what grows with the size, 2 for what grows with its square. -o FOLDER draws a picture for each of the four.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from search import TRACKS_PER_ARTIST, clusters

THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
EMBEDDING_SIZE = 256
PLAYS_A_USER, TRACKS_PLAYED = 20, 10_000
QUERIES = 200
RATE_HZ = 44_100
SMALLEST = {"tracks": 100, "seconds of audio": 10, "artists": 100, "users": 100}
LARGEST = {"seconds of audio": 36_000}

Job = Callable[[], object]
Prepare = Callable[[int, Path], Job]


def catalog_of(count: int) -> pd.DataFrame:
    """A made-up catalog."""
    numbers = np.arange(count)
    return pd.DataFrame(
        {
            "track_id": [f"track-{number:07}" for number in numbers],
            "path": [f"{number % 997:03}/{number}.ogg" for number in numbers],
            "title": [f"Title {number}" for number in numbers],
            "artist": [f"Artist {number // TRACKS_PER_ARTIST}" for number in numbers],
            "genre": np.array(["rock", "pop; rock", "jazz", "ambient", ""])[numbers % 5],
            "year": 1950 + numbers % 75,
            "duration": np.random.default_rng(1).uniform(60, 400, count),
        }
    )


def read_the_catalog(size: int, folder: Path) -> Job:
    """CSV to a checked catalog."""
    from soundkin.catalog.table import read_catalog

    catalog_of(size).to_csv(folder / "catalog.csv", index=False)
    return lambda: read_catalog(folder / "catalog.csv")


def build(size: int, folder: Path) -> Job:
    """The index of all tracks."""
    import pyarrow as pa

    from soundkin.embedding.store import Embeddings
    from soundkin.search.vector_index import build_index

    frame = catalog_of(size)
    told = [30.0] * size, [""] * size, "bench", folder / "model", folder / "catalog.csv"
    embeddings = Embeddings(frame["track_id"].tolist(), clusters(size, EMBEDDING_SIZE), *told)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    return lambda: build_index(embeddings, table, folder, folder / "index")


def ask(size: int, folder: Path) -> Job:
    """Queries of tracks, the index being open."""
    from soundkin.pipelines.query import query
    from soundkin.search.vector_index import open_index

    build(size, folder)()
    index = open_index(folder / "index")
    seeds = [f"track-{number:07}" for number in np.random.default_rng(2).integers(0, size, QUERIES + 1)]
    query(index, [seeds[0]])
    return lambda: [query(index, [seed]) for seed in seeds[1:]]


def find_what_to_compare(size: int, folder: Path) -> Job:
    """Which of all tracks may be copies of each other."""
    from soundkin.search.recordings import candidates

    vectors, seconds = clusters(size, EMBEDDING_SIZE), catalog_of(size)["duration"].to_numpy()
    return lambda: list(candidates(vectors, np.arange(size), seconds, np.ones(size, bool)))


def lay_out_the_map(size: int, folder: Path) -> Job:
    """Places on the map, none of which is known."""
    from soundkin.explore.lasting_map import lay_out

    vectors = clusters(size, EMBEDDING_SIZE)
    return lambda: lay_out(vectors, np.full((size, 2), np.nan), 0)


def embed(size: int, folder: Path) -> Job:
    """A file of noise that comes and goes, by the model in the box."""
    import soundfile

    from soundkin.embedding.default_model import model_folder
    from soundkin.embedding.embedder import load

    random = np.random.default_rng(0)
    with soundfile.SoundFile(folder / "long.flac", "w", RATE_HZ, 1) as file:
        for second in range(size):
            file.write(0.2 * np.sin(second / 7) * random.standard_normal(RATE_HZ).clip(-4, 4))
    embedder = load(model_folder("default"))
    return lambda: embedder.embed_file(folder / "long.flac", "0")


def read_credits(size: int, folder: Path) -> Job:
    """Who the artists of as many tracks are, one in five with a guest."""
    from soundkin.catalog.artists import Artists

    credits = [
        f"Artist {number}" + (f" feat. Artist {number // 2}" if number % 5 == 0 else "")
        for number in range(size)
    ]
    return lambda: Artists.from_credits(credits)


def read_ratings(size: int, folder: Path) -> Job:
    """A table of twenty plays a user to a matrix of users and tracks."""
    from soundkin.catalog.interactions import InteractionsConfig, make_interactions

    ratings = _plays(size)
    return lambda: make_interactions(ratings, InteractionsConfig(), "plays")


def learn_factors(size: int, folder: Path) -> Job:
    """Factors of users and tracks from twenty plays a user, 32 of them, five iterations."""
    from soundkin.catalog.interactions import InteractionsConfig, make_interactions
    from soundkin.tasks.factorisation import factorise

    confidence = make_interactions(_plays(size), InteractionsConfig(), "plays").confidence
    return lambda: factorise(confidence, 32, 5, 0.1, 0)


def _plays(users: int) -> pd.DataFrame:
    random = np.random.default_rng(0)
    tracks = (TRACKS_PLAYED * random.random((users, PLAYS_A_USER)) ** 2).astype(int)
    return pd.DataFrame(
        {
            "user_id": np.repeat([f"user-{number:07}" for number in range(users)], PLAYS_A_USER),
            "track_id": [f"track-{number:05}" for number in tracks.ravel()],
            "rating": 1.0,
        }
    ).drop_duplicates(["user_id", "track_id"])


JOBS: dict[str, dict[str, Prepare]] = {
    "tracks": {
        "read the catalog": read_the_catalog,
        "build the index": build,
        f"{QUERIES} queries": ask,
        "find what to compare": find_what_to_compare,
        "lay out the map": lay_out_the_map,
    },
    "seconds of audio": {"embed a file": embed},
    "artists": {"read credits": read_credits},
    "users": {"plays to a matrix": read_ratings, "learn factors": learn_factors},
}


def main() -> None:
    """Print a table for each of the four, and draw it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=float, default=1e6, help="largest size")
    parser.add_argument(
        "--patience", type=float, default=60, help="CPU seconds after which no larger is tried"
    )
    parser.add_argument("--only", choices=JOBS, help="one of the four")
    parser.add_argument("-o", "--output", type=Path, help="folder for pictures")
    parser.add_argument("--job", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        axis, name, size = given.job
        print(json.dumps(measured(JOBS[axis][name], int(size))))
        return
    for axis in [given.only] if given.only else JOBS:
        rows = [row for name in JOBS[axis] for row in grown(axis, name, given.to, given.patience)]
        table = pd.DataFrame(rows)
        print(f"\n{axis}\n{table.to_string(index=False, float_format='{:,.3g}'.format)}", flush=True)
        if given.output:
            draw(table, axis, given.output / f"{axis.replace(' ', '_')}.png")


def measured(prepare: Prepare, size: int) -> dict[str, float]:
    """Seconds of the processor, MB of memory and MB on disk of one job; in a process of its own."""
    with tempfile.TemporaryDirectory() as name:
        job = prepare(size, Path(name))
        before, disk_before = _most_memory(), _on_disk(Path(name))
        started = time.process_time()
        job()
        seconds = time.process_time() - started
        return {"s": seconds, "MB": _most_memory() - before, "disk MB": _on_disk(Path(name)) - disk_before}


def grown(axis: str, name: str, largest: float, patience: float) -> list[dict[str, Any]]:
    """The rows of one job, with the slopes up to there."""
    rows: list[dict[str, Any]] = []
    size, end = SMALLEST[axis], min(largest, LARGEST.get(axis, largest))
    while size <= end:
        command = [sys.executable, __file__, "--job", axis, name, str(size)]
        told = subprocess.run(command, env=os.environ | THREAD, check=True, stdout=subprocess.PIPE)
        rows.append({"job": name, axis: size, **json.loads(told.stdout)})
        rows[-1]["slope"] = slope(rows[-3:], axis)
        print(f"  {name}, {size:,} {axis}: {rows[-1]['s']:.3g} s", file=sys.stderr, flush=True)
        if rows[-1]["s"] > patience:
            break
        size = min(10 * size, int(end)) if size < end else size + 1
    return rows


def slope(rows: list[dict[str, Any]], axis: str) -> float:
    """Of seconds over sizes, on logarithmic axes."""
    if len(rows) < 2:
        return float("nan")
    return float(np.polyfit(np.log([row[axis] for row in rows]), np.log([row["s"] for row in rows]), 1)[0])


def draw(table: pd.DataFrame, axis: str, path: Path) -> None:
    """Seconds, memory and disk against size, with the last slopes in the legend."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter, NullFormatter

    from soundkin.explore.palette import LINES, MARKERS, Theme, draw_twins

    def picture(theme: Theme) -> Figure:
        measures = [what for what in ("s", "MB", "disk MB") if (table[what] > 0).any()]
        figure = Figure(figsize=(11, 4.2), layout="constrained")
        for axes, what in zip(figure.subplots(1, len(measures)), measures, strict=True):
            for number, (name, rows) in enumerate(table.groupby("job", sort=False)):
                shown = rows[rows[what] > 0]
                label = f"{name} (slope {rows['slope'].iloc[-1]:.2f})" if what == "s" else None
                style = {"marker": MARKERS[number], "linestyle": LINES[number], "label": label}
                axes.loglog(shown[axis], shown[what], color=theme.colours[number], **style)
            axes.set(xlabel=axis, ylabel={"s": "CPU seconds", "MB": "memory (MB)"}.get(what, "disk (MB)"))
            axes.grid(alpha=0.4)
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # the usual ones write powers in TeX
            axes.yaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_minor_formatter(NullFormatter())
        steepest = table.groupby("job", sort=False)["slope"].last().idxmax()
        figure.suptitle(f"What grows fastest with {axis}: {steepest}", x=0.01, ha="left")
        figure.legend(loc="outside lower center", ncols=3, fontsize=8)
        return figure

    path.parent.mkdir(parents=True, exist_ok=True)
    draw_twins(picture, path)


def _most_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _on_disk(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


if __name__ == "__main__":
    main()
