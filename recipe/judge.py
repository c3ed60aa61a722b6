"""Judge model bundles on music that none of them heard: the collections of held_out.txt.

    python recipe/judge.py default runs/model/model --music ../shared/music --teachers ../shared/teacher

MUSIC is a folder with a tracks.csv, TEACHERS one with stored answers (*.parquet: track_id, start_seconds,
vector). Recorded and rendered music apart: do an artist's tracks find each other, and, that artist left out,
tracks of a genre (mAP@10). On all: which share of a teacher's ten nearest tracks are the model's too
(overlap), how much of the teacher's answers a ridge reads off the patch vectors of artists that it was not
fitted on (R2), how many neighbours are kept where the track is distorted, and hubness (skewness of how often
a track is a neighbour). Beside the models: MFCC statistics, the untrained network and the teachers.
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from agreement import K, TeacherAnswers, overlaps, r_squared
from held_out import is_held_out
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.cli.tables import lay_out
from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.embedder import Embedder, TrackEmbedding
from soundkin.errors import UsageError
from soundkin.evaluation.baselines import MFCC, TrackEmbedder
from soundkin.evaluation.hubness import hubness
from soundkin.evaluation.label_questions import column_values
from soundkin.evaluation.retrieval import METRICS, retrieval
from soundkin.evaluation.robustness import KEPT, robustness
from soundkin.features.distortions import DISTORTIONS
from soundkin.files import write_json
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.statistics.bootstrap import Interval, compare
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.scaling import standardise
from soundkin.terminal import run_script

METRIC = "mAP@10"
PARTS = ("recorded", "rendered")
DISTORTED = ("noise_15_db", "noise_0_db", "rate_16_khz", "mp3_32", "rate_8_khz", "lead_in")
TOGETHER = "teachers together"
RESAMPLES = 2000

Vectors = dict[str, np.ndarray]  # [tracks, _] by system
Figures = dict[str, dict[str, Interval]]  # by the name of the figure, then by system


def held_out_tracks(music: Path) -> Catalog:
    """The tracks of a folder's held-out collections."""
    catalog = read_catalog(music / "tracks.csv")
    catalog.require("artist", "tracks by one artist are to find each other.")
    catalog.require("kind", "recorded and rendered music are judged apart.")
    return catalog.select(is_held_out(catalog.frame, catalog.source))


def judge(
    models: Mapping[str, Bundle],
    music: Path,
    teachers: Path,
    workers: int = 1,
    distorted: int = 200,
    random_seed: int = 0,
) -> Figures:
    """All figures of the models by name, of the baselines, and of the teachers whose answers are in a folder.

    `distorted` tracks are distorted; all held-out ones are the originals among which their neighbours are.

    Raises:
        SoundkinError: a table or a file cannot be used; says which and why.
    """
    catalog = held_out_tracks(music)
    tables = sorted(teachers.glob("*.parquet"))
    if not tables:
        raise UsageError(f"{teachers} holds no .parquet with a teacher's answers. Give the folder that does.")
    answers = {path.stem: TeacherAnswers(path, catalog.track_ids) for path in tables}
    embedded = _embed(models, catalog, workers, random_seed)
    own = {name: np.stack([track[name].vector for track in embedded]) for name in models}
    described = np.stack([track[MFCC].vector for track in embedded])
    split = TrackEmbedder(next(iter(models.values())), random_seed, own=False).split(described)
    taught = {name: teacher.track_vectors() for name, teacher in answers.items()}
    together = np.concatenate([unit / unit.shape[1] ** 0.5 for unit in taught.values()], axis=1)
    systems = {
        **own,
        **{name: standardise(vectors) for name, vectors in split.items()},
        **taught,
        **({TOGETHER: together} if len(taught) > 1 else {}),
    }
    figures = _retrieval(systems, catalog, random_seed)
    for name, vectors in taught.items():
        scores = {system: overlaps(of_system, vectors) for system, of_system in systems.items()}
        measure = Measure("overlap", name, "overlap", None, scores, catalog.artists.groups)
        figures[f"overlap with {name}"] = _intervals(measure, random_seed)
    for name, teacher in answers.items():
        figures[f"R2 of {name}"] = {}
        for model, bundle in models.items():
            share = r_squared(bundle, [track[model] for track in embedded], teacher, catalog)
            figures[f"R2 of {name}"][model] = Interval(system=model, mean=share)
    figures |= _neighbours_kept(models, own, catalog, workers, distorted, random_seed)
    figures["hubness"] = {
        name: Interval(system=name, mean=hubness(name, vectors, K).skewness)
        for name, vectors in systems.items()
    }
    return figures


def _embed(
    models: Mapping[str, Bundle], catalog: Catalog, workers: int, random_seed: int
) -> list[dict[str, TrackEmbedding]]:
    """Of each track its embedding by each model, and under MFCC those of the baselines, side by side."""
    embedders = {name: Embedder(bundle) for name, bundle in models.items()}
    embedders[MFCC] = TrackEmbedder(next(iter(models.values())), random_seed, own=False)
    with closing(in_processes(partial(_embed_track, embedders), catalog.audio_paths(), workers)) as outcomes:
        numbered = dict(progress(outcomes, "embed", total=len(catalog)))
    return [numbered[number] for number in range(len(catalog))]


def _embed_track(embedders: Mapping[str, Embedder], path: Path) -> dict[str, TrackEmbedding]:
    return {name: embedder.embed_file(path) for name, embedder in embedders.items()}


def _retrieval(systems: Vectors, catalog: Catalog, random_seed: int) -> Figures:
    genre = "genre_norm" if "genre_norm" in catalog.frame else "genre"
    is_recorded = (catalog.frame["kind"] == PARTS[0]).to_numpy(bool)
    figures: Figures = {}
    for part, chosen in zip(PARTS, (is_recorded, ~is_recorded), strict=True):
        tracks = catalog.select(chosen)
        vectors = {name: array[chosen] for name, array in systems.items()}
        artists = column_values(tracks, "artist")
        for label, filtered_by in (("artist", None), (genre, ("artist", artists))):
            values, metrics = column_values(tracks, label), {METRIC: METRICS[METRIC]}
            groups = tracks.artists.groups
            [measure] = retrieval(vectors, label, values, filtered_by, groups, random_seed, metrics=metrics)
            name = "same artist" if label == "artist" else "same genre"
            figures[f"{name}, {part}"] = _intervals(measure, random_seed)
    return figures


def _neighbours_kept(
    models: Mapping[str, Bundle],
    vectors: Vectors,
    catalog: Catalog,
    workers: int,
    distorted: int,
    random_seed: int,
) -> Figures:
    (first, bundle), *others = models.items()
    embedder = TrackEmbedder(bundle, random_seed, baselines=False, name=first)
    against = {name: Embedder(other) for name, other in others}
    section = robustness(
        embedder, catalog, vectors, distorted, workers, random_seed, distortions=DISTORTED, against=against
    )
    figures: Figures = {}
    for name in DISTORTED:
        label = DISTORTIONS[name].label
        row = section.row(label, KEPT)
        assert row is not None, "there are more tracks than neighbours"
        figures[f"kept: {label}"] = {score.system: score for score in row.scores}
    return figures


def _intervals(measure: Measure, random_seed: int) -> dict[str, Interval]:
    scores = compare(measure, RESAMPLES, random_seed).scores
    return {score.system: score for score in scores if score.system != CHANCE}


def as_json(figures: Figures) -> dict[str, dict[str, dict[str, float | None]]]:
    """Figures as plain JSON: mean, low and high by figure and system."""
    return {
        figure: {name: interval.model_dump(exclude={"system"}) for name, interval in of_systems.items()}
        for figure, of_systems in figures.items()
    }


def table(figures: Figures, width: int = 200) -> str:
    """The figures as text, systems side by side; intervals of the models alone."""
    systems = list(figures["hubness"])
    rows = [
        [name, *(str(of_systems[system]) if system in of_systems else "" for system in systems)]
        for name, of_systems in figures.items()
    ]
    return "\n\n".join("\n".join(lines) for lines in lay_out(["held out", *systems], rows, width))


def named_bundles(models: Sequence[str]) -> dict[str, Bundle]:
    """The bundles in these folders, by names that tell them apart: of `runs/NAME/model` its run's."""
    names = [path.parent.name if path.name == "model" else path.name for path in map(Path, models)]
    unique = [name if names.count(name) == 1 else model for name, model in zip(names, models, strict=True)]
    return {name: load_bundle(model) for name, model in zip(unique, models, strict=True)}


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the music and the teachers' answers are."""
    parser.add_argument("--music", type=Path, required=True, help="folder with tracks.csv")
    parser.add_argument("--teachers", type=Path, required=True, help="folder with stored answers, *.parquet")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--distorted", type=int, default=200, help="tracks to distort (default: 200)")


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", help="model bundles; `default` is the one in the box")
    add_data_arguments(parser)
    parser.add_argument("-o", "--output", type=Path, help="the figures as JSON")
    given = parser.parse_args()
    bundles = named_bundles(given.models)
    figures = judge(bundles, given.music, given.teachers, given.workers, given.distorted)
    if given.output:
        write_json(given.output, as_json(figures))
    print(table(figures))


if __name__ == "__main__":
    run_script(main)
