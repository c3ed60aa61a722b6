"""What happens around the steps: history, progress bar, checkpoints, early stopping."""

import csv
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from soundkin.errors import ArtefactError
from soundkin.files import replacing
from soundkin.progress import progress_bar


class History(Callback):
    """One row per epoch, in `metrics.csv` and checkpoints: a resumed run keeps its past. Draws one bar."""

    def __init__(self, path: Path, score: str) -> None:
        self.path = path
        self.rows: list[dict[str, float]] = []
        self._labels = {"train/loss": "loss", f"valid/{score}": f"held-out {score}"}
        self._waiting_seconds = 0.0
        self._step_ended = self._epoch_began = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar at the step that the run goes on from."""
        self._bar = progress_bar(
            description="training",
            total=(trainer.max_epochs or 0) * int(trainer.num_training_batches),
            initial=trainer.current_epoch * int(trainer.num_training_batches),
            unit="batch",
            disable=not trainer.is_global_zero,
        )

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
        self._bar.update()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add the epoch's row, write all of them, and show the epoch's figures behind the bar."""
        seconds = self._step_ended - self._epoch_began
        figures = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        row = {"epoch": float(trainer.current_epoch), "step": float(trainer.global_step), **figures}
        row |= {"seconds": seconds, "data_wait_share": self._waiting_seconds / max(seconds, 1e-9)}
        self.rows.append(row)
        if trainer.is_global_zero:
            self.write()
        shown = {label: f"{figures[name]:.3f}" for name, label in self._labels.items() if name in figures}
        epoch = f"{trainer.current_epoch + 1}/{trainer.max_epochs}"
        self._bar.set_postfix({"epoch": epoch, **shown}, refresh=False)

    def on_train_end(self, *_: Any) -> None:
        """Close the bar, full: of a run that stopped early, no more steps were left to do."""
        if self._bar.total and self._bar.n < self._bar.total:
            self._bar.set_description("training, stopped early", refresh=False)
            self._bar.total = self._bar.n
        self._bar.close()

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


class _TrainedEpochs(Callback):
    """Considers epochs that trained the network, and the last frozen one, whose heads learnt most."""

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: Any) -> None:
        if pl_module.current_epoch + 1 >= pl_module.frozen_epochs:
            super().on_train_epoch_end(trainer, pl_module)


class KeepBest(_TrainedEpochs, ModelCheckpoint):
    """Keeps the weights of the best selection score."""


class StopWhenNoBetter(_TrainedEpochs, EarlyStopping):
    """Early stopping that stays stopped when a finished run is resumed."""

    @property
    def out_of_patience(self) -> bool:
        """Whether it is this that stopped the run."""
        return self.wait_count >= self.patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Do not train another epoch after a resume if patience had run out."""
        if self.out_of_patience:
            trainer.should_stop = True


class CrashSafeCheckpointIO(TorchCheckpointIO):
    """Saves atomically; loads plain tensors and values only, so that a checkpoint executes nothing.

    Lightning's own save writes to TMPDIR and moves; where that is another file system, a kill in the move
    leaves the last good checkpoint at zero bytes.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write `checkpoint` to `path`, whole or not at all."""
        with replacing(Path(path)) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: Any, map_location: Any = "cpu", weights_only: bool | None = True
    ) -> dict[str, Any]:
        """The content of a checkpoint file; ArtefactError where it is none of ours."""
        try:
            return dict(torch.load(path, map_location=map_location, weights_only=True))
        except Exception as error:  # whatever a damaged zip or pickle makes torch raise
            raise ArtefactError(
                f"checkpoint {path} is corrupt ({type(error).__name__}). Remove it to start this run from "
                "the beginning."
            ) from error
