"""All that can be wrong with a run is told before its folder is made and before any audio is decoded."""

import logging
from collections.abc import Mapping
from pathlib import Path

import torch
from pytorch_lightning.strategies import StrategyRegistry

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.splits import SplitConfig
from soundkin.catalog.table import Catalog
from soundkin.config import nearest
from soundkin.errors import CatalogError, ConfigError
from soundkin.features.augment import AugmentConfig
from soundkin.features.external import ExternalFrontEnd
from soundkin.features.front_ends import takes_audio
from soundkin.models import build_network
from soundkin.tasks import TASKS, TaskConfig
from soundkin.tasks.collaborative import CollaborativeTask
from soundkin.training.held_out import LABELS, TOGETHER
from soundkin.training.plan import FILES, Plan, chosen_tasks, files_used
from soundkin.training.run_config import TrainConfig, TrainerConfig

logger = logging.getLogger(__name__)


def check(plan: Plan) -> None:
    """Complain about all that training would complain about later: decoding may take hours.

    Raises:
        ConfigError: no task, no such score to watch, a patch too short, or settings that this machine cannot
            run.
        CatalogError: a file is missing or broken, or a task or the network lacks what it learns from.
    """
    config = plan.config
    check_settings(config)
    chosen, train = chosen_tasks(config), plan.tracks("train")
    if not len(train):
        raise CatalogError(
            f"{plan.catalog.source}: no track is in the train split. Add tracks, or fill in the column split."
        )
    _check_some_audio(config, train)
    _check_columns(config.data.split, plan.catalog)
    for name, settings in chosen.items():
        TASKS[name].check(settings, plan.sources(train), config.model.embedding_size)
    if config.model.lyrics and not any(lyrics_of(train)):
        raise CatalogError(
            f"{train.source}: no training track has lyrics. Fill them in, or train without them: model.lyrics=null"
        )
    _check_watched(config.trainer.watched, chosen, plan.tracks("valid"))


def check_settings(config: TrainConfig) -> None:
    """What `check` can tell before there is a catalog; raises as it does. Frozen features are to be
    `identified`.
    """
    chosen_tasks(config)
    _check_machine(config.trainer)
    _check_network(config)
    _check_files(config)


def _check_machine(settings: TrainerConfig) -> None:
    """Raise ConfigError where this machine cannot train as `settings` ask."""
    if settings.accelerator in ("gpu", "cuda"):
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if not count:
            raise ConfigError(
                f"config trainer.accelerator={settings.accelerator}: this machine has no GPU that torch can use. "
                "Leave trainer=gpu out to train on the CPU, or run it where there is a GPU."
            )
        if settings.devices > count:
            raise ConfigError(
                f"config trainer.devices={settings.devices}: there are {count} GPU(s). Give at most so many."
            )
    if settings.accelerator == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(
            "config trainer.accelerator=mps: this machine has none. Leave it out to train on the CPU."
        )
    known = ["auto", *StrategyRegistry.available_strategies()]
    if settings.strategy not in known:
        close = nearest(settings.strategy, known)
        raise ConfigError(f"config trainer.strategy={settings.strategy}: there is no such strategy.{close}")


def _check_network(config: TrainConfig) -> None:
    """Raise ConfigError where the network cannot read the patches, or frozen features are to be changed as
    sound is.
    """
    if isinstance(config.features, ExternalFrontEnd):
        _refuse_changes_of_sound(config.data.augment)
    network = build_network(config.model, config.features.mel_bands, config.features.chroma_bands)
    if config.patch.frames < network.minimum_frames:
        raise ConfigError(
            f"config patch.frames={config.patch.frames}: this network needs {network.minimum_frames} frames or more."
        )


def _refuse_changes_of_sound(augment: AugmentConfig) -> None:
    """What a change does to log-mels it does not do to another encoder's numbers; masks hide either."""
    for name in ("gain_db", "tilt_db", "stretch", "shift_bands"):
        if getattr(augment, name):
            raise ConfigError(
                f"config data.augment.{name}={getattr(augment, name)} changes log-mels, and frozen features are none. "
                f"Leave it out, or set it to 0; model.dropout and masks still serve."
            )


def _check_files(config: TrainConfig) -> None:
    """Each named file has to be there, used or not."""
    for file in FILES:
        path: Path | None = getattr(config, file)
        if path is not None and not path.exists():
            raise CatalogError(f"{file} {path} does not exist. Check the name, or leave {file}=... out.")


def _check_some_audio(config: TrainConfig, train: Catalog) -> None:
    """A folder that is not mounted, or paths of another machine, are told at once; single files are skipped
    later.
    """
    paths = train.audio_paths()
    if takes_audio(config.features) and not any(path.is_file() for path in paths):
        raise CatalogError(
            f"{train.source}: no training track can be heard: none of the {len(paths)} files is there, such as "
            f"{paths[0]}. Mend the paths, or put the files back."
        )


def _check_columns(split: SplitConfig, catalog: Catalog) -> None:
    """The columns that tracks are divided by, where others than those by default are asked for."""
    for key in ("group", "stratify"):
        column = getattr(split, key)
        if column != SplitConfig.model_fields[key].default and column not in catalog.frame:
            close = nearest(column, map(str, catalog.frame.columns))
            raise CatalogError(f"{catalog.source}: no column {column}, and data.split.{key} names it.{close}")


def warn_of_unused_files(config: TrainConfig) -> None:
    """Log a warning for each named file that no chosen task learns from; says which tasks would."""
    chosen, used = chosen_tasks(config), files_used(config)
    for file in FILES:
        path: Path | None = getattr(config, file)
        if path is None or file in used:
            continue
        able = [f"task=[{','.join([*chosen, name])}]" for name, task in TASKS.items() if file in task.files]
        if file == "playlists" and "contrastive" in chosen:
            able.append("task.contrastive.positives=playlist")
        logger.warning("%s=%s is not used: add a task that learns from it: %s", file, path, " or ".join(able))


def _check_watched(watched: str, chosen: Mapping[str, TaskConfig], valid: Catalog) -> None:
    """Which scores there are hangs on the held-out tracks; those that no track of theirs can give are told at
    once.
    """
    by_users = [name for name in chosen if issubclass(TASKS[name], CollaborativeTask)]
    labels = [label for label in LABELS if _is_shared(valid, label)]
    if len(by_users) == len(chosen):
        labels = []  # a network that learns from users alone is judged by them alone
    scores = [TOGETHER, *(f"{label}_map" for label in labels), *(f"{name}_ndcg" for name in by_users)]
    if watched not in scores:
        raise ConfigError(f"config trainer.watched={watched}: no such score here.{nearest(watched, scores)}")


def _is_shared(catalog: Catalog, label: str) -> bool:
    """Whether two tracks have a value in common."""
    if label not in catalog.frame:
        return False
    values = [value for values in catalog.values(label) for value in set(values)]
    return len(set(values)) < len(values)
