"""Audit: whether labels, audio and judges of a catalog can be trusted, section by section."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.pipelines.options import Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.audit.findings import Audit
    from soundkin.catalog.table import Catalog
    from soundkin.evaluation.sections import Section
    from soundkin.evaluation.systems import System

DEFAULT_LABELS = ("genre",)
NO_VECTORS = (
    "Labels and near-duplicates are judged by sound, which takes vectors: soundkin embed MODEL CATALOG -o "
    "embeddings, then soundkin audit CATALOG --embeddings embeddings."
)


def audit(
    catalog_path: Annotated[Path, argument("CATALOG")],
    output: Annotated[Path | None, Option("Folder to write.", ("-o", "--output"))] = None,
    embeddings: Annotated[Path | None, Option("Folder by soundkin embed, or a table of vectors.")] = None,
    ratings: Annotated[Path | None, Option("Judge how users rate.")] = None,
    triplets: Annotated[Path | None, Option("Judge the annotators.")] = None,
    gold: Annotated[Path | None, Option("Triplets whose answer is known, to judge annotators by.")] = None,
    target: Annotated[Path | None, Option("What should be there: CSV of column, value, share.")] = None,
    columns: Annotated[
        Sequence[str], Option("Show what this column covers too.", ("--column",), "COLUMN")
    ] = (),
    labels: Annotated[
        Sequence[str], Option("Doubt these; default: genre.", ("--labels", "--label"), "COLUMN")
    ] = DEFAULT_LABELS,
    audio: bool = True,
    workers: Annotated[int, Option("Processes that decode.", minimum=1)] = 1,
    random_seed: int = 0,
    no_artist: Annotated[
        Sequence[str], Option("A name that is no artist's, as Various Artists is.", metavar="NAME")
    ] = (),
) -> "Audit":
    """Ask whether CATALOG can be trusted: what it covers, what leaks between splits, which labels to doubt.

    With --embeddings, labels that do not sound right are doubted (artists only if named: most sound alike for
    good reasons), and audio that is there twice is found; with --triplets or --ratings, the people behind
    them are judged. -o writes audit.html (players, and buttons to decide with), audit.json, review.csv, which
    soundkin correct reads once it is filled in, and with --triplets annotators.csv, a weight for each.

    Examples:
      soundkin audit catalog.csv
      soundkin audit catalog.csv --embeddings embeddings -o audit
      soundkin audit catalog.csv --embeddings embeddings --labels genre --labels artist -o audit
      soundkin audit catalog.csv --target population.csv --column country --triplets triplets.csv

    Raises:
        UsageError: the vectors are of none of the catalog's tracks.
        CatalogError: the catalog, the target, ratings or triplets break their promises, or a label is in no
            column.
        ArtefactError: the embeddings are corrupt.
        OutputError: the folder cannot be written, or its review table holds decisions that would be lost.
    """
    import numpy as np

    from soundkin.audit.coverage import DEFAULT_COLUMNS, cover, read_target
    from soundkin.audit.duplicates import find_duplicates
    from soundkin.audit.findings import Audit, check_undecided, review_table, write_audit
    from soundkin.audit.label_errors import find_label_errors
    from soundkin.audit.leaks import content_hashes, find_leaks
    from soundkin.catalog.splits import SplitConfig, make_split_rule
    from soundkin.catalog.table import read_catalog
    from soundkin.explore.snippets import snippet
    from soundkin.files import sha256_of

    catalog_path = Path(catalog_path)
    catalog = read_catalog(catalog_path, no_artist)
    if output is not None:
        check_undecided(Path(output))
    wanted = read_target(Path(target)) if target is not None else {}
    system, vectors = _read_vectors(Path(embeddings), catalog) if embeddings is not None else (None, {})
    if system and system.no_artist:
        catalog = read_catalog(catalog_path, [*no_artist, *system.no_artist])
    for label in labels if system else ():
        if label not in (*DEFAULT_LABELS, "decade"):
            catalog.require(label, "its labels were to be doubted. Name another column with --label.")
    covered = dict.fromkeys([*DEFAULT_COLUMNS, *wanted, *columns])
    sections: list[Section] = [cover(catalog, name, wanted.get(name), random_seed) for name in covered]
    hashes, duplicates, doubted = None, None, []
    rule = make_split_rule(catalog, SplitConfig())
    provenance = {}
    if system:
        ids, matrix = list(vectors), np.stack(list(vectors.values()))
        embedded = catalog.select(ids)
        hashes = system.stored.audio_hashes if system.stored else None
        if audio:
            known = [hashes[track_id] for track_id in ids] if hashes else None
            duplicates = find_duplicates(ids, embedded.audio_paths(), matrix, known, workers)
        missing, trained = len(catalog) - len(ids), system.trained_labels
        doubted = [
            find_label_errors(embedded, label, matrix, random_seed, missing, label in trained)
            for label in labels
        ]
        rule = system.rule(catalog) or rule
        provenance = {"embeddings": str(embeddings)}
        provenance |= {"model_hash": system.bundle.hash} if system.bundle else {}
    if audio and not hashes:
        hashes = content_hashes(catalog)
    leaks = find_leaks(catalog, rule.assign(catalog), hashes, duplicates.linked() if duplicates else None)
    sections += [leaks, *([duplicates] if duplicates else []), *doubted]
    sections += _judges(catalog, ratings, triplets, gold, random_seed)
    given = {"target": target, "ratings": ratings, "triplets": triplets, "gold": gold}
    result = Audit(
        sections=tuple(sections),
        review=review_table(catalog, doubted, leaks),
        skipped=duplicates.skipped if duplicates else (),
        notes=() if system else (NO_VECTORS,),
        provenance={
            "soundkin": version("soundkin"),
            "catalog": str(catalog_path),
            "catalog_sha256": sha256_of(catalog_path),
            "tracks": len(catalog),
            "random_seed": random_seed,
            **provenance,
            **{name: str(path) for name, path in given.items() if path is not None},
        },
    )
    if output is not None:
        write_audit(result, catalog, Path(output), snippet if audio else None)
    return result


def _read_vectors(path: Path, catalog: "Catalog") -> "tuple[System, dict[str, np.ndarray]]":
    """Embeddings or a table of vectors; with the vector of each track that has one, in catalog order."""
    from soundkin.evaluation.systems import read_systems, vectors_of

    [system] = read_systems(path)
    system.refuse_lost("Put the model back, or embed the catalog again with one that is there.")
    if system.stored is None:
        raise UsageError(
            f"{path} is a model, and labels are judged by vectors: soundkin embed {path} CATALOG -o NEW"
        )
    vectors, _ = vectors_of(system, catalog.track_ids)
    if not vectors:
        raise UsageError(f"{path} holds no vector of any track in {catalog.source}. Embed this catalog.")
    return system, vectors


def _judges(
    catalog: "Catalog", ratings: Path | None, triplets: Path | None, gold: Path | None, random_seed: int
) -> "tuple[Section, ...]":
    """What is known of the people behind triplets and ratings; nothing where neither was given."""
    from soundkin.audit.agreement import audit_agreement
    from soundkin.audit.rating_scales import audit_rating_scales
    from soundkin.audit.reliability import audit_annotators
    from soundkin.catalog.ratings_table import read_ratings
    from soundkin.catalog.triplets_table import read_triplets

    if gold is not None and triplets is None:
        raise UsageError(
            f"gold={gold} says which answers are right, and nobody answered: give their triplets too."
        )
    if ratings is None and triplets is None:
        return ()
    answers, known = (
        read_triplets(Path(path), catalog) if path is not None else None for path in (triplets, gold)
    )
    stars = read_ratings(Path(ratings), catalog) if ratings is not None else None
    artists = dict(zip(catalog.track_ids, catalog.artists.groups.tolist(), strict=True))
    return (
        audit_agreement(answers, artists, random_seed),
        audit_annotators(answers, known),
        audit_rating_scales(stars, artists, random_seed),
    )
