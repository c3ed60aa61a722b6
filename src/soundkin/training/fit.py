"""Fitting: data, network and tasks under Lightning's Trainer, resumed where an earlier run was cut off."""

import logging
import math
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch._dynamo.exc import TorchDynamoException
from torch._functorch import config as functorch_config
from torch._inductor.exc import InductorError

from soundkin.errors import ConfigError
from soundkin.models import TrackNetwork
from soundkin.models.pca_init import start_whitened
from soundkin.training.batches import EvenPatches
from soundkin.training.callbacks import CrashSafeCheckpointIO, History, KeepBest, StopWhenNoBetter
from soundkin.training.data import PreparedData
from soundkin.training.held_out import check_score_name
from soundkin.training.launch import cluster
from soundkin.training.module import SELECTED, TrainingModule
from soundkin.training.ranks import this_rank
from soundkin.training.run_config import TrainConfig
from soundkin.training.shared_norm import SharedNorms
from soundkin.training.start import begin_with, start_bundle

INITIAL_PATCHES, PATCHES_PER_BATCH = 1024, 64

logger = logging.getLogger(__name__)


def fit(config: TrainConfig, data: PreparedData) -> tuple[TrainingModule, dict[str, float]] | None:
    """Train, or resume from `checkpoints/last.ckpt`: the weights of the best selection score, and their
    figures. Of several ranks, the first alone has these to give.

    Without held-out scores all epochs run and the last weights are kept; with no epochs, the initial network.
    """
    _quieten_lightning()
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    torch.manual_seed(config.random_seed)
    module = TrainingModule(config, data)
    last = config.run_dir / "checkpoints" / "last.ckpt"
    module.start_examples(_epochs_done(last))
    scored = bool(scores := module.held_out.score_names())
    if scored:
        check_score_name(config.trainer.selection_score, scores)
        _log_what_is_scored(module)
    if not last.exists():
        if (start := start_bundle(config)) is not None:
            begin_with(module.network, start.network)
        elif config.model.shortcut:
            initialise_whitened(module.network, data, config)
    if config.trainer.compiled:
        functorch_config.donated_buffer = False  # gradients of several losses are taken one after another
        module.network.trunk.compile()
    history = History(config.run_dir / "metrics.csv", config.trainer.selection_score)
    trainer = _trainer(config, history, scored)
    if not config.trainer.epochs:
        [initial] = trainer.validate(module, verbose=False) if data.valid.keys else [{}]
        history.rows = [{"step": 0.0, **initial}]
        if not trainer.is_global_zero:
            return None
        history.write()
        return module.cpu().eval(), history.rows[0]
    if data.valid.keys and not scored:
        kept = "the last epoch's weights will be kept"
        logger.warning("no held-out tracks share a label or have listeners: %s", kept)
    try:
        trainer.fit(module, ckpt_path=last if last.exists() else None)
    except SystemExit:  # Lightning's way of answering Ctrl-C
        raise KeyboardInterrupt from None
    except (TorchDynamoException, InductorError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError(
            f"config trainer.compiled=true: torch cannot compile the network here ({reason}). Install a C++ "
            "compiler, or leave it out."
        ) from error
    finally:
        if module.examples:
            module.examples.stop()
    if not trainer.is_global_zero:
        return None
    checkpoint = CrashSafeCheckpointIO().load_checkpoint(last.with_name("best.ckpt") if scored else last)
    module.load_state_dict(checkpoint["state_dict"])
    if scored:
        _log_how_it_ended(trainer, config, int(checkpoint["epoch"]))
    return module.cpu().eval(), next(row for row in history.rows if row["epoch"] == checkpoint["epoch"])


def initialise_whitened(network: TrackNetwork, data: PreparedData, config: TrainConfig) -> None:
    """Fit normalisation and shortcut to about a thousand patches spread evenly over the tracks."""
    keys = data.train.keys
    tracks = EvenPatches(data.cache, keys, config.patch, most_patches=max(1, INITIAL_PATCHES // len(keys)))
    chosen = np.unique(np.linspace(0, len(keys) - 1, min(len(keys), INITIAL_PATCHES)).round().astype(int))
    patches = torch.cat([tracks[row]["log_mel"] for row in chosen.tolist()])
    if len(patches) < 2:
        return  # there is no spread to fit anything to
    order = torch.randperm(len(patches), generator=torch.Generator().manual_seed(config.random_seed))
    # Batches of even size: each weighs the same in the normalisation, and none may hold one patch alone.
    count = math.ceil(len(patches) / PATCHES_PER_BATCH)
    start_whitened(network.trunk, torch.tensor_split(patches[order], count))


def _trainer(config: TrainConfig, history: History, scored: bool) -> pl.Trainer:
    settings = config.trainer
    folder = config.run_dir / "checkpoints"
    kept: Any = dict(dirpath=folder, save_on_train_epoch_end=True, enable_version_counter=False)
    callbacks: list[Callback] = [history]
    if settings.averaged:
        callbacks.append(EMAWeightAveraging(decay=settings.averaged))
    if scored:
        # Stops by the score as it is: the one that weights are kept by stays level until it is better than
        # the initial one beyond noise.
        score = f"valid/{settings.selection_score}"
        stop = StopWhenNoBetter(score, mode="max", patience=settings.patience, check_on_train_epoch_end=True)
        callbacks += [stop, KeepBest(filename="best", monitor=SELECTED, mode="max", **kept)]
    callbacks.append(ModelCheckpoint(filename="last", **kept))  # after the best, whose state it holds
    environment = cluster()
    tensorboard = config.logger.tensorboard and TensorBoardLogger(config.run_dir, "tensorboard", version="")
    return pl.Trainer(
        max_epochs=settings.epochs,
        accelerator=settings.accelerator,
        devices=settings.devices,
        num_nodes=settings.num_nodes,
        strategy=_strategy(config),
        precision=settings.precision,
        gradient_clip_val=settings.gradient_clip,
        accumulate_grad_batches=settings.accumulate,
        callbacks=callbacks,
        plugins=[CrashSafeCheckpointIO(), SharedNorms(), *([environment] if environment else [])],
        logger=tensorboard,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        log_every_n_steps=10,
        enable_progress_bar=False,
        enable_model_summary=False,
        deterministic=True,
    )


def _epochs_done(last: Path) -> int:
    return 1 + int(CrashSafeCheckpointIO().load_checkpoint(last)["epoch"]) if last.exists() else 0


def _strategy(config: TrainConfig) -> str | Strategy:
    """How Lightning runs the steps: by DDP in several ranks, else as it sees fit.

    Ranks must not wait for gradients that are not there: the network's while only heads learn, the text
    network's in a batch without lyrics.
    """
    if this_rank().count == 1:
        return "auto"
    some_unused = bool(config.model.lyrics or (config.starts_well and config.trainer.frozen_share))
    timeout = timedelta(seconds=config.trainer.timeout_seconds)
    # The running statistics, which are all buffers that change, are the same in all ranks (SharedNorms).
    return DDPStrategy(find_unused_parameters=some_unused, broadcast_buffers=False, timeout=timeout)


def _log_what_is_scored(module: TrainingModule) -> None:
    held_out = module.held_out
    if len(held_out.queries) < len(held_out.artists):
        sizes = len(held_out.queries), len(held_out.artists)
        logger.info("held-out scores: %d of %d tracks are queries, the same ones at every epoch", *sizes)
    few = held_out.too_few(module.config.trainer.selection_score)
    if few and not module.config.trainer.frozen:
        before = "the network is kept as it was before"
        kept = before if module.frozen_epochs else "the best score is kept, be it chance"
        hint = "Hold out more, as data.split.valid=0.2, or add artists."
        logger.warning("too few held-out tracks to tell whether training helps (%s): %s. %s", few, kept, hint)


def _log_how_it_ended(trainer: pl.Trainer, config: TrainConfig, kept: int) -> None:
    """Which epoch's weights are kept; where training stopped early, why, and what could be done about it."""
    stopper, settings, done = trainer.early_stopping_callback, config.trainer, trainer.current_epoch
    assert isinstance(stopper, StopWhenNoBetter)
    weights, patience = f"the weights of epoch {kept + 1} are kept", settings.patience
    best = float(stopper.best_score)
    if not stopper.out_of_patience or done >= settings.epochs:
        logger.info("trained to the last of %d epoch(s); %s", done, weights)
        return
    score = f"held-out {settings.selection_score} in {patience} epochs (best: {best:.3f})"
    logger.info(
        "stopped early after epoch %d of %d: no better %s; %s. Nothing is amiss; to give it longer, set "
        "trainer.patience above %d and train with --again, or in another run_dir",
        done, settings.epochs, score, weights, patience,
    )  # fmt: skip


def _quieten_lightning() -> None:
    """Lightning's advice is for those who write loops; users get errors and warnings of ours."""
    for name in ("pytorch_lightning", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("pytorch_lightning", "lightning_fabric"):
        warnings.filterwarnings("ignore", module=module)
