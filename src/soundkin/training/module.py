"""The LightningModule: wires network, proxy tasks and optimiser; all maths stands with its owner."""

import math
from typing import cast

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from soundkin.features.augment import AugmentConfig, augment
from soundkin.models import PATCH_POOLINGS
from soundkin.tasks import ProxyTask
from soundkin.training.batches import Batch
from soundkin.training.config import TrainerConfig
from soundkin.training.held_out import HeldOutLabels, retrieval_scores


class TrainingModule(pl.LightningModule):
    """Trains the network on all proxy tasks at once."""

    def __init__(
        self,
        network: nn.Module,
        tasks: dict[str, ProxyTask],
        targets: dict[str, Tensor],
        held_out: HeldOutLabels,
        patch_pooling: str,
        augment_config: AugmentConfig,
        config: TrainerConfig,
        random_seed: int,
    ) -> None:
        super().__init__()
        self.network = network
        self.tasks = nn.ModuleDict(tasks)
        self.patch_pooling = PATCH_POOLINGS[patch_pooling]()
        self.targets = targets
        self.held_out = held_out
        self.augment_config = augment_config
        self.config = config
        self.random_seed = random_seed
        self._generator = torch.Generator()
        self._held_out_vectors: list[Tensor] = []

    @property
    def proxy_tasks(self) -> dict[str, ProxyTask]:
        """The tasks by name."""
        return cast(dict[str, ProxyTask], dict(self.tasks.items()))

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Tie all randomness of a step to its number, so that a resumed run repeats what a killed one did."""
        seed = self.random_seed * 1_000_003 + self.global_step * 1_009 + self.global_rank
        torch.manual_seed(seed)
        self._generator = torch.Generator().manual_seed(seed)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted sum of the task losses on one batch of patches."""
        vectors: Tensor = self.network(augment(batch["log_mel"], self.augment_config, self._generator)).float()
        total = vectors.new_zeros(())
        for name, task in self.proxy_tasks.items():
            targets = self.targets[name][batch["rows"].cpu()].to(vectors.device)
            loss = task.loss(vectors, targets)
            total = total + task.config.weight * loss
            self._note(f"train/{name}_loss", loss)
            for metric, value in task.metrics(vectors.detach(), targets).items():
                self._note(f"train/{name}_{metric}", value)
        self._note("train/loss", total)
        return total

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """The vector of one held-out track."""
        self._held_out_vectors.append(self.patch_pooling(self.network(batch["log_mel"]).float()).cpu())

    def on_validation_epoch_end(self) -> None:
        """Log how well held-out tracks find their kin."""
        vectors = torch.stack(self._held_out_vectors).numpy()
        self._held_out_vectors.clear()
        if not self.trainer.sanity_checking:
            scores = retrieval_scores(vectors, self.held_out)
            self.log_dict({f"valid/{name}": float(value) for name, value in scores.items()}, sync_dist=True)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; the rate rises linearly, then falls along a cosine to zero."""
        decayed = [parameter for parameter in self.parameters() if parameter.ndim > 1]
        others = [parameter for parameter in self.parameters() if parameter.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW(groups, lr=self.config.learning_rate)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(self.config.warmup_share * steps))

        def rate(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 + 0.5 * math.cos(math.pi * min(1.0, (step - warmup) / max(1, steps - warmup)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _note(self, name: str, value: Tensor | float) -> None:
        value = value.detach() if isinstance(value, Tensor) else torch.tensor(np.float32(value))
        self.log(name, value, on_step=False, on_epoch=True, batch_size=1)
