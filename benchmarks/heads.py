"""How long heads alone take (`trainer.frozen=true`) where the vectors are there already: a genre classifier,
an artist classifier, both recommenders of tracks that nobody has played. Vectors, labels and listeners are
made up; the network is an untrained one of the default size, which is not run.

    python benchmarks/heads.py [--tracks 10000]
"""

import argparse
import csv
import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.embedding.bundle import save_bundle
from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.export import Export
from soundkin.evaluation.baselines import default_bundle
from soundkin.pipelines.train import compose, train

GENRES, TRACKS_PER_ARTIST, LISTENERS, PLAYS_EACH = 16, 5, 1_000, 40
TASKS = ("genre", "artist", "latent_factors", "ratings")


def main() -> None:
    """Print a row a task."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tracks", type=int, default=10_000)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    logging.disable()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_library(folder, arguments.tracks)
        print(
            f"{arguments.tracks} tracks: task, seconds of the whole run, held-out figures of the last epoch"
        )
        for task in TASKS:
            began = time.perf_counter()
            places = [f"catalog={folder}/catalog.csv", f"run_dir={folder}/{task}", f"start={folder}/model"]
            more = [f"embeddings={folder}/embeddings", f"task=[{task}]", "trainer.frozen=true", "logger=csv"]
            ratings = [f"ratings={folder}/ratings.csv"] if task in ("latent_factors", "ratings") else []
            metrics = train(compose([*places, *more, *ratings, *arguments.overrides])).metrics
            with (folder / task / "metrics.csv").open(encoding="utf-8") as file:
                epochs = len(list(csv.DictReader(file)))
            shown = ", ".join(
                f"{key} {value:.3f}"
                for key, value in metrics.items()
                if key in ("train/artist_accuracy", "valid/genre_accuracy", f"valid/{task}_ndcg")
            )
            print(f"{task:<16}{time.perf_counter() - began:>6.1f} s  {epochs} epochs  {shown}", flush=True)


def make_library(folder: Path, tracks: int) -> None:
    """A model, and embeddings, catalog and plays of made-up tracks: artists and genres are clusters."""
    generator = np.random.default_rng(0)
    bundle = default_bundle(random_seed=0)
    save_bundle(bundle, folder / "model")
    size = bundle.network_config.embedding_size
    artists = np.arange(tracks) // TRACKS_PER_ARTIST
    genres = artists % GENRES
    centres, own = generator.normal(size=(GENRES, size)), generator.normal(size=(artists.max() + 1, size))
    vectors = centres[genres] + own[artists] + generator.normal(size=(tracks, size))
    ids = [f"t{row}" for row in range(tracks)]
    rows = {
        "track_id": ids,
        "path": [f"{id_}.mp3" for id_ in ids],
        "artist": [f"artist {a}" for a in artists],
    }
    pd.DataFrame(rows | {"genre": [f"genre {g}" for g in genres]}).to_csv(folder / "catalog.csv", index=False)
    with Export(folder / "embeddings", ids, bundle.hash, size, patches=False) as export:
        for row, vector in enumerate(vectors.astype(np.float32)):
            export.record(row, TrackEmbedding(vector, vector[None], [0.0], 30.0, f"{row:032x}", ()))
        export.finish(folder / "model", folder / "catalog.csv")
    tastes = generator.integers(GENRES, size=LISTENERS)
    plays = [
        {"user_id": f"u{user}", "track_id": ids[track], "rating": 1}
        for user, genre in enumerate(tastes)
        for track in generator.choice(np.flatnonzero(genres == genre), PLAYS_EACH, replace=False)
    ]
    pd.DataFrame(plays).to_csv(folder / "ratings.csv", index=False)


if __name__ == "__main__":
    main()
