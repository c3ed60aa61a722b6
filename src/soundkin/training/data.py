"""The LightningDataModule: splits and log-mel cache prepared once, batches on every process."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from soundkin.audit.leaks import warn_of_leaks
from soundkin.catalog.sources import Sources
from soundkin.catalog.splits import SplitRule, make_split_rule
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.errors import CatalogError, ConfigError, Skipped
from soundkin.features.augment import AugmentConfig
from soundkin.features.cache import MelCache, build_cache
from soundkin.features.external import ExternalFrontEnd
from soundkin.features.front_ends import sounds_of
from soundkin.files import replacing
from soundkin.tasks import TASKS, ProxyTask
from soundkin.training.batches import Batch, Drawing, EpochSteps, HeldOutTracks, PatchBatches
from soundkin.training.config import TrainConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SplitTracks:
    """Tracks of one split that can be heard, and where their log-mels are in the cache."""

    catalog: Catalog
    keys: list[str]


@dataclass(frozen=True)
class PreparedData:
    """What a run trains on and watches itself on."""

    train: SplitTracks
    valid: SplitTracks
    sources: Sources
    split_rule: SplitRule
    cache: MelCache
    skipped: list[Skipped]


def prepare(config: TrainConfig) -> PreparedData:
    """Assign splits, fill the log-mel cache, and note both in `tracks.csv` and `skipped.csv` of the run's folder.

    Raises:
        CatalogError: no training track can be heard.
        ConfigError: frozen features are to be augmented as if they were log-mels.
    """
    if isinstance(config.features, ExternalFrontEnd):
        _refuse_changes_of_sound(config.data.augment)
    catalog = read_catalog(config.catalog, config.data.no_artist)
    rule = make_split_rule(catalog, config.data.split)
    splits = pd.Series(rule.assign(catalog))
    warn_of_leaks(catalog, splits.tolist())
    _check_early(config, _sources(config, catalog.select(splits.eq("train").to_numpy()), catalog))
    used = splits.isin(["train", "valid"]).to_numpy()
    folder = config.data.cache_folder or config.run_dir.parent / "cache"
    wanted = catalog.select(used)
    sounds = sounds_of(config.features, wanted.audio_paths(), wanted.track_ids)
    build = build_cache(sounds, config.features, folder, config.data.cache_workers, config.data.cache_seconds)
    key_of = dict(zip(wanted.track_ids, build.keys, strict=True))
    keys = pd.Series([key_of.get(track_id) for track_id in catalog.track_ids], dtype=object)
    _write_table(
        pd.DataFrame({"track_id": catalog.track_ids, "split": splits, "audio_hash": keys}),
        config.run_dir / "tracks.csv",
    )
    _write_table(pd.DataFrame(build.skipped, columns=["path", "reason"]), config.run_dir / "skipped.csv")

    def tracks_of(split: str) -> SplitTracks:
        mask = (splits.eq(split) & keys.notna()).to_numpy()
        return SplitTracks(catalog.select(mask), keys[mask].tolist())

    train, valid = tracks_of("train"), tracks_of("valid")
    if not train.keys:
        raise CatalogError(
            f"catalog {config.catalog}: no training track can be heard ({len(build.skipped)} of {len(wanted)} files "
            f"were skipped: see {config.run_dir / 'skipped.csv'}). Mend the files or the paths, and run again."
        )
    return PreparedData(train, valid, _sources(config, train.catalog, catalog), rule, build.cache, build.skipped)


def _sources(config: TrainConfig, train: Catalog, all_tracks: Catalog) -> Sources:
    return Sources(train, config.ratings, config.triplets, config.playlists, all_tracks)


def _check_early(config: TrainConfig, sources: Sources) -> None:
    """Complain about what tasks would complain about later: hearing the tracks may take hours."""
    chosen = [TASKS[name] for name, settings in config.task if settings is not None]
    for task in chosen:
        for file in task.files:
            getattr(sources, f"read_{file}")(task.name)
    for file in ("ratings", "triplets"):
        if getattr(sources, file) and not any(file in task.files for task in chosen):
            able = [name for name, task in TASKS.items() if file in task.files]
            logger.warning("%s=%s is not used: add a task that learns from it (%s)", file, getattr(sources, file), able)


class PatchData(pl.LightningDataModule):
    """Gives Lightning its loaders over prepared data."""

    def __init__(self, data: PreparedData, config: TrainConfig, tasks: Sequence[ProxyTask]) -> None:
        super().__init__()
        self.data = data
        self.config = config
        self.drawing = Drawing(
            batch_patches=config.data.batch_patches,
            tracks_per_artist=config.data.tracks_per_artist,
            most_patches=config.data.most_patches,
            views=max(task.views for task in tasks),
            groups=tuple(task.together().numpy() for task in tasks),
            group_share=config.data.group_share,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Random balanced batches; as many an epoch as hear each track once, unless the config says otherwise."""
        tracks = self.data.train
        trainer = self.trainer
        heard_once = -(-len(tracks.keys) // (self.drawing.tracks * (trainer.world_size if trainer else 1)))
        batches = PatchBatches(
            self.data.cache,
            tracks.keys,
            tracks.catalog.artists.groups,
            self.config.patch.frames,
            self.drawing,
            self.config.random_seed,
            trainer.global_rank if trainer else 0,
        )
        steps = EpochSteps(self.config.trainer.steps_per_epoch or heard_once)
        return DataLoader(batches, batch_size=None, sampler=steps, num_workers=self.config.data.loader_workers)

    def val_dataloader(self) -> Sequence[DataLoader[Batch]]:
        """Held-out tracks, one at a time; no loader where there are none."""
        if not self.data.valid.keys:
            return []
        held_out = HeldOutTracks(
            self.data.cache, self.data.valid.keys, self.config.patch, self.config.data.validation_patches
        )
        return [DataLoader(held_out, batch_size=None, shuffle=False)]


def _refuse_changes_of_sound(augment: AugmentConfig) -> None:
    """What a change does to log-mels it does not do to another encoder's numbers; masks hide either."""
    for name in ("gain_db", "tilt_db", "stretch", "shift_bands"):
        if getattr(augment, name):
            raise ConfigError(
                f"config data.augment.{name}={getattr(augment, name)} changes log-mels, and frozen features are none. "
                f"Leave it out, or set it to 0; model.dropout and masks still serve."
            )


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with replacing(path, "w") as file:
        table.to_csv(file, index=False)
