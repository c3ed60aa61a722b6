"""Transfer: train on some sources, test on the others, every source once; does what was learnt carry over?

The run's folder holds `plan.json` (what was asked), and of each fold, in `fold-1/` and so on, its
`catalog.csv` (who teaches, watches and tests), all that training leaves, and `vectors.npz` (what each system
makes of the tested tracks).
"""

import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from soundkin.catalog.folds import LEFT_OUT, fold_splits, leave_source_out, sources_of
from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import SPLITS, Catalog, read_catalog, write_catalog
from soundkin.embedding.bundle import Bundle, load_bundle
from soundkin.errors import ArtefactError, ConfigError, Skipped
from soundkin.evaluation.baselines import BASELINE_NOTE, EXTERNAL_NOTE, MFCC, TrackEmbedder
from soundkin.evaluation.evaluation_report import Evaluation, evaluate_folds
from soundkin.evaluation.label_questions import column_values
from soundkin.evaluation.label_scores import labels_to_ask
from soundkin.evaluation.system_vectors import embed_all, refuse_none, stack, standardise_baselines
from soundkin.evaluation.systems import trained_labels
from soundkin.files import read_json, replacing, sha256_of, write_json
from soundkin.pipelines.train import TrainConfig, TrainResult, compose, train
from soundkin.training.plan import Plan, check
from soundkin.training.run_folder import differences, holds_a_run

FORMAT, FORMAT_VERSION = "soundkin transfer", 1
LABELS = ("artist", "genre", "decade")  # the first is what the verdict is about
ALL = "all tracks"
OURS_TO_SET = ("catalog", "run_dir")  # of the training config: each fold has its own

logger = logging.getLogger(__name__)


class FoldReport(BaseModel, frozen=True):
    """How one fold went: tracks by split, those left out because their artist is tested, and what training
    reached.
    """

    fold: int
    sources: int
    tracks: dict[str, int]
    left_out: int
    model_hash: str
    metrics: dict[str, float]


class Transfer(BaseModel, frozen=True):
    """What was found: an evaluation for each kind of track judged apart, over the tested tracks of all folds."""

    parts: dict[str, Evaluation]
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
        return named | self.model_dump(mode="json") | {"parts": parts}


def transfer(
    catalog_path: Path,
    run_dir: Path,
    source: str,
    apart: str | None = None,
    folds: int = 5,
    overrides: Sequence[str] = (),
    labels: Sequence[str] | None = None,
    workers: int = 1,
    output: Path | None = None,
    random_seed: int = 0,
) -> Transfer:
    """Train a model for each fold of whole sources, and compare it with MFCC statistics and an untrained
    network there.

    `source` is the column that folds keep whole, `apart` one whose values are judged one by one, candidates
    included. `overrides` go to the training config. Run it again after an interruption, and it goes on where
    it stopped: trained models and vectors in `run_dir` are used again. `random_seed` is for folds, baselines
    and intervals; training has its own. With `output`, the result is written there as JSON.

    Raises:
        UsageError: fewer sources than folds. CatalogError: no such column, or what training lacks.
        ConfigError: a wrong override, or `run_dir` holds a transfer of another catalog, plan or config.
        ArtefactError: what `run_dir` holds is corrupt.
    """
    run_dir = Path(run_dir)
    config = _training_config(overrides, run_dir)
    catalog = read_catalog(Path(catalog_path), config.data.no_artist)
    if apart is not None:
        catalog.require(
            apart, "tracks were to be judged apart by it. Name another column, or judge all together."
        )
    asked = labels_to_ask(catalog, labels) if labels else list(LABELS)
    numbers = leave_source_out(catalog, source, folds, random_seed)
    by_fold = [
        fold_splits(
            catalog, source, numbers == fold, _valid_share(config), config.data.split.group, random_seed
        )
        for fold in range(folds)
    ]
    for splits in by_fold:
        used = splits != LEFT_OUT
        check(Plan(config, catalog.select(used), SplitRule(config=config.data.split), splits[used]))
    plan = {
        "catalog_sha256": sha256_of(Path(catalog_path)),
        "tracks": len(catalog),
        "audio_folder": str(catalog.folder),
        "source": source,
        "folds": folds,
        "random_seed": random_seed,
    }
    _claim(run_dir, plan)
    reports, heard, taught = [], {}, set()
    for fold in range(folds):
        logger.info("fold %d of %d", fold + 1, folds)
        folder, tested = run_dir / f"fold-{fold + 1}", numbers == fold
        splits = by_fold[fold]
        trained = _train(config, catalog, splits, folder)
        bundle = load_bundle(trained.model)
        heard[fold] = _hear_once(bundle, catalog.select(tested), folder / "vectors.npz", workers, random_seed)
        sources = len(np.unique(sources_of(catalog, source)[tested]))
        reports.append(_report(fold, sources, splits, bundle, trained.metrics))
        taught |= trained_labels(bundle)
    result = Transfer(
        parts={
            name: _judge(catalog.select(rows), numbers[rows], heard, asked, taught, source, random_seed)
            for name, rows in _parts(catalog, apart, heard).items()
        },
        folds=tuple(reports),
        skipped=tuple(skipped for of_fold in heard.values() for skipped in of_fold.skipped),
        provenance={
            "soundkin": version("soundkin"),
            "catalog": str(catalog_path),
            "apart": apart,
            "overrides": list(overrides),
            **plan,
        },
    )
    if output is not None:
        write_json(Path(output), result.to_json())
    return result


def _training_config(overrides: Sequence[str], run_dir: Path) -> TrainConfig:
    """The config that all folds share, but for their catalog and folder; one log-mel cache serves all."""
    for override in overrides:
        key = override.partition("=")[0].lstrip("+~")
        if key in OURS_TO_SET:
            raise ConfigError(
                f"config {override}: each fold has a {key} of its own. Leave it out; name the catalog and the folder "
                f"of the whole transfer instead."
            )
    config = compose([*overrides, "catalog=catalog.csv", "run_dir=."])
    cache = config.data.cache_folder or run_dir.parent / "cache"
    data = config.data.model_copy(update={"cache_folder": cache})
    return config.model_copy(update={"data": data, "features": config.features.identified()})


def _claim(run_dir: Path, plan: Mapping[str, Any]) -> None:
    """Write the plan; refuse a folder that holds a transfer of another one, from its first trained epoch on."""
    path = run_dir / "plan.json"
    if path.exists() and any(map(holds_a_run, run_dir.glob("fold-*"))):
        before = read_json(path)
        known = [key for key in plan if key in before]  # an earlier soundkin noted fewer
        changed = differences({key: before[key] for key in known}, {key: plan[key] for key in known})
        if changed:
            raise ConfigError(
                f"run_dir={run_dir} holds a transfer of another plan ({'; '.join(changed)}). "
                f"Choose another run_dir, or remove that folder."
            )
    write_json(path, plan)


def _valid_share(config: TrainConfig) -> float:
    """How much of what is not tested is held out: in the proportion that the config's shares have to each
    other.
    """
    shares = config.data.split
    return shares.valid / (shares.train + shares.valid)


def _train(config: TrainConfig, catalog: Catalog, splits: np.ndarray, folder: Path) -> TrainResult:
    """Train on the other folds; what is done already is read instead."""
    used = splits != LEFT_OUT
    frame = catalog.select(used).frame.assign(split=splits[used], audio_folder=str(catalog.folder))
    write_catalog(frame, folder / "catalog.csv")
    return train(config.model_copy(update={"catalog": folder / "catalog.csv", "run_dir": folder}))


def _report(
    fold: int, sources: int, splits: np.ndarray, bundle: Bundle, metrics: dict[str, float]
) -> FoldReport:
    return FoldReport(
        fold=fold + 1,
        sources=sources,
        tracks={split: int((splits == split).sum()) for split in SPLITS},
        left_out=int((splits == LEFT_OUT).sum()),
        model_hash=bundle.hash,
        metrics=metrics,
    )


@dataclass(frozen=True)
class Heard:
    """What every system made of a fold's tested tracks: an array [tracks, embedding] each, not yet
    standardised.
    """

    model_hash: str
    track_ids: list[str]
    vectors: dict[str, np.ndarray]
    skipped: list[Skipped]

    def tracks(self, wanted: Sequence[str]) -> list[dict[str, np.ndarray]]:
        """Each wanted track's vector by every system."""
        row_of = {track_id: row for row, track_id in enumerate(self.track_ids)}
        rows = [row_of[track_id] for track_id in wanted]
        return [{name: vectors[row] for name, vectors in self.vectors.items()} for row in rows]

    def save(self, path: Path) -> None:
        """Write it as arrays of numbers and text alone."""
        skipped = np.array([(one.path, one.reason) for one in self.skipped], dtype=str).reshape(-1, 2)
        named = {f"vectors.{name}": vectors for name, vectors in self.vectors.items()}
        with replacing(path) as file:
            np.savez(file, model_hash=self.model_hash, track_ids=self.track_ids, skipped=skipped, **named)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "Heard":
        """Read what `save` wrote.

        Raises:
            ArtefactError: the file is corrupt.
        """
        try:
            with np.load(path, allow_pickle=False) as saved:
                vectors = {
                    name.removeprefix("vectors."): saved[name]
                    for name in saved
                    if name.startswith("vectors.")
                }
                skipped = [Skipped(*pair) for pair in saved["skipped"].tolist()]
                return cls(str(saved["model_hash"]), saved["track_ids"].tolist(), vectors, skipped)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise ArtefactError(f"{path} is corrupt. Delete it and run the same command again.") from error


def _hear_once(bundle: Bundle, catalog: Catalog, path: Path, workers: int, random_seed: int) -> Heard:
    """The vectors of a fold's tested tracks: those on disk, if they are by this very model."""
    if path.exists():
        heard = Heard.load(path)
        if heard.model_hash == bundle.hash:
            return heard
    embedded, skipped = embed_all(TrackEmbedder(bundle, random_seed), catalog, workers)
    refuse_none(embedded, skipped, catalog)
    heard = Heard(bundle.hash, list(embedded), stack(list(embedded.values())), skipped)
    heard.save(path)
    return heard


def _parts(catalog: Catalog, apart: str | None, heard: Mapping[int, Heard]) -> dict[str, np.ndarray]:
    """Which of the tracks that could be heard belong to each value of `apart`: Bool[tracks] by name, largest
    first.
    """
    could_be_heard = {track_id for of_fold in heard.values() for track_id in of_fold.track_ids}
    rows = np.array([track_id in could_be_heard for track_id in catalog.track_ids])
    if apart is None:
        return {ALL: rows}
    cells = np.array([";".join(values) or f"no {apart}" for values in catalog.values(apart)])
    masks = {str(name): rows & (cells == name) for name in np.unique(cells[rows])}
    return dict(sorted(masks.items(), key=lambda item: -item[1].sum()))


def _judge(
    part: Catalog,
    numbers: np.ndarray,
    heard: Mapping[int, Heard],
    labels: Sequence[str],
    trained: set[str],
    source: str,
    random_seed: int,
) -> Evaluation:
    """The tracks of one part, each beside those of its own fold alone."""
    systems = {}
    for fold in np.unique(numbers).tolist():
        systems[fold] = standardise_baselines(
            stack(heard[fold].tracks(part.select(numbers == fold).track_ids))
        )
    known = [label for label in labels if any(column_values(part, label))]
    evaluation = evaluate_folds(systems, part, numbers, known, trained, random_seed)
    notes = (
        f"No model was trained on a {source}, or on an artist, that it is judged on. {len(systems)} models were judged "
        "on these tracks, each on its own share: a track finds candidates in that share only.",
        BASELINE_NOTE if MFCC in evaluation.systems else EXTERNAL_NOTE,
    )
    return evaluation.model_copy(update={"notes": (*notes, *evaluation.notes)})
