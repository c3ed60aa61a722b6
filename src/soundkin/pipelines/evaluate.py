"""Evaluate: how well vectors find kin among tracks, beside what they have to beat, and what people say of
them.
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.config import nearest
from soundkin.embedding.bundle import Bundle
from soundkin.errors import ArtefactError, UsageError
from soundkin.evaluation.evaluation_report import Evaluation, summarise
from soundkin.evaluation.label_questions import column_values
from soundkin.evaluation.label_scores import LabelScores as Answers
from soundkin.evaluation.label_scores import ask, labels_to_ask
from soundkin.files import sha256_of, write_json
from soundkin.pipelines.judging.compared_systems import System, read_systems, split_rule
from soundkin.pipelines.judging.evaluation_pages import write_pages
from soundkin.pipelines.judging.sections import SectionsAsked, read_evidence, sections_of
from soundkin.pipelines.judging.side_by_side import SideBySide, gather
from soundkin.tasks import TASKS

SPLITS = ("train", "valid", "test", "all")
SPLIT_NOTES = {
    "test": "The tracks are by artists that {name} has not heard in training.",
    "valid": "The tracks chose when training of {name} stopped, so its scores are a little too good: use test.",
    "train": "{name} was trained on these very tracks: its scores say how well it remembers, not what it has learnt.",
    "all": "{name} was trained on most of these tracks, so its scores are too good. Use the test split to judge.",
}
ELSEWHERE_NOTE = (
    "{name} was trained on another catalog, or on this one before it changed. Should these tracks have been in it, "
    "scores are too good: use the test split to judge."
)
UNKNOWN_NOTE = (
    "Nothing is known of what {names} learnt from: these tracks, artists and labels may have been among it, and scores "
    "too good for that. The vectors are compared as they are, by cosine."
)
NO_RULE_NOTE = "No model says which tracks it has not heard, so all tracks are judged on."
OWN_RULE_NOTE = (
    "No model says which tracks it has not heard: the {split} split is one made now, and these vectors may have been "
    "trained on any of it."
)
CAVEATS = {
    "all": "on all tracks, those of training too",
    "train": "on the tracks that it was trained on",
    "valid": "on the tracks that its weights were chosen by",
}
UNKNOWN_CAVEAT = "nobody knows whether these tracks were trained on"
WAY_OUT = (
    "Put the model back or say where it is (--model), or give --split all to judge on all tracks, those of training "
    "too."
)


def evaluate(
    ours: Path | str,
    catalog_path: Path,
    split: str | None = None,
    workers: int = 1,
    labels: Sequence[str] | None = None,
    output: Path | None = None,
    random_seed: int = 0,
    ratings: Path | None = None,
    truth: Path | None = None,
    vectors: Path | None = None,
    against: Sequence[Path | str] = (),
    trained_too: bool = False,
    triplets: Path | None = None,
    judgements: Path | None = None,
    by: Sequence[str] = (),
    robustness: bool = False,
    queries: Sequence[str] = (),
    query_count: int = 6,
    model: Path | None = None,
    no_artist: Sequence[str] = (),
) -> Evaluation:
    """Compare `ours` with others, an untrained network, MFCC statistics and chance, on the same tracks of a
    catalog.

    `ours` and each of `against` is a model bundle, an embeddings folder, or a table of anybody's vectors
    (.npz, .parquet); `NAME=PATH` names it. `split` is `train`, `valid`, `test`, by the rule that the first
    model there is was trained under, or `all`: the default where no model says. `labels` default to genre,
    artist, album and decade, as far as known; no probe is asked for one that a model was taught, unless
    `trained_too`.

    With `ratings`, users are offered the tracks of the test split, and judged by what they played of it: a
    model's own users, and users folded in over every system from what they play of the train split; `truth`
    is the folder of the synthesised corpus where all this comes from one. `triplets` and `judgements` are
    people's answers. `by` names columns to split scores by, beside genre and decade. `robustness` distorts
    some tracks, which takes minutes. `vectors` is for a model that learnt from a table of vectors, where that
    table is elsewhere now; `model` for embeddings whose model is. `no_artist` holds names that are no
    artist's, beside the usual ones and those that the models were trained with.

    `output` is a folder for `report.json`, `report.html` and `judge.html`, in which `queries` (or
    `query_count` that a hash picks) can be listened to, and for what was heard, so that the next evaluation
    need not hear it again; or a .json file, and only that is written.

    Raises:
        UsageError: no such split, or it has no tracks that all systems have; a label that a model was taught
            is named;
            or what a section needs is not there.
        CatalogError: the catalog or a file of answers cannot be used, or lacks a label asked for.
        ArtefactError: a model bundle or embeddings are corrupt, or of another version; or which tracks were
            held out
            from training has to be known, and the model that would say it is lost.
    """
    if split not in (None, *SPLITS):
        raise UsageError(f"split={split} is unknown.{nearest(str(split), SPLITS)}")
    systems = read_systems(ours, against, vectors, model)
    no_artist = sorted({*no_artist, *(name for system in systems for name in system.no_artist)})
    whole = read_catalog(Path(catalog_path), no_artist)
    catalog_sha256 = sha256_of(Path(catalog_path))
    if split != "all":
        _refuse_unknown_split(systems, catalog_sha256)
    rule = _rule(systems, whole)
    modelled = any(system.bundle for system in systems)
    split = split or ("test" if modelled else "all")
    needed = modelled or split != "all" or ratings is not None
    places = dict(zip(whole.track_ids, rule.assign(whole), strict=True)) if needed else {}
    catalog = tracks_of(whole, places, split)
    asked = SectionsAsked(ratings, truth, triplets, judgements, tuple(by), robustness)
    _refuse_strangers(queries, catalog, split)
    unprobed = _unprobed(systems, labels_to_ask(catalog, labels), labels is not None, trained_too)
    evidence = read_evidence(asked, systems, whole, catalog, places)
    folder = Path(output) if output is not None and Path(output).suffix != ".json" else None
    wanted = evidence.track_ids().union(catalog.track_ids)
    tracks = whole.select(np.array([track_id in wanted for track_id in whole.track_ids], dtype=bool))
    everything = gather(systems, tracks, workers, random_seed, folder / "cache" if folder else None)
    found = everything.among(catalog.track_ids)
    queries = [track_id for track_id in queries if track_id in found.catalog.track_ids]
    evaluation, answers = _evaluation(systems, found, labels, unprobed, random_seed)
    evaluation = evaluation.model_copy(
        update={
            **sections_of(asked, evidence, systems, found, answers, everything, workers, random_seed),
            "caveat": _caveat(systems, split, catalog_sha256),
            "skipped": tuple(found.skipped),
            "notes": (
                *_split_notes(systems, whole, found.catalog, split, catalog_sha256),
                *found.notes,
                *evaluation.notes,
            ),
            "provenance": {
                **_provenance(systems, split, rule, asked),
                **({"training": _training(systems[0].bundle, whole)} if systems[0].bundle else {}),
                **({"no_artist": no_artist} if no_artist else {}),
                "catalog": str(catalog_path),
                "catalog_sha256": catalog_sha256,
                **evaluation.provenance,
            },
        }
    )
    if folder is not None:
        write_json(folder / "report.json", evaluation.to_json())
        known = places if systems[0].may_know(catalog_sha256) else {}
        splits = [known.get(track_id, "") for track_id in found.catalog.track_ids]
        write_pages(folder, evaluation, systems, found, splits, evidence, queries, query_count, random_seed)
    elif output is not None:
        write_json(Path(output), evaluation.to_json())
    return evaluation


def tracks_of(catalog: Catalog, places: Mapping[str, str], split: str) -> Catalog:
    """The tracks of one split, by the split that each is in, or all tracks.

    Raises:
        UsageError: there are none.
    """
    if split == "all":
        return catalog
    chosen = catalog.select(
        np.array([places[track_id] == split for track_id in catalog.track_ids], dtype=bool)
    )
    if not len(chosen):
        raise UsageError(
            f"{catalog.source}: no track is in the {split} split. Add artists, or give --split all."
        )
    return chosen


def _refuse_strangers(queries: Sequence[str], catalog: Catalog, split: str) -> None:
    """Complain, before minutes are spent on hearing, of queries that are not to be judged."""
    strangers = sorted(set(queries) - set(catalog.track_ids))
    if strangers:
        raise UsageError(
            f"query={strangers[0]} is not among the {len(catalog)} tracks of the {split} split, such as "
            f"{catalog.track_ids[0]}. Name one of these, or judge on another --split."
        )


def _refuse_unknown_split(systems: Sequence[System], catalog_sha256: str) -> None:
    """Raise ArtefactError where the first system that should say what was held out cannot."""
    first = next((system for system in systems if system.bundle is not None or system.lost), None)
    if first is None:
        return
    first.refuse_lost(WAY_OUT)
    if not first.knows_split(catalog_sha256):
        raise ArtefactError(
            f"{first.path}: this model does not say which tracks were held out from its training. Train it again, or "
            "give --split all to judge on all tracks, those of training too."
        )


def _caveat(systems: Sequence[System], split: str, catalog_sha256: str) -> str:
    """What the headline has to say of tracks that were not held out."""
    first = next((system for system in systems if system.bundle), None)
    if first is None or (split == "all" and not first.may_know(catalog_sha256)):
        return UNKNOWN_CAVEAT
    return CAVEATS.get(split, "")


def _rule(systems: Sequence[System], catalog: Catalog) -> SplitRule:
    """The split rule of the first model there is; where there is none, one made from this catalog."""
    rules = (system.rule(catalog) for system in systems)
    return next((rule for rule in rules if rule is not None), None) or split_rule({}, catalog)


def _unprobed(systems: Sequence[System], labels: Sequence[str], named: bool, trained_too: bool) -> list[str]:
    """The labels of which no probe is asked, since a model was taught them.

    Raises:
        UsageError: somebody named one of them.
    """
    taught = [label for label in labels if any(label in system.trained_labels for system in systems)]
    if trained_too or not taught:
        return []
    if named:
        who = next(system.name for system in systems if taught[0] in system.trained_labels)
        raise UsageError(
            f"labels={','.join(labels)}: {who} was trained on {taught[0]}, so a probe would read back what it was "
            f"taught. Leave {taught[0]} out, or give --trained-too to ask all the same. Without --labels, a trained "
            "label is asked by retrieval alone."
        )
    return taught


def _evaluation(
    systems: Sequence[System],
    found: SideBySide,
    labels: Sequence[str] | None,
    unprobed: Sequence[str],
    random_seed: int,
) -> tuple[Evaluation, Answers]:
    """The table of retrieval and probes, and the scores of single tracks that it was made of."""
    folds = np.zeros(len(found.catalog), dtype=int)
    known = systems[0].bundle is not None
    taught = {label for system in systems for label in system.trained_labels} if known else None
    answers = ask({0: found.vectors}, found.catalog, folds, labels, unprobed, random_seed)
    return summarise(answers, {0: found.vectors}, found.catalog, taught, random_seed), answers


def _split_notes(
    systems: Sequence[System], whole: Catalog, judged: Catalog, split: str, catalog_sha256: str
) -> list[str]:
    """What the tracks are to each system: unheard, or what it was trained on."""
    modelled = [system for system in systems if system.bundle is not None]
    unknown = [system.name for system in systems if system.bundle is None]
    notes = [] if modelled else [NO_RULE_NOTE if split == "all" else OWN_RULE_NOTE.format(split=split)]
    notes += [f"{system.name}: {system.lost}." for system in systems if system.lost]
    for system in modelled[:1]:
        told = split in ("test", "valid") or system.may_know(catalog_sha256)
        notes.append((SPLIT_NOTES[split] if told else ELSEWHERE_NOTE).format(name=system.name))
    for system in modelled[1:]:
        heard = _heard_in_training(system, whole, judged)
        if heard and system.may_know(catalog_sha256):
            notes.append(
                f"{system.name} was trained on {heard} of the {len(judged)} tracks: its scores are too good."
            )
        elif heard:
            notes.append(ELSEWHERE_NOTE.format(name=system.name))
    if len(modelled) > 1:
        notes += [
            f"{system.name} was trained on {', '.join(sorted(system.trained_labels)) or 'nothing'}."
            for system in modelled
        ]
    if unknown:
        notes.append(UNKNOWN_NOTE.format(names=" and ".join(unknown)))
    return notes


def _heard_in_training(system: System, whole: Catalog, judged: Catalog) -> int:
    rule = system.rule(whole)
    places = dict(zip(whole.track_ids, rule.assign(whole), strict=True)) if rule else {}
    return sum(places.get(track_id) == "train" for track_id in judged.track_ids)


def _provenance(
    systems: Sequence[System], split: str, rule: SplitRule, asked: SectionsAsked
) -> dict[str, Any]:
    first = systems[0]
    return {
        "soundkin": version("soundkin"),
        "model": str(first.path),
        **({"model_hash": first.bundle.hash} if first.bundle else {}),
        "compared": [
            {"name": of.name, "path": str(of.path), "content_hash": of.content_hash} for of in systems
        ],
        "split": split,
        "split_rule": rule.model_dump(mode="json"),
        **_files(asked.files()),
    }


def _training(bundle: Bundle, catalog: Catalog) -> dict[str, Any]:
    """How our model was trained, as far as it says, and which labels of the catalog it was not trained on."""
    saved = bundle.provenance
    shown = {key: saved.get("training_data", {}).get(key) for key in ("tracks", "artists")}
    epochs = saved.get("train_config", {}).get("trainer", {}).get("epochs")
    unused = [
        name
        for name, task in TASKS.items()
        if name not in bundle.tasks and task.columns and len(set(column_values(catalog, task.columns[0]))) > 2
    ]
    found = {**shown, "epochs": epochs, **saved.get("training", {}), "tasks": sorted(bundle.tasks)}
    return {**{key: value for key, value in found.items() if value is not None}, "unused_labels": unused}


def _files(files: Mapping[str, Path]) -> dict[str, str]:
    return {
        key: value
        for name, path in files.items()
        for key, value in ((name, str(path)), (f"{name}_sha256", sha256_of(path)))
    }
