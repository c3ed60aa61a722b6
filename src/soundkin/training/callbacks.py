"""What happens around the steps: history on disk, one progress bar, stopping that survives a resume."""

import csv
import time
from pathlib import Path
from typing import Any, cast

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint

from soundkin.files import replacing
from soundkin.progress import progress_bar


class History(Callback):
    """One row per epoch, in `metrics.csv` and in the checkpoint, so that a resumed run keeps its past."""

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

    def on_train_batch_start(self, *_: Any) -> None:
        """Count the time since the last step as waiting for data."""
        self._waiting_seconds += time.perf_counter() - self._step_ended

    def on_train_batch_end(self, *_: Any) -> None:
        """Note when the step ended."""
        self._step_ended = time.perf_counter()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's row and write all of them."""
        seconds = self._step_ended - self._epoch_began
        row = {"epoch": float(trainer.current_epoch), "step": float(trainer.global_step)}
        row |= {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row |= {"seconds": seconds, "data_wait_share": self._waiting_seconds / max(seconds, 1e-9)}
        self.rows.append(row)
        if trainer.is_global_zero:
            self.write()

    def write(self) -> None:
        """Write all rows, with the columns of any."""
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
    """Whether an epoch's weights may be kept: of the frozen epochs only the last one's."""
    return pl_module.current_epoch + 1 >= int(cast(int, pl_module.frozen_epochs))


class KeepBest(ModelCheckpoint):
    """Keeps the weights of the best selection score."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Consider the epoch."""
        if _is_candidate(pl_module):
            super().on_train_epoch_end(trainer, pl_module)


class StopWhenNoBetter(EarlyStopping):
    """Early stopping that stays stopped when a finished run is resumed."""

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


class RunProgress(Callback):
    """One bar for the run on stderr: a tick per step, the loss and the held-out score behind it."""

    def __init__(self, score: str) -> None:
        self.labels = {"train/loss": "loss", f"valid/{score}": f"held-out {score}"}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar at the step that the run goes on from."""
        self._bar = progress_bar(
            description="training",
            total=int(trainer.estimated_stepping_batches),
            initial=trainer.global_step,
            unit="step",
            disable=not trainer.is_global_zero,
        )

    def on_train_batch_end(self, *_: Any) -> None:
        """Tick."""
        self._bar.update()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the epoch's figures behind the bar."""
        figures = {"epoch": f"{trainer.current_epoch + 1}/{trainer.max_epochs}"}
        for name, label in self.labels.items():
            if name in trainer.callback_metrics:
                figures[label] = f"{float(trainer.callback_metrics[name]):.3f}"
        self._bar.set_postfix(figures, refresh=False)

    def on_train_end(self, *_: Any) -> None:
        """Close the bar, full: of a run that stopped early, no more steps were left to do."""
        if self._bar.total and self._bar.n < self._bar.total:
            self._bar.set_description("training, stopped early", refresh=False)
            self._bar.total = self._bar.n
        self._bar.close()
