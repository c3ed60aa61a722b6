"""What one's own labels add to a start: finding held-out artists after training on 10, 50, 150 artists of
one's own from `start=random`, from `start=START`, and with START as it is. Resumable.

    python benchmarks/fine_tuning.py ../shared/music/tracks.csv runs/fine-tuning [--start default]
        [--only kind=recorded] [--own 10 50 150] [--draws 3] [KEY=VALUE ...]

A third of the artists, by a hash of their names, is for testing in every draw; of the others, so many are
drawn to be one's own, those with several tracks first, and a fifth of these is held out from training. Writes
`scores.csv` and `fine_tuning.png` into the run's folder, and prints a Markdown table: mAP@10 among the test
tracks of finding the same artist, and the same genre with the artist filter on; means over the draws, and the
gain over START as it is with 95% intervals over artists, draws side by side. About half an hour on two cores
for 1,338 excerpts of a minute, three sizes and three draws; whether START itself has heard the test artists
has to be known from its card.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.embedding.store import read_embeddings
from soundkin.evaluation.label_questions import Values
from soundkin.evaluation.retrieval import METRICS, retrieval, sampled_queries
from soundkin.files import replacing, sha256_of_text
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.train import compose, train
from soundkin.statistics.bootstrap import compare
from soundkin.statistics.measure import Measure

METRIC = "mAP@10"
UNTOUCHED = "start as it is"
SETTINGS = ["task=[artist]", "trainer.epochs=40", "trainer.patience=10", "trainer.threads=1", "logger=csv"]
COLOURS = {"start=random": "#b06000", "from the start": "#1a5fb4", UNTOUCHED: "#555555"}


def main() -> None:
    """Train, score, draw and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("catalog", type=Path)
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--start", default="default")
    parser.add_argument("--only", metavar="COLUMN=VALUE", help="leave out all other tracks")
    parser.add_argument("--own", type=int, nargs="+", default=[10, 50, 150])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_intermixed_args()
    catalog = read_catalog(given.catalog)
    if given.only:
        column, _, value = given.only.partition("=")
        catalog = catalog.select((catalog.frame[column] == value).to_numpy())
    tested = test_artists(catalog)
    measures: dict[tuple[int, str], list[Measure]] = defaultdict(list)  # by size and label, one a draw
    rows = []
    for draw in range(given.draws):
        for size in given.own:
            folder = given.run_dir / f"draw-{draw}" / f"{size}-artists"
            splits = own_splits(catalog, tested, size, draw)
            models = trained_models(catalog, splits, folder, given.start, given.overrides)
            systems = {name: vectors(model, catalog, tested, where) for name, model, where in models}
            for measure in score(catalog.select(tested), systems):
                measures[size, measure.label].append(measure)
                means = {name: float(np.nanmean(values)) for name, values in measure.scores.items()}
                tracks = {f"{split} tracks": int((splits == split).sum()) for split in ("train", "valid")}
                rows.append({"draw": draw, "artists": size, **tracks, "label": measure.label, **means})
            table = pd.DataFrame(rows)
            with replacing(given.run_dir / "scores.csv", "w") as file:
                table.to_csv(file, index=False)
    draw_figure(table, given.run_dir / "fine_tuning.png")
    print_table(measures)


def test_artists(catalog: Catalog) -> np.ndarray:
    """Bool [tracks]: those by a third of the artists, the same in every catalog."""
    leads = [keys[0] if keys else "" for keys in catalog.artists.keys]
    return np.array([bool(lead) and int(sha256_of_text(lead)[:8], 16) % 3 == 0 for lead in leads])


def own_splits(catalog: Catalog, tested: np.ndarray, size: int, draw: int) -> np.ndarray:
    """`train` and `valid` for the tracks of `size` artists of one's own, empty for all others [tracks]."""
    generator = np.random.default_rng(draw)
    groups, counts = np.unique(catalog.artists.groups[~tested], return_counts=True)
    order = generator.permutation(len(groups))
    own = groups[[*order[counts[order] > 1], *order[counts[order] == 1]]][:size]
    valid = generator.choice(own, max(1, round(size / 5)), replace=False)
    is_own, is_valid = (np.isin(catalog.artists.groups, chosen) & ~tested for chosen in (own, valid))
    return np.where(is_valid, "valid", np.where(is_own, "train", "")).astype(object)


def trained_models(
    catalog: Catalog, splits: np.ndarray, folder: Path, start: str, overrides: list[str]
) -> Iterator[tuple[str, Path | str, Path]]:
    """Name, model and folder for vectors of each system: ours first, and what it has to beat."""
    used = splits != ""
    own = catalog.select(used).frame.assign(split=splits[used], audio_folder=str(catalog.folder.resolve()))
    write_catalog(own, folder / "catalog.csv")
    cache = f"data.cache_folder={folder.parents[1] / 'cache'}"
    for name, begun in (("from the start", start), ("start=random", "random")):
        run_dir = folder / name.replace(" ", "-")
        places = [f"catalog={folder / 'catalog.csv'}", f"run_dir={run_dir}", cache, f"start={begun}"]
        yield name, train(compose([*SETTINGS, *places, *overrides])).model, run_dir / "embeddings"
    yield UNTOUCHED, start, folder.parents[1] / "untouched"


def vectors(model: Path | str, catalog: Catalog, tested: np.ndarray, folder: Path) -> np.ndarray:
    """Vectors of the test tracks [tracks, embedding]; NaN where a file cannot be used."""
    tracks = catalog.select(tested)
    table = folder.parent / "test.csv"
    write_catalog(tracks.frame.assign(audio_folder=str(catalog.folder.resolve())), table)
    embed_catalog(model, table, folder, workers=1, replace=True)
    embeddings = read_embeddings(folder)
    known = dict(zip(embeddings.track_ids, embeddings.vectors, strict=True))
    nothing = np.zeros(embeddings.vectors.shape[1], np.float32)
    return np.stack([known.get(track_id, nothing) for track_id in tracks.track_ids])


def score(tracks: Catalog, systems: dict[str, np.ndarray]) -> list[Measure]:
    """How well tracks find others of their artist, and of their genre by other artists."""
    artists = tracks.artists
    queries = sampled_queries(len(tracks), random_seed=0)
    questions: dict[str, tuple[Values, tuple[str, Values] | None]] = {"artist": (artists.keys, None)}
    if "genre" in tracks.frame:
        questions["genre"] = (tracks.values("genre"), ("artist", artists.keys))
    return [
        retrieval(
            systems, label, values, filtered_by, artists.groups, 0, queries, metrics={METRIC: METRICS[METRIC]}
        )[0]
        for label, (values, filtered_by) in questions.items()
    ]


def together(measures: list[Measure]) -> Measure:
    """The same questions asked after each draw, as one measure: a query's score is its mean over draws."""
    names = measures[0].scores
    return replace(
        measures[0],
        scores={name: np.mean([measure.scores[name] for measure in measures], axis=0) for name in names},
    )


def print_table(measures: dict[tuple[int, str], list[Measure]]) -> None:
    """A row for each size and label."""
    print(f"| own artists | find the same | {' | '.join(COLOURS)} | gain of the start's over it as it is |")
    print("|---|---|---|---|---|---|")
    for (size, label), of_draws in sorted(measures.items(), key=lambda item: (item[0][1], item[0][0])):
        compared = compare(together(of_draws), 1000, 0)
        means = {interval.system: interval.mean for interval in compared.scores}
        [gain] = [gain for gain in compared.gains if gain.system == UNTOUCHED]
        span = "" if gain.low is None else f" [{gain.low:+.3f}, {gain.high:+.3f}]"
        cells = " | ".join(f"{means[name]:.3f}" for name in COLOURS)
        print(f"| {size} | {label} | {cells} | {gain.mean:+.3f}{span} |")


def draw_figure(table: pd.DataFrame, path: Path) -> None:
    """Score over the number of artists of one's own: the mean of the draws as a line, each draw as a dot."""
    labels = table["label"].unique().tolist()
    figure = Figure(figsize=(5.2 * len(labels), 3.8), layout="constrained")
    for axes, label in zip(figure.subplots(1, len(labels), squeeze=False)[0], labels, strict=True):
        part = table[table["label"] == label]
        for name, colour in COLOURS.items():
            means = part.groupby("artists")[name].mean()
            axes.plot(
                means.index, means, color=colour, label=name, linestyle="--" if name == UNTOUCHED else "-"
            )
            if name != UNTOUCHED:
                axes.scatter(part["artists"], part[name], color=colour, s=12)
        sizes = sorted(part["artists"].unique())
        axes.set_xscale("log")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        axes.set_xlabel("artists of one's own")
        axes.set_ylabel(f"{METRIC}, held-out artists")
        axes.set_title(f"find the same {label}" + (", artist filter on" if label != "artist" else ""))
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)


if __name__ == "__main__":
    main()
