"""The LightningModule: wires network, proxy tasks and optimiser; all maths stands with its owner."""

import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from soundkin.evaluation.user_rankings import Factors
from soundkin.features.augment import AugmentConfig, augment
from soundkin.models import TrackNetwork
from soundkin.tasks import ProxyTask
from soundkin.tasks.collaborative import CollaborativeTask
from soundkin.training.batches import Batch
from soundkin.training.conflicts import gradient_cosines
from soundkin.training.held_out import (
    HeldOut,
    Items,
    held_out_scores,
    measure_held_out,
    of_items,
    selection_score,
)
from soundkin.training.lyrics_table import LyricTable
from soundkin.training.run_config import TrainerConfig
from soundkin.training.weighting import TaskWeighting

WATCHED = "watched"


class TrainingModule(pl.LightningModule):
    """Trains the network on all proxy tasks at once."""

    def __init__(
        self,
        network: TrackNetwork,
        tasks: dict[str, ProxyTask],
        targets: dict[str, Callable[[Tensor], Tensor]],
        held_out: HeldOut,
        lyrics: LyricTable | None,
        augment_config: AugmentConfig,
        config: TrainerConfig,
        random_seed: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.tasks = nn.ModuleDict(tasks)
        self.weighting = TaskWeighting(
            config.weighting, {name: task.config.weight for name, task in tasks.items()}
        )
        self.targets = targets
        self.held_out = held_out
        self.lyrics = lyrics
        self.augment_config = augment_config
        self.config = config
        self.random_seed = random_seed
        # Fine-tuning at once would bend a good start to heads that know nothing yet: A. Kumar et al., "Fine-Tuning can
        # Distort Pretrained Features and Underperform Out-of-Distribution" (2022).
        has_heads = any(True for _ in self.tasks.parameters())
        frozen_epochs = round(config.frozen_share * config.epochs) if network.trunk.shortcut else 0
        self.frozen_epochs = (
            frozen_epochs if has_heads else min(1, frozen_epochs)
        )  # one, to see how good the start is
        self._generator = torch.Generator()
        self._held_out_vectors: list[Tensor] = []
        self.start: Items | None = None  # what the last frozen epoch scored

    @property
    def proxy_tasks(self) -> dict[str, ProxyTask]:
        """The tasks by name."""
        return cast(dict[str, ProxyTask], dict(self.tasks.items()))

    def on_train_epoch_start(self) -> None:
        """While it is frozen, the network hears as it will in use."""
        self.network.train(not self.frozen)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Tie all randomness of a step to its number, so that a resumed run repeats what a killed one did."""
        seed = self.random_seed * 1_000_003 + self.global_step * 1_009 + self.global_rank
        torch.manual_seed(seed)
        self._generator = torch.Generator().manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted sum of the task losses on one batch of tracks."""
        rows = batch["rows"].cpu()
        lyrics = self.lyrics.of_training(rows, self.device) if self.lyrics else None
        log_mel = augment(
            batch["log_mel"], self.augment_config, self._generator, self.network.trunk.mel_bands
        )
        with torch.set_grad_enabled(not self.frozen):
            vectors: Tensor = self.network(log_mel, batch["lengths"], lyrics).float()
        if self.network.lyric_fusion and (gate := self.network.lyric_fusion.gate_mean) is not None:
            self._note("train/lyric_gate", gate)
        with torch.autocast(
            vectors.device.type, enabled=False
        ):  # heads cost little, and losses want all digits
            return self._loss(vectors, rows, batch_idx)

    def _loss(self, vectors: Tensor, rows: Tensor, batch_idx: int) -> Tensor:
        losses = {}
        for name, task in self.proxy_tasks.items():
            targets = self.targets[name](rows).to(vectors.device)
            losses[name] = task.loss(vectors, targets)
            self._note(f"train/{name}_loss", losses[name])
            self._note(f"train/{name}_weight", self.weighting.factor(name))
            for metric, value in task.metrics(vectors.detach(), targets).items():
                self._note(f"train/{name}_{metric}", value)
        total: Tensor = self.weighting(losses)
        self._note("train/loss", total)
        if not total.requires_grad:  # frozen, and no task has a head: a step that changes nothing
            total = total + 0 * next(self.network.parameters()).sum()
        if len(losses) > 1 and self._measures_conflicts(batch_idx):
            shared = [parameter for parameter in self.network.trunk.parameters() if parameter.requires_grad]
            for pair, cosine in gradient_cosines(losses, shared).items():
                self._note(f"train/gradient_cosine_{pair}", cosine)
        return total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The vectors of held-out tracks."""
        lyrics = self.lyrics.of_held_out(batch["rows"].cpu(), self.device) if self.lyrics else None
        self._held_out_vectors += self.network(batch["log_mel"], batch["lengths"], lyrics).float().cpu()

    def on_validation_epoch_end(self) -> None:
        """Log how well held-out tracks find their kin and their listeners."""
        vectors = torch.stack(self._held_out_vectors)
        self._held_out_vectors.clear()
        if not self.trainer.sanity_checking:
            measures = measure_held_out(vectors.numpy(), self.held_out, self._tastes(vectors))
            scores = held_out_scores(measures)
            if self.frozen:
                self.start = of_items(measures)
            if scores:
                scores[WATCHED] = selection_score(measures, self.config.watched, self.start)
            self.log_dict({f"valid/{name}": value for name, value in scores.items()}, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what later epochs are compared with."""
        if self.start is not None:
            checkpoint["start"] = {name: torch.from_numpy(scores) for name, scores in self.start.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        if "start" in checkpoint:
            self.start = {name: scores.numpy() for name, scores in checkpoint["start"].items()}

    def _tastes(self, vectors: Tensor) -> dict[str, Factors]:
        """By task that is watched: its users, and where it puts tracks with these vectors among them."""
        heard, found = vectors.to(self.device), {}
        for name, task in self.proxy_tasks.items():
            if isinstance(task, CollaborativeTask) and name in self.held_out.plays:
                both = (task.user_vectors(), task.track_vectors(heard))
                found[name] = (both[0].float().cpu().numpy(), both[1].float().cpu().numpy())
        return found

    @property
    def frozen(self) -> bool:
        """Whether only heads learn in this epoch."""
        return self.current_epoch < self.frozen_epochs

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; a rate rises linearly, then falls along a cosine to zero, the network's from when it is let
        go.
        """
        network = list(self.network.parameters())
        heads = [*self.tasks.parameters(), *self.weighting.parameters()]
        rate = self.config.learning_rate
        groups = [
            {"params": [p for p in part if (p.ndim > 1) == decayed], "lr": part_rate, "weight_decay": decay}
            for part, part_rate in ((heads, rate), (network, rate * self.config.network_rate))
            for decayed, decay in ((True, self.config.weight_decay), (False, 0.0))
        ]
        optimiser = torch.optim.AdamW(groups, lr=rate)
        steps = int(self.trainer.estimated_stepping_batches)
        frozen_steps = steps * self.frozen_epochs // self.config.epochs
        of_heads, of_network = self._schedule(0, steps), self._schedule(frozen_steps, steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, [of_heads, of_heads, of_network, of_network])
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _schedule(self, first: int, past: int) -> Callable[[int], float]:
        warmup = max(1, round(self.config.warmup_share * (past - first)))

        def rate(step: int) -> float:
            if step < first + warmup:
                return max(0, step - first + 1) / warmup
            return 0.5 + 0.5 * math.cos(
                math.pi * min(1.0, (step - first - warmup) / max(1, past - first - warmup))
            )

        return rate

    def _measures_conflicts(self, batch_idx: int) -> bool:
        every = self.config.conflict_epochs
        return batch_idx == 0 and every > 0 and self.current_epoch % every == 0 and not self.frozen

    def _note(self, name: str, value: Tensor | float) -> None:
        value = value.detach() if isinstance(value, Tensor) else torch.tensor(np.float32(value))
        self.log(name, value, on_step=False, on_epoch=True, batch_size=1)
