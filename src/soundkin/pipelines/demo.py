"""Demo: the whole job in one go, on a corpus that we synthesise or on a folder of one's own music."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.corpus.corpus_config import CorpusConfig
from soundkin.corpus.synthesise import is_synthesised, synthesise
from soundkin.errors import CatalogError, Skipped, UsageError
from soundkin.evaluation.evaluation_report import Evaluation
from soundkin.evaluation.label_questions import column_values
from soundkin.pipelines.answers import Answer
from soundkin.pipelines.embed import embed_catalog
from soundkin.pipelines.evaluate import evaluate
from soundkin.pipelines.index import index_embeddings
from soundkin.pipelines.query import query
from soundkin.pipelines.report import write_report
from soundkin.pipelines.scan import scan
from soundkin.pipelines.train import compose, train
from soundkin.training.plan import check_settings
from soundkin.training.run_folder import is_finished

LABELS = ("genre", "artist")  # each has a proxy task of its name
TABLES = ("catalog.csv", "tracks.csv")
STAGES = ("synthesise", "scan", "train", "embed", "index", "query", "evaluate", "report")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DemoResult:
    """Where to look, what was learnt, and one query with its answers."""

    run_dir: Path
    evaluation: Evaluation
    seed: str
    answers: list[Answer]
    report: Path
    skipped: list[Skipped]


def demo(
    run_dir: Path, music: Path | None = None, workers: int = 2, overrides: tuple[str, ...] = ()
) -> DemoResult:
    """Synthesise (or take `music`), scan, train, embed, index, query, evaluate and report, all into
    `run_dir`.

    Run it again after an interruption, and it goes on where it stopped.

    Raises:
        UsageError: `music` is no folder of audio. Whatever the single steps raise.
    """
    catalog = run_dir / "catalog.csv"
    experiment = "demo" if music in (None, run_dir / "music") else "own"
    places = [f"catalog={catalog}", f"run_dir={run_dir}", f"experiment={experiment}"]
    wanted = compose([*places, *overrides])  # what is wrong with it is told before anything is made
    check_settings(wanted.model_copy(update={"features": wanted.features.identified()}))
    if music is None:
        if not is_synthesised(run_dir, CorpusConfig()):
            _say("synthesise", "a small corpus of audio files, tagged, with listeners and their plays")
        music = synthesise(run_dir, CorpusConfig(), workers).music
    skipped = _make_catalog(music, catalog, workers)
    if not is_finished(run_dir):
        _say("train", "the network hears patches of the training artists' tracks")
    trained = train(compose([*places, f"task=[{','.join(_teachable(catalog))}]", *overrides]))
    if trained.trained_before:
        _say("train", "not needed: it is trained already, on these tracks")
    _say("embed", "a vector for every track")
    embedded = embed_catalog(trained.model, catalog, run_dir / "embeddings", workers=workers, replace=True)
    _say("index", "the vectors, to be searched")
    index_embeddings(run_dir / "embeddings", run_dir / "index", catalog=catalog)
    seed = read_catalog(catalog).track_ids[0]
    _say("query", f"what sounds like {seed}?")
    answers = query(run_dir / "index", [seed], k=5)
    _say("evaluate", "on artists that the network has never heard, beside what it has to beat")
    evaluation = evaluate(trained.model, catalog, workers=workers, output=run_dir / "metrics.json")
    _say("report", "pictures, tables and players on one page")
    report = write_report(run_dir)
    return DemoResult(run_dir, evaluation, seed, answers, report, [*skipped, *embedded.skipped])


def _make_catalog(music: Path, catalog: Path, workers: int) -> list[Skipped]:
    """The catalog that the folder comes with, or else one made from the files' tags; ratings come along."""
    if not music.is_dir():
        raise UsageError(f"{music} is not a folder. Name the folder that holds the music.")
    if (music / "ratings.csv").exists() and not (catalog.parent / "ratings.csv").exists():
        catalog.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(music / "ratings.csv", catalog.parent / "ratings.csv")
    own = next((music / name for name in TABLES if (music / name).is_file()), None)
    if own is None:
        _say("scan", f"{music}")
        return scan(music, catalog, workers).skipped
    _say("scan", f"not needed: {own} has the tracks")
    theirs = read_catalog(own)
    write_catalog(theirs.frame.assign(audio_folder=str(theirs.folder.resolve())), catalog)
    return []


def _teachable(catalog_path: Path) -> list[str]:
    """The proxy tasks whose labels this catalog has."""
    catalog = read_catalog(catalog_path)
    found = [name for name in LABELS if len({*column_values(catalog, name)} - {()}) > 2]
    if not found:
        raise CatalogError(f"{catalog.source}: no labels to learn from. Fill in {' or '.join(LABELS)}.")
    return found


def _say(stage: str, what: str) -> None:
    logger.info("[%d/%d] %s: %s", STAGES.index(stage) + 1, len(STAGES), stage, what)
