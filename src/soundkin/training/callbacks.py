"""What happens around the steps: the history on disk, one progress bar, and stopping that survives a resume."""

import csv
import time
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from tqdm import tqdm

from soundkin.files import replacing
from soundkin.progress import progress_bar


class History(Callback):
    """One row an epoch, in `metrics.csv` and in the checkpoint, so that a resumed run keeps its past."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._waiting_seconds = 0.0
        self._step_ended = self._epoch_began = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clocks, and forget figures that this epoch may not measure again."""
        trainer.callback_metrics.clear()
        self._waiting_seconds = 0.0
        self._epoch_began = self._step_ended = time.perf_counter()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, _: int
    ) -> None:
        """Count the time since the last step as waiting for data."""
        self._waiting_seconds += time.perf_counter() - self._step_ended

    def on_train_batch_end(self, *_: Any) -> None:
        """Remember when the step ended."""
        self._step_ended = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's row and write all of them."""
        seconds = self._step_ended - self._epoch_began
        row = {"epoch": float(trainer.current_epoch), "step": float(trainer.global_step)}
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row |= {"seconds": seconds, "data_wait_share": self._waiting_seconds / max(seconds, 1e-9)}
        self.rows.append(row)
        if trainer.is_global_zero:
            self._write()

    def write_start(self, scores: dict[str, float]) -> dict[str, float]:
        """The one row of a run without epochs: step 0."""
        self.rows = [{"step": 0.0, **scores}]
        self._write()
        return self.rows[0]

    def _write(self) -> None:
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        with replacing(self.path, "w") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.rows)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the past up again."""
        self.rows = state_dict["rows"]


def _is_candidate(pl_module: pl.LightningModule) -> bool:
    """Whether an epoch's weights may be kept: of the frozen epochs only the last, whose heads have learnt
    most.
    """
    return pl_module.current_epoch + 1 >= int(cast(int, pl_module.frozen_epochs))


class KeepBest(ModelCheckpoint):
    """Keeps the weights that do best on held-out tracks."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Consider the epoch."""
        if _is_candidate(pl_module):
            super().on_train_epoch_end(trainer, pl_module)


class StopWhenNoBetter(EarlyStopping):
    """Early stopping on held-out tracks that stays stopped when a finished run is resumed."""

    @property
    def out_of_patience(self) -> bool:
        """Whether it is this that stopped the run."""
        return self.wait_count >= self.patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do not train another epoch after a resume if patience had run out."""
        if self.out_of_patience:
            trainer.should_stop = True

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lose patience only with epochs in which the network learns."""
        if _is_candidate(pl_module):
            super().on_train_epoch_end(trainer, pl_module)


class EpochProgress(Callback):
    """A bar on stderr: one tick a step, and the held-out score that is watched."""

    def __init__(self, watched: str) -> None:
        self.watched = watched
        self._bar: tqdm[Any] | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        self._bar = progress_bar(
            description="training",
            total=int(trainer.estimated_stepping_batches),
            initial=trainer.global_step,
            unit="step",
            disable=not trainer.is_global_zero,
        )

    def on_train_batch_end(self, *_: Any) -> None:
        """Tick."""
        if self._bar is not None:
            self._bar.update()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the epoch's figures behind the bar."""
        if self._bar is not None:
            shown = {"epoch": f"{trainer.current_epoch + 1}/{trainer.max_epochs}"}
            for name, label in (
                ("train/loss", "loss"),
                (f"valid/{self.watched}", f"held-out {self.watched}"),
            ):
                if name in trainer.callback_metrics:
                    shown[label] = f"{float(trainer.callback_metrics[name]):.3f}"
            self._bar.set_postfix(shown, refresh=False)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Close the bar, full: of a run that stopped early, no more steps were left to do."""
        if self._bar is not None:
            if self._bar.total and self._bar.n < self._bar.total:
                self._bar.set_description("training, stopped early", refresh=False)
                self._bar.total = self._bar.n
            self._bar.close()
