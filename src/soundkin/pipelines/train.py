"""Train: a catalog and a config become a model bundle in the run's folder (`training/run_folder.py`).

A sweep trains for each combination of settings, each in a folder of its own in `run_dir`, named after its
settings; `sweep.csv` there is a table of what came of them.
"""

import csv
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from soundkin.catalog.table import read_catalog
from soundkin.embedding.bundle import Bundle, save_bundle
from soundkin.embedding.label_heads import CALIBRATION
from soundkin.embedding.model_card import training_data
from soundkin.errors import ConfigError, Skipped, SoundkinError
from soundkin.files import replacing
from soundkin.tasks.collaborative import CollaborativeTask
from soundkin.training.anchor import anchor
from soundkin.training.calibration import calibrations
from soundkin.training.compose import SweptRun, compose, compose_sweep
from soundkin.training.data import PreparedData, prepare
from soundkin.training.fit import fit
from soundkin.training.launch import cluster, in_ranks, joined
from soundkin.training.module import SELECTED, TrainingModule
from soundkin.training.plan import check, check_settings, warn_of_unused_files
from soundkin.training.ranks import first_before_others
from soundkin.training.run_config import TrainConfig
from soundkin.training.run_folder import RunFolder, environment
from soundkin.training.start import described_start

__all__ = ["SweptRun", "TrainConfig", "TrainResult", "compose", "compose_sweep", "sweep", "train"]

# Of this machine; a bundle goes elsewhere.
FILES = ("catalog", "run_dir", "ratings", "triplets", "playlists", "start", "embeddings", "teacher")
PLACES: dict[str, Any] = dict.fromkeys(FILES, True) | {
    "data": {"cache_folder": True, "examples": {"folder": True}}
}
SWEEP_TABLE = "sweep.csv"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """Where the model bundle is, how the run went, and which files it left out, now or when first trained."""

    model: Path
    metrics: dict[str, float]
    skipped: list[Skipped]
    trained_before: bool = False


def train(config: TrainConfig, again: bool = False) -> TrainResult:
    """Run the training that `config` describes, or resume an interrupted run of the same config.

    A finished run is not trained again. With `again` its folder is used anew, whatever it holds, under the
    split rule of the earlier run; its model stays until the new one takes its place.

    Raises:
        ConfigError: the folder holds a run of another config or on other inputs, or the config is wrong.
        CatalogError: the catalog or another file cannot be used, or lacks what a task needs.
        UsageError: the file that frozen features come from cannot be used.
        OutputError: the run's folder cannot be written, or another run is at work in it.
    """
    config, settings = config.model_copy(update={"features": config.features.identified()}), config.trainer
    if settings.devices * settings.num_nodes > 1 and cluster() is None:
        if settings.num_nodes > 1:
            raise ConfigError(
                f"config trainer.num_nodes={settings.num_nodes}: start the same command on each of them, "
                "with torchrun or srun (docs/training.md), or set trainer.num_nodes=1."
            )
        check_settings(config)
        result: TrainResult = in_ranks(settings.devices, _train_in_rank, config, again)
        return result
    with joined(settings):
        return _train(config, again)


def _train_in_rank(config: TrainConfig, again: bool) -> TrainResult | None:
    try:
        return train(config, again)
    except SystemExit:  # of all ranks but the first
        return None


def _train(config: TrainConfig, again: bool) -> TrainResult:
    folder = RunFolder(config, read_catalog(config.catalog, config.data.no_artist))
    if not again:
        folder.refuse_another()
        if (metrics := folder.finished()) is not None:
            return TrainResult(folder.model, metrics, folder.skipped(), trained_before=True)
    plan = folder.plan()
    check(plan)
    warn_of_unused_files(config)
    with folder.claimed(plan.split_rule, again):
        with first_before_others():  # it shows how far the cache of frames is
            data = prepare(plan)
        fitted = fit(config, data)
        if fitted is None:
            sys.exit(0)  # of several ranks, the first alone has weights to keep and results to report
        module, metrics = fitted
        start = described_start(config)
        if config.anchor:
            start["anchored"] = anchored = anchor(config, data, module)
            metrics = {**metrics, "anchor/cosine": anchored["mean_cosine"]}
        bundle = _bundle(config, data, module, metrics)
        bundle.provenance |= {"start": start} if start else {}
        save_bundle(bundle, folder.model)
        folder.finish(metrics)
    return TrainResult(folder.model, metrics, data.skipped)


def _bundle(
    config: TrainConfig, data: PreparedData, module: TrainingModule, metrics: dict[str, float]
) -> Bundle:
    with (config.run_dir / "metrics.csv").open(encoding="utf-8", newline="") as file:
        epochs_run = sum(bool(row.get("epoch")) for row in csv.DictReader(file))
    kept_epoch = int(metrics.get("epoch", -1)) + 1
    had_initial = module.initial is not None
    initial_kept = had_initial and kept_epoch <= module.frozen_epochs
    held_out = "not trained: the network as it starts"
    if epochs_run and config.trainer.frozen:
        held_out = "not compared: heads alone were trained, on the vectors of the start"
    elif epochs_run:
        held_out = module.held_out.conclusion(config.trainer.selection_score, had_initial, initial_kept)
    tasks = module.proxy_tasks
    calibrated = {name: {CALIBRATION: fitted} for name, fitted in calibrations(config, data, module).items()}
    return Bundle(
        front_end=config.features,
        patch=config.patch,
        network_config=config.model,
        network=module.network,
        tokenizer=module.lyrics.tokenizer if module.lyrics else None,
        tasks={name: task.to_json() | calibrated.get(name, {}) for name, task in tasks.items()},
        task_state={f"tasks.{name}": tensor for name, tensor in module.tasks.state_dict().items()},
        metrics=metrics,
        users={name: task.users for name, task in tasks.items() if isinstance(task, CollaborativeTask)},
        provenance={
            "training_data": training_data(data.train.catalog, config.catalog) | {"held_out": held_out},
            "training": {"epochs_run": epochs_run, "kept_epoch": kept_epoch, "start_kept": initial_kept},
            "split": data.plan.split_rule.model_dump(mode="json"),
            "versions": environment()["packages"],
            "train_config": config.model_dump(mode="json", exclude=PLACES),
        },
    )


@dataclass(frozen=True)
class Sweep:
    """The runs so far, in the order in which they were trained, each with its result or what went wrong."""

    run_dir: Path
    outcomes: list[tuple[SweptRun, TrainResult | Exception]] = field(default_factory=list)

    @property
    def failures(self) -> list[Exception]:
        """What went wrong with runs that failed."""
        return [outcome for _, outcome in self.outcomes if isinstance(outcome, Exception)]

    @property
    def skipped(self) -> list[Skipped]:
        """The files that any run left out, once each."""
        results = [outcome for _, outcome in self.outcomes if isinstance(outcome, TrainResult)]
        return list(dict.fromkeys(skipped for result in results for skipped in result.skipped))

    def table(self) -> list[dict[str, str]]:
        """A row per run: its settings and held-out scores, the best by the selection score first."""
        rows = []
        for run, outcome in self.outcomes:
            metrics = outcome.metrics if isinstance(outcome, TrainResult) else {}
            names = sorted(metrics, key=lambda name: (name != SELECTED, name))
            row = {"run": run.name, **run.settings}
            row |= {
                name.removeprefix("valid/"): f"{metrics[name]:.4f}"
                for name in names
                if name.startswith("valid/")
            }
            row |= {"failed": str(outcome).splitlines()[0]} if isinstance(outcome, Exception) else {}
            rows.append((-metrics.get(SELECTED, float("-inf")), row))
        return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def sweep(overrides: Sequence[str], again: bool = False) -> Sweep:
    """Train once for each combination of the comma-separated values, as `trainer.epochs=10,20`.

    A run that fails is noted, and the others go on. The same call again trains what is not trained yet.

    Raises:
        ConfigError: something is wrong with every run's config.
    """
    if cluster() is not None:
        raise ConfigError(
            "-m (a sweep) starts the ranks of each run by itself: call it without torchrun or srun."
        )
    runs = compose_sweep(overrides)
    result = Sweep(next(run.config.run_dir.parent for run in runs if isinstance(run.config, TrainConfig)))
    for run in runs:
        if isinstance(run.config, ConfigError):
            logger.warning("%s will not be trained: %s", run.name, run.config)
    for number, run in enumerate(runs, 1):
        logger.info("[%d/%d] %s", number, len(runs), run.name)
        outcome: TrainResult | Exception
        try:
            if isinstance(run.config, ConfigError):
                raise run.config
            outcome = train(run.config, again)
        except Exception as error:  # memory that runs out, or a loss of NaN, does not lose the others
            known = isinstance(error, SoundkinError)
            outcome = error if known else SoundkinError(f"{type(error).__name__}: {error}")
            if error is not run.config:
                logger.warning("%s failed: %s", run.name, outcome)
                logger.debug("%s", run.name, exc_info=True)
        result.outcomes.append((run, outcome))
        with replacing(result.run_dir / SWEEP_TABLE, "w") as file:
            pd.DataFrame(result.table()).to_csv(file, index=False)
    return result
