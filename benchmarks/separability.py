"""How far two sides of tracks seem apart that do not differ: honest folds beside common ways to fool oneself.

    python benchmarks/separability.py LIBRARY ../shared/music/tracks.csv [--draws 40] [--random-seed 0]

LIBRARY is made by `soundkin sync ../shared/music/audio -o LIBRARY`. Sides are drawn from recorded tracks and
dealt at random, so that nothing tells them apart but chance: eleven tracks by as many artists a side, or
twelve by three artists. Beside them eleven recorded tracks against eleven that were rendered from scores,
which do differ. *Ours* is `soundkin.explore.separability`. The others are a linear support vector machine in
five folds over tracks, whoever made them: on all dimensions; on what was made of all tracks, test tracks too,
before there were folds: five principal components, five dimensions by UMAP without and with the sides' names,
the twenty dimensions that differ most. They are said to differ where the accuracy is above chance: ours by
its own test, the others where so many right would come in under 5 % of coin tosses. A second of a core a draw
and kind.
"""

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import SVC
from umap import UMAP

from soundkin.embedding.library import Library
from soundkin.embedding.store import read_embeddings
from soundkin.explore.separability import separability
from soundkin.progress import progress
from soundkin.shapes import Bool, Float, Int
from soundkin.statistics.scaling import unit_length

Vectors = Float[np.ndarray, "tracks embedding"]
Sides = Bool[np.ndarray, " tracks"]
Told = tuple[float, bool]  # accuracy, and whether the sides are said to differ
Draw = tuple[Int[np.ndarray, " tracks"], Sides]  # rows, and which are of the second side
DIMENSIONS, CHOSEN = 5, 20


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("library", type=Path)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("--draws", type=int, default=40, help="of each kind")
    parser.add_argument("--random-seed", type=int, default=0)
    given = parser.parse_args()
    tracks, vectors = read_tracks(Library(given.library), given.catalog)
    artists = pd.factorize(tracks["artist"])[0].astype(np.int64)
    kinds: dict[str, Callable[[np.random.Generator], Draw]] = {
        "the same, 11 artists a side": lambda rng: dealt(tracks.query("kind == 'recorded'"), 11, 1, rng),
        "the same, 3 artists of 4 tracks": lambda rng: dealt(tracks.query("kind == 'recorded'"), 3, 4, rng),
        "recorded and rendered, 11 artists": lambda rng: differing(tracks, 11, rng),
    }
    print(f"{'':34}{'':36}{'accuracy':>9}{'said to differ':>16}")
    for kind, draw in kinds.items():
        told: dict[str, list[Told]] = {}
        for number in progress(range(given.draws), kind, total=given.draws):
            rows, second = draw(np.random.default_rng([given.random_seed, number]))
            units = unit_length(vectors[rows].astype(float))
            told.setdefault("ours", []).append(ours(units, second, artists[rows], number))
            for name, reduced in leaky(units, second).items():
                told.setdefault(name, []).append(folds_over_tracks(reduced, second, number))
        for name, found in told.items():
            accuracy, said = np.mean(np.array(found, float), axis=0)
            print(f"{kind:34}{name:36}{accuracy:9.2f}{said:16.0%}", flush=True)


def read_tracks(library: Library, catalog: Path) -> tuple[pd.DataFrame, Vectors]:
    """The tracks that both have, with artist and kind, and their vectors."""
    stored = read_embeddings(library.embeddings)
    known = pd.read_csv(library.catalog).set_index("track_id")["path"]
    facts = pd.read_csv(catalog).assign(name=lambda table: table["path"].str.split("/").str[-1])
    facts = facts.dropna(subset=["artist"]).drop_duplicates("name").set_index("name")[["artist", "kind"]]
    names = [Path(known[track_id]).name for track_id in stored.track_ids]
    there = np.array([name in facts.index for name in names])
    return facts.loc[np.array(names)[there]].reset_index(), stored.vectors[there]


def dealt(tracks: pd.DataFrame, artists: int, each: int, rng: np.random.Generator) -> Draw:
    """So many artists a side at random, with so many tracks each."""
    counts = tracks["artist"].value_counts()
    drawn = rng.permutation(counts.index[counts >= each].to_numpy())[: 2 * artists]
    rows = [rng.permutation(tracks.index[tracks["artist"] == artist])[:each] for artist in drawn]
    return np.concatenate(rows), np.arange(2 * artists * each) >= artists * each


def differing(tracks: pd.DataFrame, artists: int, rng: np.random.Generator) -> Draw:
    """A track each of so many artists of recorded tracks, and of as many of rendered ones."""
    sides = []
    for kind in ("recorded", "rendered_midi"):
        of_kind = tracks[tracks["kind"] == kind]
        drawn = rng.permutation(of_kind["artist"].unique())[:artists]
        sides += [int(rng.choice(of_kind.index[of_kind["artist"] == artist])) for artist in drawn]
    return np.array(sides), np.arange(2 * artists) >= artists


def ours(units: Vectors, second: Sides, artists: Int[np.ndarray, " tracks"], random_seed: int) -> Told:
    """Folds over artists, held against what chance gives."""
    found = separability(units, second, artists, random_seed)
    assert found is not None
    return found.accuracy, found.is_told_apart


def folds_over_tracks(vectors: Vectors, second: Sides, random_seed: int) -> Told:
    """The machine in five folds, held against coin tosses."""
    folds = StratifiedKFold(5, shuffle=True, random_state=random_seed)
    right = int((cross_val_predict(SVC(kernel="linear"), vectors, second, cv=folds) == second).sum())
    return right / len(second), binomtest(right, len(second), alternative="greater").pvalue < 0.05


def leaky(units: Vectors, second: Sides) -> dict[str, Vectors]:
    """What the machine is given, made of all tracks before there are folds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UMAP says that a seed takes one process
        unnamed, named = (
            UMAP(n_components=DIMENSIONS, metric="cosine", init="random", random_state=0, n_jobs=1)
            .fit_transform(units, sides)
            .astype(float)
            for sides in (None, second.astype(int))
        )
    return {
        "folds over tracks": units,
        "the same after PCA": PCA(DIMENSIONS).fit_transform(units),
        "the same after UMAP": unnamed,
        "the same after UMAP told the sides": named,
        "the same after choosing dimensions": SelectKBest(k=CHOSEN).fit_transform(units, second),
    }


if __name__ == "__main__":
    main()
