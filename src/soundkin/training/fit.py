"""Fitting: data, network and tasks under Lightning's Trainer, resumed where an earlier run was cut off."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger

from soundkin.config import nearest
from soundkin.errors import ConfigError
from soundkin.models import build_network
from soundkin.tasks import TASKS, ProxyTask
from soundkin.training.callbacks import EpochProgress, History, KeepBest, StopWhenNoBetter
from soundkin.training.checkpoint import CrashSafeCheckpointIO, read_checkpoint
from soundkin.training.data import PatchData, PreparedData
from soundkin.training.held_out import held_out_of
from soundkin.training.initialise import whitened_start
from soundkin.training.lyrics_table import LyricTable
from soundkin.training.module import WATCHED, TrainingModule
from soundkin.training.plan import chosen_tasks
from soundkin.training.run_config import TrainConfig

logger = logging.getLogger(__name__)


def fit(config: TrainConfig, data: PreparedData) -> tuple[TrainingModule, dict[str, float]]:
    """Train, or go on from `checkpoints/last.ckpt`: the weights that did best on held-out tracks, and their
    figures.

    A network that learns from users alone is judged by them alone. Without held-out tracks that share a label
    or a listener there is nothing to watch: then all epochs run and the last weights win. Of no epochs comes
    the start.

    A run stops by the watched score; weights are kept by the same score, gated (`training.held_out`).

    Raises:
        CatalogError: a task lacks its labels.
        ConfigError: no task, a patch too short for the network, or no such score to watch.
    """
    _quieten()
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    torch.manual_seed(config.random_seed)
    module = build_module(config, data)
    watched = _has_something_to_watch(module, config.trainer.watched)
    if watched:
        _say_what_is_watched(module, config.trainer.watched)
    checkpoints = config.run_dir / "checkpoints"
    trainer, history = _trainer(config, checkpoints, watched)
    last = checkpoints / "last.ckpt"
    if config.model.shortcut and not last.exists():
        whitened_start(module.network, data, config)
    batches = PatchData(data, config, list(module.proxy_tasks.values()))
    if not config.trainer.epochs:
        return module.cpu().eval(), history.write_start(_scores_of_the_start(trainer, module, batches))
    if data.valid.keys and not watched:
        logger.warning(
            "no held-out tracks share a label or have listeners: the last epoch's weights will be kept"
        )
    try:
        trainer.fit(module, datamodule=batches, ckpt_path=last if last.exists() else None)
    except SystemExit:  # Lightning's way of answering Ctrl-C
        raise KeyboardInterrupt from None
    if not trainer.is_global_zero:
        sys.exit(0)  # of several processes, the first alone has weights to keep and results to tell
    best = checkpoints / ("best.ckpt" if watched else "last.ckpt")
    checkpoint = read_checkpoint(best)
    module.load_state_dict(checkpoint["state_dict"])
    epoch = int(checkpoint["epoch"])
    if watched:
        _say_how_it_ended(trainer, config, kept=epoch)
    return module.cpu().eval(), next(row for row in history.rows if row["epoch"] == epoch)


def _scores_of_the_start(trainer: pl.Trainer, module: TrainingModule, batches: PatchData) -> dict[str, float]:
    """What the untrained network scores on held-out tracks; nothing where there are none."""
    if not batches.data.valid.keys:
        return {}
    [scores] = trainer.validate(module, datamodule=batches, verbose=False) or [{}]
    return dict(scores)


def _say_how_it_ended(trainer: pl.Trainer, config: TrainConfig, kept: int) -> None:
    """Which epoch's weights are kept; where training stopped early, why, and what could be done about it."""
    stopper = trainer.early_stopping_callback
    assert isinstance(stopper, StopWhenNoBetter)
    settings, done = config.trainer, trainer.current_epoch
    weights = f"the weights of epoch {kept + 1} are kept"
    if not stopper.out_of_patience or done >= settings.epochs:
        logger.info("trained to the last of %d epoch(s); %s", done, weights)
        return
    logger.info(
        "stopped early after epoch %d of %d: no better held-out %s in %d epochs (best: %.3f); %s. Nothing is amiss; "
        "to give it longer, set trainer.patience above %d and train with --again, or in another run_dir",
        done, settings.epochs, settings.watched, settings.patience, float(stopper.best_score), weights,
        settings.patience,
    )  # fmt: skip


def build_module(config: TrainConfig, data: PreparedData) -> TrainingModule:
    """Network and tasks with fresh weights from torch's global generator."""
    network = build_network(config.model, config.features.mel_bands, config.features.chroma_bands)
    tasks = _tasks(config, data)
    targets = {name: task.target_lookup(data.train.catalog) for name, task in tasks.items()}
    return TrainingModule(
        network,
        tasks,
        targets,
        held_out_of(tasks, data),
        LyricTable.of(config.model.lyrics, data) if config.model.lyrics else None,
        config.data.augment,
        config.trainer,
        config.random_seed,
    )


def _tasks(config: TrainConfig, data: PreparedData) -> dict[str, ProxyTask]:
    return {
        name: TASKS[name].from_sources(settings, data.sources, config.model.embedding_size)
        for name, settings in chosen_tasks(config).items()
    }


def _has_something_to_watch(module: TrainingModule, watched: str) -> bool:
    scores = module.held_out.score_names()
    if scores and watched not in scores:
        raise ConfigError(f"config trainer.watched={watched}: no such score here.{nearest(watched, scores)}")
    return bool(scores)


def _say_what_is_watched(module: TrainingModule, watched: str) -> None:
    held_out = module.held_out
    if len(held_out.queries) < len(held_out.artists):
        sizes = len(held_out.queries), len(held_out.artists)
        logger.info("held-out scores: %d of %d tracks ask, the same ones at every epoch", *sizes)
    if few := held_out.too_few(watched):
        kept = (
            "the network is kept as it was before"
            if module.frozen_epochs
            else "the best score is kept, be it chance"
        )
        logger.warning(
            "too few held-out tracks to tell whether training helps (%s): %s. Hold out more, as data.split.valid=0.2, "
            "or add artists.",
            few,
            kept,
        )


def _trainer(config: TrainConfig, checkpoints: Path, watched: bool) -> tuple[pl.Trainer, History]:
    settings = config.trainer
    score = f"valid/{WATCHED}"
    kept: dict[str, Any] = dict(
        dirpath=checkpoints, save_on_train_epoch_end=True, enable_version_counter=False
    )
    history = History(config.run_dir / "metrics.csv")
    callbacks: list[Callback] = [history, EpochProgress(settings.watched)]
    if watched:
        # By the score as it is: what weights are kept by stands still until it is above the start beyond noise.
        stopped_by = f"valid/{settings.watched}"
        callbacks.append(
            StopWhenNoBetter(
                stopped_by, mode="max", patience=settings.patience, check_on_train_epoch_end=True
            )
        )
        callbacks.append(KeepBest(filename="best", monitor=score, mode="max", **kept))
    callbacks.append(ModelCheckpoint(filename="last", **kept))  # after the best, whose state it holds
    trainer = pl.Trainer(
        max_epochs=settings.epochs,
        accelerator=settings.accelerator,
        devices=settings.devices,
        strategy=_strategy(config),
        precision=settings.precision,
        gradient_clip_val=settings.gradient_clip,
        callbacks=callbacks,
        plugins=[CrashSafeCheckpointIO()],
        logger=TensorBoardLogger(config.run_dir, name="tensorboard", version="")
        if config.logger.tensorboard
        else False,
        sync_batchnorm=settings.devices > 1 and settings.accelerator != "cpu",
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=True,
    )
    return trainer, history


def _strategy(config: TrainConfig) -> str:
    """Lightning's word for the strategy.

    The network has no gradients while only heads learn, and its text network none in a batch without any
    lyrics: the processes must not wait for them.
    """
    name, settings = config.trainer.strategy, config.trainer
    shared = name == "ddp" or (name == "auto" and settings.devices > 1)
    waits_in_vain = config.model.lyrics or (config.model.shortcut and settings.frozen_share)
    return "ddp_find_unused_parameters_true" if shared and waits_in_vain else name


def _quieten() -> None:
    """Lightning's advice is for those who write loops; ours reaches the user as errors and warnings of our
    own.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    warnings.filterwarnings("ignore", module="lightning_fabric")
