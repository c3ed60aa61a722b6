"""Transfer: train on some sources, test on the others, every source once; does what was learnt carry over?

The run's folder holds `plan.json` (what was asked), and of each fold, in `fold-1/` and so on, its
`catalog.csv` (with the fold's split), all that training leaves, and `vectors/`, the cache of what each system
makes of the tested tracks.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from soundkin.errors import ConfigError, Skipped
from soundkin.extras import require
from soundkin.pipelines.options import WORKERS, Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.catalog.table import Catalog
    from soundkin.evaluation.evaluation_report import Evaluation
    from soundkin.training.run_config import TrainConfig

FORMAT, FORMAT_VERSION = "soundkin transfer", 1
LABELS = ("artist", "genre", "decade")  # the first is what the verdict is about
ALL = "all tracks"
START = "start"  # the system that training began with, where that is a trained one
OURS_TO_SET = ("catalog", "run_dir")  # of the training config: each fold has its own

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FoldReport:
    """Tracks by split, those left out because their artist is tested, and what training reached."""

    fold: int
    sources: int
    tracks: dict[str, int]
    left_out: int
    model_hash: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class Transfer:
    """An evaluation for each kind of track evaluated apart, over the tested tracks of all folds."""

    parts: dict[str, "Evaluation"]
    folds: tuple[FoldReport, ...]
    skipped: tuple[Skipped, ...]
    provenance: dict[str, Any]

    @property
    def verdicts(self) -> dict[str, str]:
        """One line for each part, on how tracks of unseen sources find their artist's others."""
        return {name: part.verdict_on(LABELS[0]) for name, part in self.parts.items()}

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        named = {"format": FORMAT, "format_version": FORMAT_VERSION}
        parts = {name: part.to_json() | {"verdict": self.verdicts[name]} for name, part in self.parts.items()}
        return named | asdict(replace(self, parts={})) | {"parts": parts}


def transfer(
    catalog_path: Annotated[Path, argument("CATALOG")],
    run_dir: Annotated[Path, Option("Folder for models and vectors.", required=True)],
    source: Annotated[
        str, Option("Tracks that share its value stay together.", metavar="COLUMN", required=True)
    ],
    apart: Annotated[
        str | None, Option("Evaluate the tracks of each of its values by themselves.", metavar="COLUMN")
    ] = None,
    folds: Annotated[int, Option("Models to train.", minimum=2)] = 5,
    overrides: Annotated[Sequence[str], argument("[KEY=VALUE]...")] = (),
    labels: Sequence[str] | None = None,
    workers: Annotated[int, WORKERS] = 1,
    output: Annotated[Path | None, Option("Also write the JSON here.", ("-o",))] = None,
    random_seed: int = 0,
) -> Transfer:
    """Train on some sources of CATALOG and test on the others, every source once: does it carry over?

    A source is a value of a column: a collection, a label, a game. Each fold of sources is evaluated with a
    model that was trained on none of them, nor on any of their artists, and compared with MFCC statistics, an
    untrained network and chance; with start=default or a model bundle also with that start as it is, which
    has to be known not to have heard the sources. Any KEY=VALUE goes to the training config (soundkin train
    --help). Run the same command again after an interruption, and it goes on where it stopped.

    Example:
      soundkin transfer catalog.csv --source album --folds 5 --run-dir runs/transfer -o transfer.json

    Raises:
        UsageError: fewer sources than folds.
        CatalogError: no such column, or what training lacks.
        ConfigError: a wrong override, or `run_dir` holds a transfer of another catalog, plan or config.
        ArtefactError: what `run_dir` holds is corrupt.
    """
    require("train", "a transfer")
    import numpy as np

    from soundkin.catalog.folds import LEFT_OUT, fold_splits, leave_source_out, sources_of
    from soundkin.catalog.splits import SplitRule
    from soundkin.catalog.table import SPLITS, read_catalog, write_catalog
    from soundkin.embedding.bundle import load_bundle
    from soundkin.evaluation.baselines import TrackEmbedder
    from soundkin.evaluation.label_scores import labels_to_ask
    from soundkin.evaluation.system_vectors import embed_all, refuse_none
    from soundkin.evaluation.systems import trained_labels
    from soundkin.files import sha256_of, write_json
    from soundkin.pipelines.train import train
    from soundkin.training.plan import Plan, check
    from soundkin.training.start import start_bundle

    run_dir = Path(run_dir)
    config = _training_config(overrides, run_dir)
    shares = config.data.split
    catalog = read_catalog(Path(catalog_path), config.data.no_artist)
    if apart is not None:
        catalog.require(apart, "tracks are evaluated apart by it. Name another column, or leave it out.")
    asked = labels_to_ask(catalog, labels) if labels else list(LABELS)
    numbers = leave_source_out(catalog, source, folds, random_seed)
    valid_share = shares.valid / (shares.train + shares.valid)
    splits_of_folds = [
        fold_splits(catalog, source, numbers == fold, valid_share, shares.group, random_seed)
        for fold in range(folds)
    ]
    for splits in splits_of_folds:
        used = splits != LEFT_OUT
        check(Plan(config, catalog.select(used), SplitRule(config=shares), splits[used]))
    plan = {
        "catalog_sha256": sha256_of(Path(catalog_path)),
        "tracks": len(catalog),
        "audio_folder": str(catalog.folder),
        "source": source,
        "folds": folds,
        "random_seed": random_seed,
    }
    _write_plan(run_dir, plan)
    start = start_bundle(config)
    vectors: dict[str, dict[str, np.ndarray]] = {}  # of each tested track, by system
    reports, skipped, trained_on = [], list[Skipped](), set[str]()
    for fold, splits in enumerate(splits_of_folds):
        logger.info("fold %d of %d", fold + 1, folds)
        folder, tested, used = run_dir / f"fold-{fold + 1}", numbers == fold, splits != LEFT_OUT
        frame = catalog.select(used).frame.assign(split=splits[used], audio_folder=str(catalog.folder))
        write_catalog(frame, folder / "catalog.csv")
        trained = train(config.model_copy(update={"catalog": folder / "catalog.csv", "run_dir": folder}))
        bundle = load_bundle(trained.model)
        embedder = TrackEmbedder(bundle, random_seed)
        embedded, failed = embed_all(embedder, catalog.select(tested), workers, folder / "vectors")
        refuse_none(embedded, failed, catalog.select(tested))
        if start is not None:
            as_it_is = TrackEmbedder(start, random_seed, baselines=False, name=START)
            by_start, _ = embed_all(as_it_is, catalog.select(tested), workers, folder / "vectors")
            embedded = {id_: of | by_start[id_] for id_, of in embedded.items()}
        vectors |= embedded
        skipped += failed
        trained_on |= trained_labels(bundle)
        sources = len(np.unique(sources_of(catalog, source)[tested]))
        tracks = {split: int((splits == split).sum()) for split in SPLITS}
        left_out = int((~used).sum())
        reports.append(FoldReport(fold + 1, sources, tracks, left_out, bundle.hash, trained.metrics))
    parts = {
        name: _evaluate(catalog.select(rows), numbers[rows], vectors, asked, trained_on, source, random_seed)
        for name, rows in _parts(catalog, apart, vectors).items()
    }
    made_by = {"soundkin": version("soundkin"), "catalog": str(catalog_path)}
    provenance = {**made_by, "apart": apart, "overrides": list(overrides), **plan}
    result = Transfer(parts, tuple(reports), tuple(skipped), provenance)
    if output is not None:
        write_json(Path(output), result.to_json())
    return result


def _training_config(overrides: Sequence[str], run_dir: Path) -> "TrainConfig":
    """The config that all folds share, but for their catalog and folder; one log-mel cache serves all."""
    from soundkin.pipelines.train import compose

    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key in OURS_TO_SET:
            raise ConfigError(
                f"config {override}: each fold has a {key} of its own. Leave it out, and name those of the "
                "whole transfer."
            )
    config = compose([*overrides, "catalog=catalog.csv", "run_dir=."])
    cache = config.data.cache_folder or run_dir.parent / "cache"
    data = config.data.model_copy(update={"cache_folder": cache})
    return config.model_copy(update={"data": data, "features": config.features.identified()})


def _write_plan(run_dir: Path, plan: Mapping[str, Any]) -> None:
    """Write the plan; once an epoch is trained, another plan is refused."""
    from soundkin.files import read_json, write_json
    from soundkin.training.run_folder import differences, holds_a_run

    path = run_dir / "plan.json"
    if path.exists() and any(map(holds_a_run, run_dir.glob("fold-*"))):
        before = read_json(path)
        known = [key for key in plan if key in before]  # an earlier soundkin noted fewer
        changed = differences({key: before[key] for key in known}, {key: plan[key] for key in known})
        if changed:
            raise ConfigError(
                f"run_dir={run_dir} holds a transfer of another plan ({'; '.join(changed)}). "
                "Choose another run_dir, or remove that folder."
            )
    write_json(path, plan)


def _parts(catalog: "Catalog", apart: str | None, vectors: Mapping[str, Any]) -> "dict[str, np.ndarray]":
    """Which tracks with vectors have each value of `apart`: Bool[tracks] by value, largest part first."""
    import numpy as np

    rows = np.array([track_id in vectors for track_id in catalog.track_ids])
    if apart is None:
        return {ALL: rows}
    cells = np.array([";".join(values) or f"no {apart}" for values in catalog.values(apart)])
    masks = {str(name): rows & (cells == name) for name in np.unique(cells[rows])}
    return dict(sorted(masks.items(), key=lambda item: -item[1].sum()))


def _evaluate(
    part: "Catalog",
    numbers: "np.ndarray",
    vectors: "Mapping[str, dict[str, np.ndarray]]",
    labels: Sequence[str],
    trained_on: set[str],
    source: str,
    random_seed: int,
) -> "Evaluation":
    """Compare the tracks of one part, each with those of its own fold alone."""
    import numpy as np

    from soundkin.evaluation.baselines import BASELINE_NOTE, EXTERNAL_NOTE, MFCC
    from soundkin.evaluation.evaluation_report import evaluate_folds
    from soundkin.evaluation.label_questions import column_values
    from soundkin.evaluation.system_vectors import stack, standardise_baselines

    systems = {
        fold: standardise_baselines(stack([vectors[id_] for id_ in part.select(numbers == fold).track_ids]))
        for fold in np.unique(numbers).tolist()
    }
    known = [label for label in labels if any(column_values(part, label))]
    evaluation = evaluate_folds(systems, part, numbers, known, trained_on, random_seed)
    notes = (
        f"No model was trained on a {source}, or on an artist, that it is evaluated on. {len(systems)} "
        "models were evaluated on these tracks, each on its own share: a track finds candidates in that "
        "share only.",
        BASELINE_NOTE if MFCC in evaluation.systems else EXTERNAL_NOTE,
    )
    return evaluation.model_copy(update={"notes": (*notes, *evaluation.notes)})
