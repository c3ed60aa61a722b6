"""Sweep: a training for each combination of settings, and a table of what came of them.

Each run has a folder of its own in `run_dir`, named after its settings; `sweep.csv` beside them is the table.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from soundkin.errors import ConfigError, Skipped, SoundkinError
from soundkin.files import replacing
from soundkin.pipelines.train import TrainResult, train
from soundkin.training.compose import SweptRun, compose_sweep
from soundkin.training.module import WATCHED

TABLE = "sweep.csv"
SELECTED_BY, HELD_OUT = f"valid/{WATCHED}", "valid/"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sweep:
    """The runs so far, in the order in which they were trained, each with its result or what went wrong."""

    run_dir: Path
    outcomes: list[tuple[SweptRun, TrainResult | Exception]] = field(default_factory=list)

    @property
    def failures(self) -> list[Exception]:
        """What went wrong with runs that came to nothing."""
        return [outcome for _, outcome in self.outcomes if isinstance(outcome, Exception)]

    @property
    def skipped(self) -> list[Skipped]:
        """The files that any run left out, once each."""
        results = [outcome for _, outcome in self.outcomes if isinstance(outcome, TrainResult)]
        return list(dict.fromkeys(skipped for result in results for skipped in result.skipped))

    def table(self) -> list[dict[str, str]]:
        """A row a run: its settings and held-out scores, the best by the score that selects weights first."""
        return [
            {"run": run.name, **run.settings, **_scores(outcome), **_failure(outcome)}
            for run, outcome in sorted(self.outcomes, key=lambda one: -_selection_score(one[1]))
        ]

    def write(self) -> None:
        """Write the table beside the runs' folders."""
        with replacing(self.run_dir / TABLE, "w") as file:
            pd.DataFrame(self.table()).to_csv(file, index=False)


def sweep(overrides: Sequence[str], again: bool = False) -> Sweep:
    """Train once for each combination of the comma-separated values in `overrides`, as
    `trainer.epochs=10,20`.

    A run that fails is noted, and the others go on. The same call again trains what is not trained yet. Paths
    are taken as they stand: a comma in one does not separate.

    Raises:
        ConfigError: something is wrong with every run's config.
    """
    runs = compose_sweep(overrides)
    run_dir = next(run.config.run_dir.parent for run in runs if not isinstance(run.config, ConfigError))
    result = Sweep(run_dir)
    for run in runs:
        if isinstance(run.config, ConfigError):
            logger.warning("%s will not be trained: %s", run.name, run.config)
    for number, run in enumerate(runs, 1):
        logger.info("[%d/%d] %s", number, len(runs), run.name)
        outcome = _train(run, again)
        if isinstance(outcome, Exception) and outcome is not run.config:
            logger.warning("%s failed: %s", run.name, outcome)
        result.outcomes.append((run, outcome))
        result.write()
    return result


def _train(run: SweptRun, again: bool) -> TrainResult | Exception:
    if isinstance(run.config, ConfigError):
        return run.config
    try:
        return train(run.config, again)
    except SoundkinError as error:
        return error
    except (
        Exception
    ) as error:  # memory that runs out, or a loss that is no number, is no reason to lose the others
        logger.debug("%s", run.name, exc_info=True)
        return SoundkinError(f"{type(error).__name__}: {error}")


def _selection_score(outcome: TrainResult | Exception) -> float:
    """What rows are sorted by; a run without one comes last."""
    metrics = {} if isinstance(outcome, Exception) else outcome.metrics
    return metrics.get(SELECTED_BY, float("-inf"))


def _scores(outcome: TrainResult | Exception) -> dict[str, str]:
    if isinstance(outcome, Exception):
        return {}
    found = {name: value for name, value in outcome.metrics.items() if name.startswith(HELD_OUT)}
    names = sorted(found, key=lambda name: (name != SELECTED_BY, name))
    return {name.removeprefix(HELD_OUT): f"{found[name]:.4f}" for name in names}


def _failure(outcome: TrainResult | Exception) -> dict[str, str]:
    return {"failed": str(outcome).splitlines()[0]} if isinstance(outcome, Exception) else {}
