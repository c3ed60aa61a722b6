"""Evaluate: how well a model's vectors find kin among tracks it has not heard, beside what they have to beat."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from importlib.metadata import version
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.catalog.lyrics import lyrics_of
from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.config import nearest, validate
from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.embedding.known_users import known_users
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.evaluation.protocol import Evaluation, evaluate_vectors, labels_to_ask
from soundkin.evaluation.recommendation import ColdStart
from soundkin.evaluation.systems import MODEL, TrackListener, as_systems, baseline_note
from soundkin.features.external import ExternalFrontEnd
from soundkin.features.front_ends import Sound, sounds_of
from soundkin.files import sha256_of, write_json
from soundkin.parallel import in_processes
from soundkin.pipelines.cold_start import Audience, audience_of
from soundkin.progress import progress

SPLITS = ("train", "valid", "test", "all")
SPLIT_NOTES = {
    "test": "The tracks are by artists that the model has not heard in training.",
    "valid": "The tracks chose when training stopped, so scores are a little too good. Use the test split to judge.",
    "train": "The model was trained on these very tracks: scores say how well it remembers, not what it has learnt.",
    "all": "The model was trained on most of these tracks, so its scores are too good. Use the test split to judge.",
}
NO_PLAYS_NOTE = "Training saw no play of these tracks: all that is known of them is how they sound."
PLAYS_NOTE = "Training saw plays of these tracks, so this is no cold start. Use the test split to judge."


def evaluate(
    model_folder: Path,
    catalog_path: Path,
    split: str = "test",
    workers: int = 1,
    labels: Sequence[str] | None = None,
    output: Path | None = None,
    random_seed: int = 0,
    ratings: Path | None = None,
    truth: Path | None = None,
    vectors: Path | None = None,
) -> Evaluation:
    """Compare the model with an untrained network, MFCC statistics and chance on one split of a catalog.

    `split` is `train`, `valid`, `test`, by the rule the model was trained under, or `all`. `labels` default to genre,
    artist, album and decade, as far as known. With `ratings`, of which a model that was trained on ratings knows those
    of training tracks only, its users are offered the tracks of the split, and judged by what they played; `truth` is
    the folder of the synthesised corpus where all this comes from one. `vectors` is for a model that learnt from a
    table of vectors, where that table is elsewhere now. With `output`, the result is written there as JSON.

    Raises:
        UsageError: no such split, or it has no tracks; or the model knows no users to offer tracks to.
        CatalogError: the catalog or the ratings cannot be used, or lack a label asked for.
        ArtefactError: the model bundle is corrupt, or of another version.
    """
    if split not in SPLITS:
        raise UsageError(f"split={split} is unknown.{nearest(split, SPLITS)}")
    if truth is not None and ratings is None:
        raise UsageError(f"truth={truth} says what could be known of users, and nobody asks: give their ratings too.")
    bundle, whole = load_bundle(Path(model_folder), vectors), read_catalog(Path(catalog_path))
    if isinstance(bundle.front_end, ExternalFrontEnd):
        bundle.front_end.warn_of_another_table()
    rule = split_rule(bundle.provenance.get("split", {}), whole)
    catalog = tracks_of(whole, rule, split)
    labels = labels_to_ask(catalog, labels)  # hearing takes minutes: complain before
    audience = None
    if ratings is not None:
        audience = audience_of(known_users(bundle, Path(model_folder)), whole, catalog, Path(ratings), truth)
    catalog, tracks, skipped = hear(TrackListener(bundle, random_seed), catalog, workers)
    systems = as_systems(tracks)
    evaluation = evaluate_vectors(systems, catalog, labels, trained_labels(bundle), random_seed)
    provenance = {
        "soundkin": version("soundkin"),
        "model": str(model_folder),
        "model_hash": bundle.hash,
        "catalog": str(catalog_path),
        "catalog_sha256": sha256_of(Path(catalog_path)),
        "split": split,
        "split_rule": rule.model_dump(mode="json"),
        **({"ratings": str(ratings), "ratings_sha256": sha256_of(Path(ratings))} if ratings else {}),
    }
    evaluation = evaluation.model_copy(
        update={
            "cold_start": _cold_start(audience, catalog, systems[MODEL], split, random_seed) if audience else None,
            "skipped": tuple(skipped),
            "notes": (SPLIT_NOTES[split], baseline_note(bundle), *evaluation.notes),
            "provenance": {**provenance, **evaluation.provenance},
        }
    )
    if output is not None:
        write_json(Path(output), evaluation.to_json())
    return evaluation


def _cold_start(audience: Audience, catalog: Catalog, vectors: np.ndarray, split: str, random_seed: int) -> ColdStart:
    found = audience.judge(catalog.track_ids, vectors, random_seed)
    note = NO_PLAYS_NOTE if split in ("valid", "test") else PLAYS_NOTE
    return found.model_copy(update={"notes": (note, *found.notes)})


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
    columns = {column for task in bundle.tasks.values() for column in task["columns"]}
    return columns | ({"decade"} if "year" in columns else set())


def hear(
    listener: TrackListener, catalog: Catalog, workers: int
) -> tuple[Catalog, list[dict[str, np.ndarray]], list[Skipped]]:
    """The tracks that could be heard, each one's vector by every system, and the files that could not.

    Raises:
        UsageError: none could be heard.
    """
    words = lyrics_of(catalog) if listener.bundle.tokenizer else [""] * len(catalog)
    sounds = sounds_of(listener.bundle.front_end, catalog.audio_paths(), catalog.track_ids)
    tracks_to_hear = list(zip(sounds, words, strict=True))
    results = in_processes(partial(_listen, listener), tracks_to_hear, workers)
    with closing(results):
        heard = [outcome for _, outcome in sorted(progress(results, "evaluate", total=len(catalog)), key=itemgetter(0))]
    skipped = [outcome for outcome in heard if isinstance(outcome, Skipped)]
    tracks = [outcome for outcome in heard if not isinstance(outcome, Skipped)]
    if not tracks:
        raise UsageError(f"{catalog.source}: none of the {len(heard)} files could be heard. First: {skipped[0].reason}")
    kept = catalog.select(np.array([not isinstance(outcome, Skipped) for outcome in heard], dtype=bool))
    return kept, tracks, skipped


Outcome = dict[str, np.ndarray] | Skipped


def _listen(listener: TrackListener, track: tuple[Sound, str]) -> Outcome:
    path, lyrics = track
    try:
        return listener.vectors(path, lyrics)
    except AudioError as error:
        return Skipped(str(path), str(error).removeprefix(str(path)).lstrip(": "))
