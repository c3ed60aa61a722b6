"""Put a trained model into the box, if it is better than the one that is there.

    python recipe/ship.py runs/model/training/model --music ../shared/music --teachers ../shared/teacher

Both models are judged as by judge.py, on collections that neither heard. A model's score is the mean of its
retrieval (same artist and same genre, recorded and rendered: mAP@10) and of its neighbours' overlap with each
teacher's. The new one is shipped if its score is higher than that of the model in the box, and than that of
MFCC statistics; it may have 20 MB, and nothing that is held out or forbids commercial use may have trained
it, which the tracks.csv of its run says. Its card gets these figures, the teachers, what was left out, and an
ATTRIBUTION.md beside it.
"""

import argparse
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from held_out import FREE, collection_names, held_out_names, is_held_out, never_trains
from judge import TOGETHER, Figures, add_data_arguments, as_json, judge, table
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.bundle import Bundle, load_bundle, save_bundle
from soundkin.embedding.default_model import FOLDER, NAME
from soundkin.errors import UsageError
from soundkin.evaluation.baselines import MFCC
from soundkin.features.teachers import OnnxTeacher
from soundkin.files import replacing, write_json
from soundkin.terminal import run_script

NEW = "new"
SCORED = ("same ", "overlap with ")  # how the names of the figures begin that a score is the mean of
MOST_BYTES = 20_000_000
ATTRIBUTION = "ATTRIBUTION.md"
LIMITS = (
    "Its teachers were asked about openly licensed music (much game music, electronic and classical music, "
    "hardly any singing) and about songs made by sound fonts and speech synthesisers: it heard no commercial "
    "recording.",
    "What it knows of genres and voices is what its teachers say; their mistakes are its own.",
)


def score(figures: Figures, system: str) -> float:
    """The mean of a system's retrieval scores and overlaps with teachers, in [0, 1]."""
    return float(np.mean([of[system].mean for name, of in figures.items() if name.startswith(SCORED)]))


def reason_against(figures: Figures) -> str:
    """Why the new model is not shipped; empty if it is."""
    new, mfcc = score(figures, NEW), score(figures, MFCC)
    if new <= mfcc:
        return f"it scores {new:.4f}, and MFCC statistics {mfcc:.4f}"
    if NAME in figures["hubness"] and new <= (current := score(figures, NAME)):
        return f"it scores {new:.4f}, and the model in the box {current:.4f}"
    return ""


def check_training_tracks(model: Path, music: Catalog) -> None:
    """Raise UsageError if a held-out track, or one that is not free, is in the training or validation split
    of the model's run, or if nothing says what is.
    """
    path = model.resolve().parent / "tracks.csv"
    if not path.is_file():
        raise UsageError(f"{path} is missing, which says what trained the model. Give a run's model folder.")
    run = pd.read_csv(path, dtype=str, keep_default_na=False)
    heard = set(run["track_id"][run["split"] != "test"])
    if wrong := sorted(heard & set(music.frame["track_id"][never_trains(music)])):
        problem = "is held out, or forbids commercial use, and was trained on"
        raise UsageError(f"{path}: track_id={wrong[0]} {problem}. Use make_catalog.py.")


def described(bundle: Bundle, figures: Figures, music: Catalog, teachers: Path, today: date) -> Bundle:
    """The bundle with all that its card is to say."""
    metrics = bundle.metrics | {"held-out collections": figure_lines(figures)}
    provenance = bundle.provenance | {
        "name": "The default model of soundkin",
        "created": today.isoformat(),
        "training_data": bundle.provenance.get("training_data", {}) | _data_notes(music),
        "limits": list(LIMITS),
        "licence": "Apache-2.0",
        "made_again": "make model MUSIC=folder TEACHERS=folder",
    }
    provenance = {key: _without_places(value) for key, value in provenance.items()}
    tasks = dict(bundle.tasks)
    if "distill" in tasks:
        told = [_with_licence(teacher, teachers) for teacher in tasks["distill"]["teachers"]]
        tasks["distill"] = tasks["distill"] | {"teachers": told}
    return replace(bundle, metrics=metrics, provenance=provenance, tasks=tasks)


def figure_lines(figures: Figures) -> dict[str, str]:
    """Each figure of the new model, and beside it those of MFCC statistics and the teachers."""
    lines = {}
    for name, of_systems in figures.items():
        others = [system for system in (MFCC, TOGETHER) if system in of_systems]
        beside = [f"{system} {of_systems[system].mean:.2f}" for system in others]
        lines[name] = "; ".join([str(of_systems[NEW]), *beside])
    return lines


def _data_notes(music: Catalog) -> dict[str, str]:
    left_out = is_held_out(music.frame, music.source)
    forbidden = int((music.frame["licence_class"] != FREE).sum())
    present = set(collection_names(music.frame))
    held_out = ", ".join(name for name in held_out_names() if name in present)
    return {
        "left_out": f"{forbidden} tracks that forbid commercial use (nc); {int(left_out.sum())} tracks of "
        f"collections that it is judged by: {held_out}",
        "made_up": "songs by sound fonts and speech synthesisers (recipe/README.md) are among the tracks",
        "attribution": f"{ATTRIBUTION} beside the default model names artists, titles and licences",
    }


def _with_licence(teacher: list[Any], folder: Path) -> list[Any]:
    """A teacher's description, with what the ONNX file of its name says if the answers alone were known."""
    name, vector_size, tag_count, licence = teacher[:4]
    file = folder / Path(name).with_suffix(".onnx").name
    if licence or not file.is_file():
        return teacher
    said = OnnxTeacher(file).metadata
    return [said.get("name", name), vector_size, tag_count, said.get("licence", ""), said.get("citation", "")]


def _without_places(value: Any) -> Any:
    """Plain JSON without the folders of this machine: of an absolute path its last part."""
    if isinstance(value, Mapping):
        return {key: _without_places(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(inner) for inner in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def put_in_the_box(bundle: Bundle, attribution: Path, folder: Path) -> None:
    """Write the bundle as `folder`, with the attribution beside it."""
    save_bundle(bundle, folder)
    with replacing(folder / ATTRIBUTION) as file:
        file.write(attribution.read_bytes())


def ship(
    model: Path,
    music_folder: Path,
    teachers: Path,
    workers: int = 1,
    distorted: int = 200,
    folder: Path = FOLDER,
) -> str:
    """Judge `model` and the model in `folder`, print the table, and put the better one there; says which.

    Raises:
        UsageError: the model is too large, was trained on what it is judged by, or a file is missing.
    """
    music = read_catalog(music_folder / "tracks.csv")
    attribution = music_folder / ATTRIBUTION
    if not attribution.is_file():
        raise UsageError(f"{attribution} is missing: a model that is given away names its music's artists.")
    check_training_tracks(model, music)
    bundles = {NEW: load_bundle(model)}
    if (folder / "config.json").exists():
        bundles[NAME] = load_bundle(folder)
        if bundles[NAME].hash == bundles[NEW].hash:
            return f"{model} is in the box already"
    size = sum(path.stat().st_size for path in [*model.iterdir(), attribution])
    if size > MOST_BYTES:
        raise UsageError(f"{model} has {size / 1e6:.1f} MB, and {MOST_BYTES / 1e6:.0f} MB is the most.")
    figures = judge(bundles, music_folder, teachers, workers, distorted)
    write_json(model.parent / "judged.json", as_json(figures))
    print(table(figures))
    if reason := reason_against(figures):
        return f"{model} is not shipped: {reason}"
    put_in_the_box(described(bundles[NEW], figures, music, teachers, date.today()), attribution, folder)
    return f"{model} is in the box now: it scores {score(figures, NEW):.4f}"


def main() -> None:
    """Read the command line, and ship or say why not."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="the `model` folder of a training run")
    add_data_arguments(parser)
    given = parser.parse_args()
    print(ship(given.model, given.music, given.teachers, given.workers, given.distorted))


if __name__ == "__main__":
    run_script(main)
