"""Audit: whether labels, audio and judges of a catalog can be trusted, section by section."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundkin.audit.coverage import DEFAULT_COLUMNS, cover, read_target
from soundkin.audit.duplicates import Duplicates, find_duplicates
from soundkin.audit.label_errors import LabelErrors, find_label_errors
from soundkin.audit.leaks import Leaks, find_leaks
from soundkin.audit.raters import AnnotatorAudit, audit_raters, write_annotators
from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.splits import SplitConfig, SplitRule, make_split_rule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.catalog.table_io import read_rows, write_rows
from soundkin.catalog.triplets_table import read_triplets
from soundkin.errors import CatalogError, OutputError, Skipped, UsageError
from soundkin.evaluation.sections import Section
from soundkin.explore.audit_page import AuditPage, render_audit
from soundkin.explore.page_template import PageSection, Step
from soundkin.features.file_hashes import file_hash
from soundkin.files import replacing, sha256_of, write_json
from soundkin.pipelines.judging.compared_systems import read_systems, vectors_of
from soundkin.pipelines.judging.decisions import review_table, things_to_do, to_decide
from soundkin.progress import progress
from soundkin.shapes import Float32

DEFAULT_LABELS = ("genre",)
REVIEW, PAGE, RESULT, ANNOTATORS = "review.csv", "audit.html", "audit.json", "annotators.csv"
NO_VECTORS = (
    "Labels and near-duplicates are judged by sound, which takes vectors: soundkin embed MODEL CATALOG -o embeddings, "
    "then soundkin audit CATALOG --embeddings embeddings."
)


@dataclass(frozen=True)
class TrackVectors:
    """The vectors that tracks are judged by: row i is the track `track_ids[i]` of the catalog."""

    track_ids: list[str]
    vectors: Float32[np.ndarray, "tracks embedding"]
    audio_hashes: list[str] | None = None
    taught: frozenset[str] = frozenset()  # labels that the model was trained on
    rule: SplitRule | None = None  # the model's, where there is one
    provenance: Mapping[str, str] = field(default_factory=dict)
    no_artist: tuple[str, ...] = ()  # names that the model was trained to take for nobody's


@dataclass(frozen=True)
class Audit:
    """Every section, the labels to review, the files that could not be read, and what all this is about."""

    sections: tuple[Section, ...]
    review: pd.DataFrame
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]
    provenance: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a JSON file."""
        return {
            "provenance": self.provenance,
            "notes": list(self.notes),
            "skipped": [{"path": item.path, "reason": item.reason} for item in self.skipped],
            "sections": [
                {
                    **one.model_dump(mode="json"),
                    "title": one.title,
                    "verdict": one.verdict,
                    "notes": list(one.notes),
                }
                for one in self.sections
            ],
        }


def audit(
    catalog_path: Path,
    output: Path | None = None,
    embeddings: Path | None = None,
    ratings: Path | None = None,
    triplets: Path | None = None,
    gold: Path | None = None,
    target: Path | None = None,
    columns: Sequence[str] = (),
    labels: Sequence[str] = DEFAULT_LABELS,
    audio: bool = True,
    workers: int = 1,
    random_seed: int = 0,
    no_artist: Sequence[str] = (),
) -> Audit:
    """Look at a catalog from all sides that the files at hand allow.

    Coverage and leaks need the catalog alone. With `embeddings` (a folder that `embed` wrote, or a table of
    vectors), `labels` are doubted where they do not sound right (artists only if named: most sound alike for
    good reasons), and near-duplicate audio is looked for. With `ratings` or `triplets`, the people behind
    them are judged; `gold` are triplets whose answer is known. `target` states the population that the
    catalog should be like, `columns` are looked at beyond the usual ones. `no_artist` holds names that are no
    artist's, beside the usual ones and those that the model of the embeddings was trained with. Without
    `audio` no audio file is opened.

    With `output`, a folder gets `audit.json`, `audit.html` and `review.csv`; and `annotators.csv`, with a
    weight for each, where triplets name them.

    Raises:
        UsageError: the vectors are of none of the catalog's tracks.
        CatalogError: the catalog, the target, ratings or triplets break their promises, or a label is in no
            column.
        ArtefactError: the embeddings are corrupt.
        OutputError: the folder cannot be written, or its review table holds decisions that would be lost.
    """
    catalog_path = Path(catalog_path)
    catalog = read_catalog(catalog_path, no_artist)
    if output is not None:
        _refuse_to_lose_decisions(Path(output) / REVIEW)
    wanted = read_target(Path(target)) if target is not None else {}
    vectors = _read_vectors(Path(embeddings), catalog) if embeddings is not None else None
    if vectors and vectors.no_artist:
        catalog = read_catalog(catalog_path, [*no_artist, *vectors.no_artist])
    _check_labels(catalog, labels if vectors else ())
    sections: list[Section] = [
        cover(catalog, column, wanted.get(column), random_seed)
        for column in dict.fromkeys([*DEFAULT_COLUMNS, *wanted, *columns])
    ]
    duplicates = _duplicates(catalog, vectors, workers) if vectors and audio else None
    leaks = _leaks(catalog, vectors, duplicates, audio)
    sections.append(leaks)
    sections += [duplicates] if duplicates else []
    doubted = _label_errors(catalog, vectors, labels, random_seed) if vectors else []
    sections += doubted
    sections += _judges(catalog, ratings, triplets, gold, random_seed)
    result = Audit(
        sections=tuple(sections),
        review=review_table(catalog, doubted, leaks),
        skipped=duplicates.skipped if duplicates else (),
        notes=() if vectors else (NO_VECTORS,),
        provenance={
            "soundkin": version("soundkin"),
            "catalog": str(catalog_path),
            "catalog_sha256": sha256_of(catalog_path),
            "tracks": len(catalog),
            "random_seed": random_seed,
            **(vectors.provenance if vectors else {}),
            **{
                name: str(path)
                for name, path in {
                    "target": target,
                    "ratings": ratings,
                    "triplets": triplets,
                    "gold": gold,
                }.items()
                if path is not None
            },
        },
    )
    if output is not None:
        _write(result, catalog, Path(output), audio)
    return result


def _judges(
    catalog: Catalog, ratings: Path | None, triplets: Path | None, gold: Path | None, random_seed: int
) -> tuple[Section, ...]:
    """What is known of the people behind triplets and ratings; nothing where neither was given."""
    if gold is not None and triplets is None:
        raise UsageError(
            f"gold={gold} says which answers are right, and nobody answered: give their triplets too."
        )
    if ratings is None and triplets is None:
        return ()
    return audit_raters(
        read_triplets(Path(triplets), catalog) if triplets is not None else None,
        read_ratings(Path(ratings), catalog) if ratings is not None else None,
        read_triplets(Path(gold), catalog) if gold is not None else None,
        random_seed=random_seed,
        artists=dict(zip(catalog.track_ids, catalog.artists.groups.tolist(), strict=True)),
    )


def _read_vectors(path: Path, catalog: Catalog) -> TrackVectors:
    """From embeddings of ours or from a table of vectors; tracks of the catalog only, in its order."""
    [system] = read_systems(path)
    system.refuse_lost("Put the model back, or embed the catalog again with one that is there.")
    if system.stored is None:
        raise UsageError(
            f"{path} is a model, and labels are judged by vectors: soundkin embed {path} CATALOG -o NEW"
        )
    found, _ = vectors_of(system, catalog.track_ids)
    if not found:
        raise UsageError(f"{path} holds no vector of any track in {catalog.source}. Embed this catalog.")
    hashes = system.stored.audio_hashes
    return TrackVectors(
        list(found),
        np.stack(list(found.values())),
        [hashes[track_id] for track_id in found] if hashes else None,
        frozenset(system.trained_labels),
        system.rule(catalog),
        {"embeddings": str(path), **({"model_hash": system.bundle.hash} if system.bundle else {})},
        system.no_artist,
    )


def _check_labels(catalog: Catalog, labels: Sequence[str]) -> None:
    for label in labels:
        if label not in (*DEFAULT_LABELS, "decade"):
            catalog.require(label, "its labels were to be doubted. Name another column with --label.")


def _duplicates(catalog: Catalog, vectors: TrackVectors, workers: int) -> Duplicates:
    heard = catalog.select(vectors.track_ids)
    return find_duplicates(
        heard.track_ids, heard.audio_paths(), vectors.vectors, vectors.audio_hashes, workers
    )


def _leaks(
    catalog: Catalog, vectors: TrackVectors | None, duplicates: Duplicates | None, audio: bool
) -> Leaks:
    rule = (vectors.rule if vectors else None) or make_split_rule(catalog, SplitConfig())
    hashes = None
    if vectors and vectors.audio_hashes:
        hashes = dict(zip(vectors.track_ids, vectors.audio_hashes, strict=True))
    elif audio:
        hashes = content_hashes(catalog)
    return find_leaks(catalog, rule.assign(catalog), hashes, duplicates.linked() if duplicates else None)


def content_hashes(catalog: Catalog) -> dict[str, str]:
    """Hash of the files of tracks, by track id, where another file is as long; others cannot have the same
    content.

    Files that are missing have none.
    """
    paths = dict(zip(catalog.track_ids, catalog.audio_paths(), strict=True))
    sizes = {track_id: path.stat().st_size for track_id, path in paths.items() if path.is_file()}
    shared = pd.Series(sizes, dtype="int64").duplicated(keep=False)
    alike = [str(track_id) for track_id in shared.index[shared]]
    return {
        track_id: file_hash(paths[track_id])
        for track_id in progress(alike, "comparing files", total=len(alike))
    }


def _label_errors(
    catalog: Catalog, vectors: TrackVectors, labels: Sequence[str], random_seed: int
) -> list[LabelErrors]:
    heard = catalog.select(vectors.track_ids)
    found = []
    for label in labels:
        one = find_label_errors(heard, label, vectors.vectors, random_seed)
        notes = _taught_note(label, vectors)
        if len(heard) < len(catalog):
            notes.append(f"{len(catalog) - len(heard)} tracks have no vector, and were not judged.")
        found.append(one.model_copy(update={"notes": (*notes, *one.notes)}))
    return found


def _taught_note(label: str, vectors: TrackVectors) -> list[str]:
    if label not in vectors.taught:
        return []
    return [
        f"The vectors are by a model that was trained on {label}: of its training tracks it may know wrong labels by "
        "heart, which hides them. Vectors of a model that never saw these labels hide none."
    ]


def _refuse_to_lose_decisions(path: Path) -> None:
    if not path.exists():
        return
    try:
        earlier = read_rows(path, f"review {path}", ("decision", "value"))
    except CatalogError as error:
        if "has no rows" in str(error):
            return
        raise
    decided = int((earlier["decision"].notna() | earlier["value"].notna()).sum())
    if decided:
        raise OutputError(
            f"{path} holds {decided} decisions, which would be lost. Turn them into corrections first (soundkin "
            f"correct CATALOG {path} -o corrections.csv) and move the file away, or name another folder with -o."
        )


def _write(result: Audit, catalog: Catalog, folder: Path, audio: bool) -> None:
    write_rows(result.review, folder / REVIEW)
    write_json(folder / RESULT, result.to_json())
    for section in result.sections:
        if isinstance(section, AnnotatorAudit) and section.annotators:
            write_annotators(section, folder / ANNOTATORS)
    name = Path(result.provenance["catalog"]).name
    page = render_audit(
        AuditPage(
            title=f"soundkin audit: {name}",
            collection=str(result.provenance["catalog_sha256"])[:16],
            facts=_facts(result),
            tasks=things_to_do(result.sections, catalog),
            decisions=to_decide(result.review, catalog, audio),
            sections=[PageSection(one.title, one.verdict, one.table(), one.notes) for one in result.sections],
            steps=_steps(result),
        )
    )
    with replacing(folder / PAGE, "w") as file:
        file.write(page)


def _facts(result: Audit) -> list[tuple[str, str]]:
    shown = (("Tracks", "tracks"), ("Vectors", "embeddings"), ("Target", "target"), ("soundkin", "soundkin"))
    return [(name, str(result.provenance[key])) for name, key in shown if key in result.provenance]


def _steps(result: Audit) -> list[Step]:
    catalog = shlex.quote(result.provenance["catalog"])
    steps = [Step(note) for note in result.notes]
    if len(result.review):
        steps += [
            Step(
                "Turn the decisions you saved into corrections.",
                f"soundkin correct {catalog} {REVIEW} -o corrections.csv",
            ),
            Step(
                "Apply them to a copy.",
                f"soundkin correct {catalog} --apply corrections.csv -o corrected.csv",
            ),
        ]
    return steps
