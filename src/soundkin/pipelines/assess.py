"""Assess: ask people which of two tracks sounds more like a third, and keep their answers."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import CatalogError, UsageError
from soundkin.pipelines.options import Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.assess.annotator_state import SessionConfig
    from soundkin.assess.assessment import Assessment
    from soundkin.catalog.table import Catalog

log = logging.getLogger(__name__)


def open_assessment(
    catalog_path: Annotated[Path, argument("CATALOG")],
    output: Annotated[Path, Option("Triplets, .csv; what is there is kept.", ("-o", "--output"))],
    embeddings: Annotated[Path | None, Option("Embeddings folder; without it, random questions.")] = None,
    gold: Annotated[Path | None, Option("Triplets whose answer is known; default: from the audio.")] = None,
    questions: Annotated[int, Option("Different ones to ask.", minimum=1)] = 300,
    judges: Annotated[int, Option("People a shared question gets.", minimum=1)] = 3,
    random_seed: Annotated[int, Option()] = 0,
    sessions: "SessionConfig | None" = None,
) -> "Assessment":
    """Ask people on a page: which of these two sounds more like this one?

    With --embeddings, most questions are those where the model is least sure. People learn by examples, pass
    a qualifier, and are checked by questions whose answer is known; who clicks at random is stopped, and
    their answers are set aside. Answers to learn from go to OUTPUT, all others to a .checks.csv beside it.
    Run the same command again to go on.

    Examples:
      soundkin assess catalog.csv --embeddings runs/first/embeddings -o triplets.csv
      soundkin assess catalog.csv -o triplets.csv --gold gold.csv --port 9000
      soundkin assess catalog.csv -o triplets.csv --host 0.0.0.0     for others in this network

    Raises:
        UsageError: no three tracks by three artists are left, too few gold questions, or `output` is no .csv.
        CatalogError: the catalog, the gold questions or the answers cannot be used.
        ArtefactError: the embeddings are corrupt.
        OutputError: the answers cannot be written, or another process is writing them.

    """
    import numpy as np

    from soundkin.assess.annotator_state import SessionConfig
    from soundkin.assess.answer_files import AnswerFiles
    from soundkin.assess.assessment import Assessment
    from soundkin.assess.sessions import Sessions
    from soundkin.assess.triplet_questions import gold_from_halves, plan_questions, read_gold
    from soundkin.catalog.table import read_catalog

    config = sessions or SessionConfig(judges=judges)
    catalog = read_catalog(Path(catalog_path))
    there = np.array([path.is_file() for path in catalog.audio_paths()], dtype=bool)
    if not there.any():
        raise CatalogError(
            f"{catalog.source}: none of its files is there, the first {catalog.audio_paths()[0]}."
        )
    if not there.all():
        missing = (~there).sum()
        log.warning("%s: left out %d of %d tracks whose file is missing", catalog.source, missing, len(there))
    catalog, vectors = catalog.select(there), None
    if embeddings is not None:
        catalog, vectors = _embedded(catalog, Path(embeddings))
    plan = plan_questions(catalog, vectors, questions, random_seed=random_seed)
    if gold is not None:
        known = read_gold(gold, catalog, config.gold_needed)
        log.info("%d gold questions from %s", len(known), gold)
    else:
        known = gold_from_halves(catalog, vectors, random_seed=random_seed)
        how = "one half of a recording, its other half, and a track of another genre; --gold takes others"
        log.info("%d gold questions made of the catalog: %s", len(known), how)
    how = (
        "where the model is least sure" if embeddings is not None else "at random, by genre (no --embeddings)"
    )
    log.info("%d questions about %d tracks, chosen %s", len(plan), len(catalog), how)
    return Assessment(catalog, Sessions(plan, known, config, random_seed), AnswerFiles(Path(output)))


def _embedded(catalog: "Catalog", folder: Path) -> "tuple[Catalog, np.ndarray]":
    """The tracks that have a vector, and their vectors."""
    from soundkin.embedding.store import read_embeddings

    stored = read_embeddings(folder)
    rows = {track_id: row for row, track_id in enumerate(stored.track_ids)}
    kept = [track_id for track_id in catalog.track_ids if track_id in rows]
    if not kept:
        raise UsageError(
            f"embeddings {folder} hold no track of {catalog.source}. Embed that catalog, or name another."
        )
    if missing := len(catalog) - len(kept):
        log.warning("%s: left out %d tracks without a vector in %s", catalog.source, missing, folder)
    return catalog.select(kept), stored.vectors[[rows[track_id] for track_id in kept]]
