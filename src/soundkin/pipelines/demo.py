"""Demo: the whole job in one go, on a corpus that we synthesise or on a folder of one's own music."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import CatalogError, Skipped, UsageError
from soundkin.pipelines.options import WORKERS, Option, argument

if TYPE_CHECKING:
    from soundkin.evaluation.evaluation_report import Evaluation
    from soundkin.pipelines.answers import Answer

LABELS = ("genre", "artist")  # each has a proxy task of its name
TABLES = ("catalog.csv", "tracks.csv")
STAGES = ("synthesise", "scan", "train", "embed", "index", "query", "evaluate", "report")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DemoResult:
    """Where to look, what was learnt, and one query with its answers."""

    run_dir: Path
    evaluation: "Evaluation"
    seed: str
    answers: "list[Answer]"
    report: Path
    skipped: list[Skipped]


def demo(
    run_dir: Annotated[Path, Option("Folder for all results.")] = Path("runs/demo"),
    music: Annotated[Path | None, Option("A folder of your own; its catalog.csv or tags are read.")] = None,
    workers: Annotated[int, WORKERS] = 2,
    overrides: Annotated[Sequence[str], argument("[KEY=VALUE]...")] = (),
) -> DemoResult:
    """The whole job in one go, from music to a report.

    Synthesises a corpus (or takes --music), then: scan, train, embed, index, query, evaluate, report. Run it
    again after an interruption, and it goes on where it stopped.

    Examples:
      soundkin demo
      soundkin demo --music ~/music --run-dir runs/own

    Raises:
        UsageError: `music` is no folder of audio. Whatever the single steps raise.
    """
    from soundkin.catalog.table import read_catalog
    from soundkin.corpus.corpus_config import CorpusConfig
    from soundkin.corpus.synthesise import is_synthesised, synthesise
    from soundkin.pipelines.embed import embed_catalog
    from soundkin.pipelines.evaluate import evaluate
    from soundkin.pipelines.index import index_embeddings
    from soundkin.pipelines.query import query
    from soundkin.pipelines.report import write_report
    from soundkin.pipelines.train import compose, train
    from soundkin.training.plan import check_settings
    from soundkin.training.run_folder import is_finished

    catalog = run_dir / "catalog.csv"
    experiment = "demo" if music in (None, run_dir / "music") else "own"
    places = [f"catalog={catalog}", f"run_dir={run_dir}", f"experiment={experiment}"]
    config = compose([*places, *overrides])  # a wrong setting is refused before anything is made
    check_settings(config.model_copy(update={"features": config.features.identified()}))
    if music is None:
        if not is_synthesised(run_dir, CorpusConfig()):
            _log_stage("synthesise", "a small corpus of audio files, tagged, with users and their plays")
        music = synthesise(run_dir, CorpusConfig(), workers).music
    skipped = _make_catalog(music, catalog, workers)
    if not is_finished(run_dir):
        _log_stage("train", "the network is trained on patches of the training artists' tracks")
    trained = train(compose([*places, f"task=[{','.join(_tasks(catalog))}]", *overrides]))
    if trained.trained_before:
        _log_stage("train", "not needed: it is trained already, on these tracks")
    _log_stage("embed", "a vector for every track")
    embedded = embed_catalog(trained.model, catalog, run_dir / "embeddings", workers=workers, replace=True)
    _log_stage("index", "the vectors, to be searched")
    index_embeddings(run_dir / "embeddings", run_dir / "index", catalog=catalog)
    seed = read_catalog(catalog).track_ids[0]
    _log_stage("query", f"what sounds like {seed}?")
    answers = query(run_dir / "index", [seed], k=5)
    _log_stage("evaluate", "on artists that are not among the training tracks, with baselines to beat")
    evaluation = evaluate(trained.model, catalog, workers=workers, output=run_dir / "metrics.json")
    _log_stage("report", "pictures, tables and players on one page")
    report = write_report(run_dir)
    return DemoResult(run_dir, evaluation, seed, answers, report, [*skipped, *embedded.skipped])


def _make_catalog(music: Path, catalog: Path, workers: int) -> list[Skipped]:
    """The catalog that the folder comes with, or else one made from the files' tags; ratings come along."""
    from soundkin.catalog.table import read_catalog, write_catalog
    from soundkin.pipelines.scan import scan

    if not music.is_dir():
        raise UsageError(f"{music} is not a folder. Name the folder that holds the music.")
    if (music / "ratings.csv").exists() and not (catalog.parent / "ratings.csv").exists():
        catalog.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(music / "ratings.csv", catalog.parent / "ratings.csv")
    table = next((music / name for name in TABLES if (music / name).is_file()), None)
    if table is None:
        _log_stage("scan", f"{music}")
        return scan(music, catalog, workers).skipped
    _log_stage("scan", f"not needed: {table} has the tracks")
    tracks = read_catalog(table)
    write_catalog(tracks.frame.assign(audio_folder=str(tracks.folder.resolve())), catalog)
    return []


def _tasks(catalog_path: Path) -> list[str]:
    """The proxy tasks whose labels this catalog has."""
    from soundkin.catalog.table import read_catalog
    from soundkin.evaluation.label_questions import column_values

    catalog = read_catalog(catalog_path)
    tasks = [name for name in LABELS if len({*column_values(catalog, name)} - {()}) > 2]
    if not tasks:
        raise CatalogError(f"{catalog.source}: no labels to learn from. Fill in {' or '.join(LABELS)}.")
    return tasks


def _log_stage(stage: str, what: str) -> None:
    logger.info("[%d/%d] %s: %s", STAGES.index(stage) + 1, len(STAGES), stage, what)
