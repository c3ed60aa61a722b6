"""Evaluate: how well a model's vectors find kin among tracks it has not heard, beside what they have to beat."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.config import nearest, validate
from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.evaluation.protocol import Evaluation, evaluate_vectors, labels_to_ask
from soundkin.evaluation.systems import BASELINE_NOTE, TrackListener, as_systems
from soundkin.files import sha256_of, write_json
from soundkin.parallel import in_processes
from soundkin.progress import progress
from soundkin.tasks import TASKS

SPLITS = ("train", "valid", "test", "all")
SPLIT_NOTES = {
    "test": "The tracks are by artists that the model has not heard in training.",
    "valid": "The tracks chose when training stopped, so scores are a little too good. Use the test split to judge.",
    "train": "The model was trained on these very tracks: scores say how well it remembers, not what it has learnt.",
    "all": "The model was trained on most of these tracks, so its scores are too good. Use the test split to judge.",
}


def evaluate(
    model_folder: Path,
    catalog_path: Path,
    split: str = "test",
    workers: int = 1,
    labels: Sequence[str] | None = None,
    output: Path | None = None,
    random_seed: int = 0,
) -> Evaluation:
    """Compare the model with an untrained network, MFCC statistics and chance on one split of a catalog.

    `split` is `train`, `valid`, `test`, by the rule the model was trained under, or `all`. `labels` default to genre,
    artist, album and decade, as far as known. With `output`, the result is written there as JSON.

    Raises:
        UsageError: no such split, or it has no tracks.
        CatalogError: the catalog cannot be used, or lacks a label asked for.
        ArtefactError: the model bundle is corrupt, or of another version.
    """
    if split not in SPLITS:
        raise UsageError(f"split={split} is unknown.{nearest(split, SPLITS)}")
    bundle, catalog = load_bundle(Path(model_folder)), read_catalog(Path(catalog_path))
    rule = split_rule(bundle.provenance.get("split", {}), catalog)
    catalog = tracks_of(catalog, rule, split)
    labels = labels_to_ask(catalog, labels)  # hearing takes minutes: complain before
    catalog, systems, skipped = _systems(TrackListener(bundle, random_seed), catalog, workers)
    evaluation = evaluate_vectors(systems, catalog, labels, trained_labels(bundle), random_seed)
    provenance = {
        "soundkin": version("soundkin"),
        "model": str(model_folder),
        "model_hash": bundle.hash,
        "catalog": str(catalog_path),
        "catalog_sha256": sha256_of(Path(catalog_path)),
        "split": split,
        "split_rule": rule.model_dump(mode="json"),
    }
    evaluation = evaluation.model_copy(
        update={
            "skipped": tuple(skipped),
            "notes": (SPLIT_NOTES[split], BASELINE_NOTE, *evaluation.notes),
            "provenance": {**provenance, **evaluation.provenance},
        }
    )
    if output is not None:
        write_json(Path(output), evaluation.to_json())
    return evaluation


def split_rule(saved: dict[str, Any], catalog: Catalog) -> SplitRule:
    """The rule that a model was trained under; one made from this catalog if it was not saved."""
    if "exceptions" in saved:
        return validate(SplitRule, saved, "split")
    return make_split_rule(catalog, validate(SplitConfig, saved, "split"))


def tracks_of(catalog: Catalog, rule: SplitRule, split: str) -> Catalog:
    """The tracks of one split, or of all.

    Raises:
        UsageError: there are none.
    """
    if split == "all":
        return catalog
    chosen = catalog.select(np.array([place == split for place in rule.assign(catalog)], dtype=bool))
    if not len(chosen):
        raise UsageError(f"{catalog.source}: no track is in the {split} split. Add artists, or give --split all.")
    return chosen


def trained_labels(bundle: Bundle) -> set[str]:
    """The labels that the model was taught, a decade counting as taught by its years."""
    columns = {TASKS[name].column if name in TASKS else name for name in bundle.tasks}
    return columns | ({"decade"} if "year" in columns else set())


def _systems(
    listener: TrackListener, catalog: Catalog, workers: int
) -> tuple[Catalog, dict[str, np.ndarray], list[Skipped]]:
    """Vectors of all systems for the tracks that could be heard, and the ones that could not."""
    results = in_processes(partial(_listen, listener), catalog.audio_paths(), workers)
    with closing(results):
        heard = [outcome for _, outcome in sorted(progress(results, "evaluate", total=len(catalog)), key=itemgetter(0))]
    skipped = [outcome for outcome in heard if isinstance(outcome, Skipped)]
    tracks = [outcome for outcome in heard if not isinstance(outcome, Skipped)]
    if not tracks:
        raise UsageError(f"{catalog.source}: none of the {len(heard)} files could be heard. First: {skipped[0].reason}")
    kept = catalog.select(np.array([not isinstance(outcome, Skipped) for outcome in heard], dtype=bool))
    return kept, as_systems(tracks), skipped


Outcome = dict[str, np.ndarray] | Skipped


def _listen(listener: TrackListener, path: Path) -> Outcome:
    try:
        return listener.vectors(path)
    except AudioError as error:
        return Skipped(str(path), str(error).removeprefix(str(path)).lstrip(": "))
