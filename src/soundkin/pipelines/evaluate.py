"""Evaluate: how well vectors find related tracks, compared with baselines and with what people say."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from soundkin.errors import UsageError
from soundkin.pipelines.options import Option, argument

if TYPE_CHECKING:
    from soundkin.catalog.table import Catalog
    from soundkin.embedding.bundle import Bundle
    from soundkin.evaluation.evaluated_split import EvaluatedSplit
    from soundkin.evaluation.evaluation_report import Evaluation
    from soundkin.evaluation.systems import System

SPLITS = ("train", "valid", "test", "all")


def evaluate(
    ours: Annotated[Path | str, argument("MODEL")],
    catalog_path: Annotated[Path, argument("CATALOG")],
    split: Annotated[
        Literal["train", "valid", "test", "all"] | None,
        Option("Default: test, by the rule of the first model; all where no model is at hand."),
    ] = None,
    workers: Annotated[int, Option("Processes that decode.", minimum=1)] = 1,
    labels: Annotated[
        Sequence[str] | None,
        Option(
            "Columns to ask about. Default: genre, artist, album, decade.", metavar="LABEL,...", separator=","
        ),
    ] = None,
    output: Annotated[
        Path | None,
        Option(
            "Folder for report.json, report.html and judge.html, and for vectors that the next evaluation "
            "need not compute again; or a .json file, to write that alone.",
            ("-o", "--output"),
        ),
    ] = None,
    random_seed: int = 0,
    ratings: Annotated[Path | None, Option("Ratings of all tracks, the held-out ones too.")] = None,
    truth: Annotated[
        Path | None, Option("Synthesised corpus that holds the users' factors.", metavar="FOLDER")
    ] = None,
    vectors: Annotated[Path | None, Option("Table of frozen vectors, where it has moved or grown.")] = None,
    against: Annotated[
        Sequence[Path | str], Option("Another model, embeddings or table of vectors.", metavar="[NAME=]PATH")
    ] = (),
    trained_too: Annotated[bool, Option("Probe labels too that a model was trained on.")] = False,
    triplets: Annotated[Path | None, Option("Which of two tracks people find closer to a third.")] = None,
    verdicts: Annotated[
        Path | None,
        Option("Neighbours marked good or bad, as judge.html saves.", ("--verdicts", "--judgements")),
    ] = None,
    by: Annotated[
        Sequence[str], Option("Split scores by this column, beside genre and decade.", metavar="COLUMN")
    ] = (),
    robustness: Annotated[
        bool, Option("Distort some tracks and see what is still found. Takes minutes.")
    ] = False,
    queries: Annotated[
        Sequence[str], Option("A track_id to listen to in the pages.", ("--query",), metavar="TRACK")
    ] = (),
    query_count: Annotated[
        int, Option("How many to judge, where none is named.", ("--queries",), minimum=1)
    ] = 6,
    model: Annotated[Path | None, Option("Model that made the embeddings, if moved.")] = None,
    no_artist: Annotated[
        Sequence[str], Option("A name that is no artist's, as Various Artists is.", metavar="NAME")
    ] = (),
    judgements: Path | None = None,
) -> "Evaluation":
    """Measure MODEL on held-out tracks of CATALOG; compare untrained network, MFCC statistics and chance.

    MODEL is a model bundle, a folder that soundkin embed wrote, or a table of anybody's vectors by track_id
    (.npz, .parquet); --against, as often as you like, compares it with others on the same tracks. NAME=PATH
    names one. Labels that a model was trained on are asked by retrieval only, where held-out artists can tell
    whether it learnt anything; --trained-too asks them by probes as well.

    With --ratings, held-out tracks are recommended to users: a model's own, and ones folded in over every
    system from what they play of the train split. With --triplets and --verdicts, systems are compared with
    what people said.

    Examples:
      soundkin evaluate runs/first/model catalog.csv -o runs/first/evaluation
      soundkin evaluate runs/first/embeddings catalog.csv --against clap=clap.npz -o compared
      soundkin evaluate runs/first/model catalog.csv --ratings ratings.csv --by language

    Raises:
        UsageError: no such split, or no track in it that all systems have; a trained label is named; or what
            a section needs is missing.
        CatalogError: the catalog or a file of answers cannot be used, or lacks a label asked for.
        ArtefactError: a model bundle or embeddings are corrupt, or of another version; or which tracks were
            held out from training has to be known, and the model that would say it is lost.
    """
    import numpy as np

    from soundkin.catalog.table import read_catalog
    from soundkin.config import nearest
    from soundkin.evaluation.evaluated_split import choose_split
    from soundkin.evaluation.evaluation_report import summarise
    from soundkin.evaluation.label_scores import ask, labels_to_ask
    from soundkin.evaluation.system_vectors import collect_vectors
    from soundkin.evaluation.systems import read_systems
    from soundkin.files import sha256_of, write_json
    from soundkin.pipelines.evaluation_pages import write_pages
    from soundkin.pipelines.evaluation_sections import make_sections, read_evidence

    if split not in (None, *SPLITS):
        raise UsageError(f"split={split} is unknown.{nearest(str(split), SPLITS)}")
    catalog_path = Path(catalog_path)
    systems = read_systems(ours, against, vectors, model)
    no_artist = sorted({*no_artist, *(name for system in systems for name in system.no_artist)})
    whole = read_catalog(catalog_path, no_artist)
    chosen = choose_split(systems, whole, sha256_of(catalog_path), split, users=ratings is not None)
    _refuse_strangers(queries, chosen)
    verdicts = verdicts or judgements
    unprobed = _unprobed(systems, labels_to_ask(chosen.catalog, labels), labels is not None, trained_too)
    evidence = read_evidence(systems, chosen, ratings, truth, triplets, verdicts, by, robustness)

    folder = Path(output) if output is not None and Path(output).suffix != ".json" else None
    wanted = evidence.track_ids().union(chosen.catalog.track_ids)
    tracks = whole.select(np.array([track_id in wanted for track_id in whole.track_ids], dtype=bool))
    everything = collect_vectors(systems, tracks, workers, random_seed, folder / "cache" if folder else None)
    judged = everything.among(chosen.catalog.track_ids)

    trained = {label for system in systems for label in system.trained_labels} if systems[0].bundle else None
    one_fold = {0: judged.vectors}
    folds = np.zeros(len(judged.catalog), dtype=int)
    scores = ask(one_fold, judged.catalog, folds, labels, unprobed, random_seed)
    evaluation = summarise(scores, one_fold, judged.catalog, trained, random_seed)
    sections = make_sections(evidence, systems, judged, scores, everything, workers, random_seed)
    notes = (*chosen.notes(systems, judged.catalog), *judged.notes, *evaluation.notes)
    provenance = {
        **_provenance(systems, chosen, {"ratings": ratings, "triplets": triplets, "judgements": verdicts}),
        **({"no_artist": no_artist} if no_artist else {}),
        "catalog": str(catalog_path),
        "catalog_sha256": chosen.sha256,
        **evaluation.provenance,
    }
    evaluation = evaluation.model_copy(
        update={
            **sections,
            "caveat": chosen.caveat(systems),
            "skipped": tuple(judged.skipped),
            "notes": notes,
            "provenance": provenance,
        }
    )
    if output is not None:
        write_json(folder / "report.json" if folder else Path(output), evaluation.to_json())
    if folder is not None:
        places = chosen.places if systems[0].may_know(chosen.sha256) else {}
        splits = [places.get(track_id, "") for track_id in judged.catalog.track_ids]
        queries = [track_id for track_id in queries if track_id in judged.catalog.track_ids]
        write_pages(folder, evaluation, systems, judged, splits, evidence, queries, query_count, random_seed)
    return evaluation


def _refuse_strangers(queries: Sequence[str], chosen: "EvaluatedSplit") -> None:
    """Complain, before minutes are spent on embedding, of queries that are not to be judged."""
    strangers = sorted(set(queries) - set(chosen.catalog.track_ids))
    if strangers:
        raise UsageError(
            f"query={strangers[0]} is not among the {len(chosen.catalog)} tracks of the {chosen.name} split, "
            f"such as {chosen.catalog.track_ids[0]}. Name one of these, or judge on another --split."
        )


def _unprobed(
    systems: Sequence["System"], labels: Sequence[str], named: bool, trained_too: bool
) -> list[str]:
    """Labels of which no probe is asked, as a model was trained on them; UsageError if one was named."""
    trained = [label for label in labels if any(label in system.trained_labels for system in systems)]
    if trained_too or not trained:
        return []
    if named:
        name = next(system.name for system in systems if trained[0] in system.trained_labels)
        raise UsageError(
            f"labels={','.join(labels)}: {name} was trained on {trained[0]}, so a probe would read back what "
            f"it was trained on. Leave {trained[0]} out, or give --trained-too to ask all the same. Without "
            "--labels, a trained label is asked by retrieval alone."
        )
    return trained


def _provenance(
    systems: Sequence["System"], chosen: "EvaluatedSplit", files: dict[str, Path | None]
) -> dict[str, Any]:
    from importlib.metadata import version

    from soundkin.files import sha256_of

    first = systems[0]
    compared = [
        {"name": system.name, "path": str(system.path), "content_hash": system.content_hash}
        for system in systems
    ]
    return {
        "soundkin": version("soundkin"),
        "model": str(first.path),
        **({"model_hash": first.bundle.hash} if first.bundle else {}),
        "compared": compared,
        "split": chosen.name,
        "split_rule": chosen.rule.model_dump(mode="json"),
        **{name: str(path) for name, path in files.items() if path},
        **{f"{name}_sha256": sha256_of(Path(path)) for name, path in files.items() if path},
        **({"training": _training(first.bundle, chosen.whole)} if first.bundle else {}),
    }


def _training(bundle: "Bundle", catalog: "Catalog") -> dict[str, Any]:
    """How our model was trained, as far as it says, and which labels of the catalog it was not trained on."""
    from soundkin.evaluation.label_questions import column_values
    from soundkin.tasks import TASKS

    saved = bundle.provenance
    stated = {key: saved.get("training_data", {}).get(key) for key in ("tracks", "artists")}
    stated["epochs"] = saved.get("train_config", {}).get("trainer", {}).get("epochs")
    stated |= saved.get("training", {}) | {"tasks": sorted(bundle.tasks)}
    unused = [
        name
        for name, task in TASKS.items()
        if name not in bundle.tasks and task.columns and len(set(column_values(catalog, task.columns[0]))) > 2
    ]
    return {**{key: value for key, value in stated.items() if value is not None}, "unused_labels": unused}
