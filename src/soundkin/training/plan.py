"""What a run trains on, and all that can be wrong with it, before hours of decoding audio."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.sources import Sources
from soundkin.catalog.splits import SplitConfig, SplitRule
from soundkin.catalog.table import Catalog
from soundkin.config import nearest
from soundkin.errors import CatalogError, ConfigError
from soundkin.extras import require
from soundkin.models import build_network
from soundkin.tasks import TASKS, TaskConfig
from soundkin.tasks.collaborative import CollaborativeTask
from soundkin.training.frozen import check_frozen
from soundkin.training.held_out import COMBINED, HeldOutTargets, check_score_name
from soundkin.training.run_config import TrainConfig, TrainerConfig
from soundkin.training.start import check_anchor, check_start

FILES = ("ratings", "triplets", "playlists")  # keys of the config, and methods of Sources
LOG_MEL_CHANGES = (
    "gain_db",
    "tilt_db",
    "stretch",
    "shift_bands",
    "noise_share",
    "narrow_share",
)  # of data.augment; masks suit any features

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """All tracks, the rule that divides them, and `splits`: train, valid or test for each track [tracks]."""

    config: TrainConfig
    catalog: Catalog
    split_rule: SplitRule
    splits: np.ndarray

    def tracks(self, split: str) -> Catalog:
        """The tracks of one split."""
        return self.catalog.select(self.splits == split)

    @cached_property
    def sources(self) -> Sources:
        """All tracks, and the files that tasks learn from."""
        config, tracks = self.config, self.catalog
        return Sources(tracks, config.ratings, config.triplets, config.playlists, tracks, config.teacher)

    @cached_property
    def lyrics(self) -> Mapping[str, str]:
        """The words of each track, by its id."""
        return dict(zip(self.catalog.track_ids, lyrics_of(self.catalog), strict=True))


def chosen_tasks(config: TrainConfig) -> dict[str, TaskConfig]:
    """The settings of each chosen proxy task, in the order of the registry; ConfigError without any."""
    chosen = {name: settings for name in TASKS if (settings := getattr(config.task, name)) is not None}
    if not chosen:
        raise ConfigError(f"no proxy task is chosen, and one is needed. Give task=[{','.join(TASKS)}]")
    return chosen


def files_used(config: TrainConfig) -> dict[str, Path]:
    """The named files that the chosen tasks read."""
    chosen = chosen_tasks(config).items()
    used = {file for name, settings in chosen for file in TASKS[name].files_read(settings)}
    return {file: path for file, path in _files_named(config).items() if _kind(file) in used}


def _files_named(config: TrainConfig) -> dict[str, Path]:
    """The files by their keys; of several teachers as `teacher[0]`, `teacher[1]` and so on."""
    files = {file: path for file in FILES if (path := getattr(config, file)) is not None}
    return files | {f"teacher[{number}]": path for number, path in enumerate(config.teacher)}


def _kind(file: str) -> str:
    return file.partition("[")[0]


def check(plan: Plan) -> None:
    """Raise the ConfigError or CatalogError that training would raise later."""
    config, catalog, train = plan.config, plan.catalog, plan.tracks("train")
    check_settings(config)
    if not len(train):
        hint = "Add tracks, or fill in the column split."
        raise CatalogError(f"{catalog.source}: no track is in the train split. {hint}")
    paths = train.audio_paths()
    # A folder that is not mounted, or paths of another machine; single files are skipped later.
    if config.features.takes_audio and not config.embeddings and not any(path.is_file() for path in paths):
        raise CatalogError(
            f"{train.source}: no training track can be read: none of the {len(paths)} files is there, such "
            f"as {paths[0]}. Correct the paths, or put the files back."
        )
    for key in ("group", "stratify"):
        column = getattr(config.data.split, key)
        if column != SplitConfig.model_fields[key].default and column not in catalog.frame:
            close = nearest(column, map(str, catalog.frame.columns))
            raise CatalogError(f"{catalog.source}: no column {column}, and data.split.{key} names it.{close}")
    chosen = chosen_tasks(config)
    for name, settings in chosen.items():
        TASKS[name].check(settings, plan.sources.about(train), config.model.embedding_size)
    if config.model.lyrics and not any(plan.lyrics[track_id] for track_id in train.track_ids):
        hint = "Fill them in, or train without them: model.lyrics=null"
        raise CatalogError(f"{train.source}: no training track has lyrics. {hint}")
    by_ratings = [name for name in chosen if issubclass(TASKS[name], CollaborativeTask)]
    scores = [COMBINED, *(f"{name}_ndcg" for name in by_ratings)]  # who likes held-out tracks is not read yet
    if len(by_ratings) < len(chosen):
        scores += HeldOutTargets.from_catalog(plan.tracks("valid")).score_names()
    scores += [f"{name}_agreement" for name in chosen if TASKS[name].trained_on_examples]
    check_score_name(config.trainer.selection_score, scores)


def check_settings(config: TrainConfig) -> None:
    """What `check` can tell without a catalog; frozen features are to be `identified`."""
    chosen_tasks(config)
    if config.model.lyrics:
        require("lyrics", "config model.lyrics")
    _check_machine(config.trainer)
    ranks = config.trainer.devices * config.trainer.num_nodes
    if ranks > config.data.batch_patches:
        raise ConfigError(
            f"config data.batch_patches={config.data.batch_patches}: a batch is shared by {ranks} ranks "
            "(trainer.devices x trainer.num_nodes), and each needs a patch. Give more, or fewer ranks."
        )
    if not config.features.makes_log_mels:
        for name in LOG_MEL_CHANGES:
            if value := getattr(config.data.augment, name):
                raise ConfigError(
                    f"config data.augment.{name}={value} changes log-mels, and frozen features are none. "
                    "Leave it out, or set it to 0; model.dropout and masks still serve."
                )
    check_start(config)
    check_frozen(config)
    check_anchor(config)
    network = build_network(config.model, config.features.mel_bands, config.features.chroma_bands)
    if config.patch.frames < network.minimum_frames:
        problem = f"this network needs {network.minimum_frames} frames or more."
        raise ConfigError(f"config patch.frames={config.patch.frames}: {problem}")
    for file, path in _files_named(config).items():
        if not path.exists():
            raise CatalogError(f"{file} {path} does not exist. Check the name, or leave {file}=... out.")


def _check_machine(settings: TrainerConfig) -> None:
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    problem, on_gpu = "", settings.accelerator in ("gpu", "cuda")
    if on_gpu and not count:
        problem = f"accelerator={settings.accelerator}: this machine has no GPU that torch can use. "
        problem += "Leave trainer=gpu out to train on the CPU, or run it where there is a GPU."
    elif on_gpu and settings.devices > count:
        problem = f"devices={settings.devices}: there are {count} GPU(s). Give at most so many."
    elif settings.accelerator == "mps" and not torch.backends.mps.is_available():
        problem = "accelerator=mps: this machine has none. Leave it out to train on the CPU."
    if problem:
        raise ConfigError(f"config trainer.{problem}")


def warn_of_unused_files(config: TrainConfig) -> None:
    """Log a warning for each named file that no chosen task reads, with the tasks that would."""
    chosen, used = chosen_tasks(config), files_used(config)
    for file, path in _files_named(config).items():
        if file in used:
            continue
        tasks = [name for name, task in TASKS.items() if _kind(file) in task.files]
        able = [f"task=[{','.join([*chosen, name])}]" for name in tasks]
        if file == "playlists" and "contrastive" in chosen:
            able.append("task.contrastive.positives=playlist")
        hint = f"add a task that learns from it: {' or '.join(able)}"
        logger.warning("%s=%s is not used: %s", file, path, hint)
