"""The LightningModule: wires network, proxy tasks and optimiser; all maths is with its owner."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from soundkin.features.augment import augment
from soundkin.models import build_network
from soundkin.tasks import TASKS, ProxyTask
from soundkin.tasks.collaborative import CollaborativeTask
from soundkin.tasks.distill import DistillTask
from soundkin.training.batches import (
    Batch,
    EpochSteps,
    EvenPatches,
    RandomPatches,
    RandomVectors,
    to_network_input,
)  # fmt: skip
from soundkin.training.data import LyricTable, PreparedData
from soundkin.training.example_sources import ExampleSources, TracksAndExamples, example_sources
from soundkin.training.held_out import HeldOutTargets, ItemScores, held_out_scores, selection_score
from soundkin.training.made_examples import AnsweredExamples
from soundkin.training.plan import chosen_tasks
from soundkin.training.ranks import gathered, sum_over_ranks, this_rank
from soundkin.training.run_config import RANDOM, TrainConfig
from soundkin.training.weighting import TaskWeighting, gradient_cosines

SELECTED = "valid/watched"  # the name that metrics.csv and checkpoints have for the selection score


class TrainingModule(pl.LightningModule):
    """Trains the network on all proxy tasks at once; fresh weights come from torch's global generator."""

    def __init__(self, config: TrainConfig, data: PreparedData) -> None:
        super().__init__()
        self.config, self.data = config, data
        settings, train = config.trainer, data.train.catalog
        self.network = build_network(config.model, config.features.mel_bands, config.features.chroma_bands)
        self.proxy_tasks = tasks = {
            name: TASKS[name].from_sources(task, data.sources, config.model.embedding_size)
            for name, task in chosen_tasks(config).items()
        }
        self.tasks = nn.ModuleDict(tasks)
        weights = {name: task.config.weight for name, task in tasks.items()}
        self.weighting = TaskWeighting(settings.weighting, weights)
        self.track_tasks = {name: task for name, task in tasks.items() if not task.trained_on_examples}
        self.targets = {name: task.target_lookup(train) for name, task in self.track_tasks.items()}
        self.examples = self._example_sources()
        self.held_out = HeldOutTargets.from_tasks(tasks, data.plan.sources, train, data.valid.catalog)
        data.plan.sources.tables.clear()  # millions of ratings are not needed while it trains
        self.lyrics = LyricTable(config.model.lyrics, data) if config.model.lyrics else None
        # Fine-tuning at once would bend good vectors to heads that are still random: A. Kumar et al.,
        # "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution" (2022).
        frozen_share = settings.frozen_share if config.starts_well else 0.0
        self.frozen_epochs = round(frozen_share * settings.epochs)
        if config.start != RANDOM:
            self.frozen_epochs = max(1, self.frozen_epochs)  # its score is what training has to beat
        if settings.frozen:
            self.frozen_epochs = settings.epochs
        if not list(self.tasks.parameters()):
            self.frozen_epochs = min(1, self.frozen_epochs)  # one, to score the initial network
        self._generator = torch.Generator()
        self._batch_seed = 0
        self.allow_zero_length_dataloader_with_multiple_devices = True  # fewer held-out tracks than ranks
        self._held_out_vectors: list[Tensor] = []
        self._held_out_examples: AnsweredExamples | None = None
        self._label_measures: dict[str, ItemScores] | None = None  # the same while the network is
        self.initial: dict[str, np.ndarray] | None = None  # values of the last frozen epoch's measures

    def _example_sources(self) -> ExampleSources | None:
        tasks = [task for task in self.proxy_tasks.values() if isinstance(task, DistillTask)]
        if not tasks:
            return None
        examples_per_epoch = self._steps_per_epoch(self._random_tracks()) * self.config.data.batch_patches
        return example_sources(tasks[0], self.config, self.data, examples_per_epoch)

    def start_examples(self, epoch: int) -> None:
        """Have the examples of `epoch` at hand, and those of held-out tracks; the first time, standardise
        what teachers answer by them.
        """
        if self.examples is None:
            return
        self.examples.start(epoch, making=this_rank().number == 0)
        if epoch == 0:
            self.examples.task.standardise(torch.from_numpy(self.examples.sample()))
        self._held_out_examples = self.examples.held_out()
        if self._held_out_examples is not None:
            groups = {self.examples.task.name: self._held_out_examples.groups}
            self.held_out = replace(self.held_out, example_groups=groups)

    @property
    def frozen(self) -> bool:
        """Whether only heads learn in this epoch."""
        return self.current_epoch < self.frozen_epochs

    def train_dataloader(self) -> DataLoader[Batch]:
        """Random balanced batches."""
        config, tracks = self.config, self._random_tracks()
        batches: Dataset[Batch] = tracks
        if self.examples is not None:
            count, seed = config.data.batch_patches, config.random_seed
            some = tracks if self.track_tasks else None
            batches = TracksAndExamples(some, self.examples, count, seed, this_rank())
        steps = EpochSteps(self._steps_per_epoch(tracks))
        return DataLoader(batches, batch_size=None, sampler=steps, num_workers=config.data.loader_workers)

    def _random_tracks(self) -> RandomPatches:
        config, tracks, tasks = self.config, self.data.train, self.track_tasks.values()
        vectors = self.data.vectors
        draw = partial(RandomVectors, vectors=vectors.of(tracks.catalog)) if vectors else RandomPatches
        return draw(
            self.data.cache,
            tracks.keys,
            tracks.catalog.artists.groups,
            config.patch.frames,
            config.data,
            config.random_seed,
            views=max((task.views for task in tasks), default=1),
            groups=[task.co_batched_groups().numpy() for task in tasks],
            rank=this_rank(),
        )

    def _steps_per_epoch(self, batches: RandomPatches) -> int:
        """By default enough to take each track once."""
        each_once = -(-len(batches.keys) // batches.tracks)
        return self.config.trainer.steps_per_epoch or each_once

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """The held-out tracks of this rank's share, one at a time; no loader where there are none."""
        keys, most_patches = self.data.valid.keys, self.config.data.validation_patches
        if keys and self.data.vectors:
            rows = torch.arange(len(keys))
            whole: Batch = {"vectors": self.data.vectors.of(self.data.valid.catalog), "rows": rows}
            return [DataLoader([whole], batch_size=None)]  # type: ignore[arg-type]
        tracks = EvenPatches(self.data.cache, keys, self.config.patch, most_patches)
        own = range(len(keys))[this_rank().share(len(keys))]
        return [DataLoader(tracks, batch_size=None, sampler=own)] if keys else []

    def on_train_epoch_start(self) -> None:
        """A frozen network normalises as it will in use."""
        self.network.train(not self.frozen)
        if self.examples is not None and this_rank().number == 0:
            self.examples.forget_before(self.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Tie all randomness of a step to its number, so that a resumed run repeats what a killed one did."""
        number = self.current_epoch * int(self.trainer.num_training_batches) + batch_idx
        self._batch_seed = self.config.random_seed * 1_000_003 + number * 1_009
        torch.manual_seed(self._batch_seed + this_rank().number)
        self._generator = torch.Generator().manual_seed(self._batch_seed + this_rank().number)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Weighted sum of the task losses on one batch of tracks, of examples, or of both."""
        losses: dict[str, Tensor] = {}
        track_vectors, example_vectors = self._batch_vectors(batch)
        if this_rank().count > 1:
            torch.manual_seed(self._batch_seed)  # what losses draw, all ranks draw
        if track_vectors is not None:
            # Heads cost little, and losses want all digits.
            with torch.autocast(track_vectors.device.type, enabled=False):
                for name, task in self.track_tasks.items():
                    targets = self.targets[name](batch["rows"].cpu())
                    losses[name] = self._task_loss(name, task, track_vectors, targets)
        if self.examples is not None and example_vectors is not None:
            distill, answers = self.examples.task, gathered(batch["answers"], len(example_vectors))
            with torch.autocast(example_vectors.device.type, enabled=False):
                losses[distill.name] = self._task_loss(distill.name, distill, example_vectors, answers)
        return self._total(losses, batch_idx)

    def _batch_vectors(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """The vectors of all ranks' tracks, and those of all ranks' examples; None where a batch has none."""
        tracks = batch.get("vectors")
        if tracks is None and "rows" in batch:
            tracks = gathered(self._track_vectors(batch), len(batch["rows"]))
        if "examples" not in batch:
            return tracks, None
        return tracks, gathered(self._patch_vectors(batch["examples"]), self.config.data.batch_patches)

    def _patch_vectors(self, log_mel: Tensor) -> Tensor:
        """The vectors of patches, augmented."""
        with torch.set_grad_enabled(not self.frozen):
            vectors: Tensor = self.network.patches(self._augmented(log_mel)).float()
        return vectors

    def _augmented(self, log_mel: Tensor) -> Tensor:
        return augment(log_mel, self.config.data.augment, self._generator, self.network.trunk.mel_bands)

    def _track_vectors(self, batch: Batch) -> Tensor:
        """The vectors of this rank's share of a batch's tracks, augmented."""
        rows = batch["rows"][this_rank().share(len(batch["rows"]))].cpu()
        lyrics = self.lyrics.padded(rows, self.device) if self.lyrics else None
        log_mel = self._augmented(batch["log_mel"])
        with torch.set_grad_enabled(not self.frozen):
            vectors: Tensor = self.network(log_mel, batch["lengths"], lyrics).float()
        if self.network.lyric_fusion:
            gate = self.network.lyric_fusion.gate_mean  # None where no track of the share has lyrics
            known = torch.zeros(2, device=self.device) if gate is None else torch.stack([gate, gate * 0 + 1])
            gates, shares = sum_over_ranks(known.detach().float())
            if shares:
                self._log("train/lyric_gate", gates / shares)
        return vectors

    def _task_loss(self, name: str, task: ProxyTask, vectors: Tensor, targets: Tensor) -> Tensor:
        targets = targets.to(vectors.device)
        loss = task.loss(vectors, targets)
        self._log(f"train/{name}_loss", loss)
        self._log(f"train/{name}_weight", self.weighting.factor(name))
        for metric, value in task.metrics(vectors.detach(), targets).items():
            self._log(f"train/{name}_{metric}", value)
        return loss

    def _total(self, losses: dict[str, Tensor], batch_idx: int) -> Tensor:
        total: Tensor = self.weighting(losses)
        self._log("train/loss", total)
        if not total.requires_grad:  # frozen, and no task has a head: a step that changes nothing
            total = total + 0 * next(self.network.parameters()).sum()
        every = self.config.trainer.conflict_epochs
        due = every > 0 and batch_idx == 0 and self.current_epoch % every == 0
        if due and len(losses) > 1 and not self.frozen:
            shared = [parameter for parameter in self.network.trunk.parameters() if parameter.requires_grad]
            for pair, cosine in gradient_cosines(losses, shared).items():
                self._log(f"train/gradient_cosine_{pair}", cosine)
        return total

    def _log(self, name: str, value: Tensor | float) -> None:
        value = value.detach() if isinstance(value, Tensor) else torch.tensor(np.float32(value))
        self.log(name, value, on_step=False, on_epoch=True, batch_size=1)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collect the vectors of held-out tracks."""
        if "vectors" in batch:
            self._held_out_vectors += batch["vectors"].cpu()
            return
        rows = batch["rows"].cpu()
        lyrics = self.lyrics.padded(rows, self.device, held_out=True) if self.lyrics else None
        self._held_out_vectors += self.network(batch["log_mel"], batch["lengths"], lyrics).float().cpu()

    def on_validation_epoch_end(self) -> None:
        """Log the held-out scores."""
        none = torch.zeros(0, self.config.model.embedding_size)
        own = torch.stack(self._held_out_vectors) if self._held_out_vectors else none
        self._held_out_vectors.clear()
        vectors = gathered(own, len(self.data.valid.keys))
        embedded, factors = vectors.to(self.device), {}
        for name, task in self.proxy_tasks.items():
            if isinstance(task, CollaborativeTask) and name in self.held_out.positives:
                users, tracks = task.user_vectors(), task.track_vectors(embedded)
                factors[name] = (users.float().cpu().numpy(), tracks.float().cpu().numpy())
        if not self.frozen or self._label_measures is None:
            self._label_measures = self.held_out.label_measures(vectors.numpy())
        measures = {**self._label_measures, **self.held_out.user_measures(factors)}
        measures |= self.held_out.agreement_measures(self._agreements())
        if self.frozen:
            self.initial = {name: measure.values for name, measure in measures.items()}
        scores = {f"valid/{name}": value for name, value in held_out_scores(measures).items()}
        if scores:
            scores[SELECTED] = selection_score(measures, self.config.trainer.selection_score, self.initial)
        if self.data.vectors:
            scores |= self._head_figures(embedded)
        self.log_dict(scores, sync_dist=True)

    def _agreements(self) -> dict[str, np.ndarray]:
        """How far the network agrees with its teachers on each held-out example, by task."""
        if self.examples is None or self._held_out_examples is None:
            return {}
        task, (frames, answers, _) = self.examples.task, self._held_out_examples
        count, own = len(frames), this_rank().share(len(frames))
        frames, answers = frames[own], answers[own]
        agreements = [torch.zeros(0)]
        for start in range(0, len(frames), self.config.data.batch_patches):
            span = slice(start, start + self.config.data.batch_patches)
            vectors = self.network.patches(to_network_input(frames[span]).to(self.device)).float()
            agreements.append(task.agreement(vectors, torch.from_numpy(answers[span]).to(self.device)).cpu())
        return {task.name: gathered(torch.cat(agreements), count).numpy()}

    def _head_figures(self, vectors: Tensor) -> dict[str, float]:
        """How well heads alone do on held-out tracks, in the tasks' own figures, where these have labels."""
        held_out, figures = self.data.valid.catalog, dict[str, float]()
        for name, task in self.proxy_tasks.items():
            targets = task.target_lookup(held_out)(torch.arange(len(held_out))).to(self.device)
            for metric, value in task.metrics(vectors, targets).items():
                figures[f"valid/{name}_{metric}"] = value
        return figures

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what later epochs are compared with."""
        if self.initial is not None:
            checkpoint["start"] = {name: torch.from_numpy(values) for name, values in self.initial.items()}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up again."""
        if "start" in checkpoint:
            self.initial = {name: values.numpy() for name, values in checkpoint["start"].items()}

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """AdamW; rates rise linearly, then fall along a cosine, the network's after its frozen epochs."""
        settings = self.config.trainer
        network = list(self.network.parameters())
        heads = [*self.tasks.parameters(), *self.weighting.parameters()]
        rate = settings.learning_rate
        groups = [
            {"params": [p for p in part if (p.ndim > 1) == decayed], "lr": part_rate, "weight_decay": decay}
            for part, part_rate in ((heads, rate), (network, rate * settings.network_rate))
            for decayed, decay in ((True, settings.weight_decay), (False, 0.0))
        ]
        optimiser = torch.optim.AdamW(groups, lr=rate)
        steps = int(self.trainer.estimated_stepping_batches)
        frozen_steps = steps * self.frozen_epochs // settings.epochs
        of_heads, of_network = self._schedule(0, steps), self._schedule(frozen_steps, steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, [of_heads, of_heads, of_network, of_network])
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _schedule(self, first: int, past: int) -> Callable[[int], float]:
        warmup = max(1, round(self.config.trainer.warmup_share * (past - first)))

        def rate(step: int) -> float:
            if step < first + warmup:
                return max(0, step - first + 1) / warmup
            done = (step - first - warmup) / max(1, past - first - warmup)
            return 0.5 + 0.5 * math.cos(math.pi * min(1.0, done))

        return rate
