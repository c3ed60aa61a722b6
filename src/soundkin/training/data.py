"""The LightningDataModule: splits and log-mel cache prepared once, batches on every process."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytorch_lightning as pl
from torch.utils.data import DataLoader

from soundkin.audit.leaks import warn_of_leaks
from soundkin.catalog.sources import Sources
from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError, ConfigError, Skipped
from soundkin.features.cache import MelCache, build_cache
from soundkin.features.front_ends import track_inputs
from soundkin.files import replacing
from soundkin.tasks import ProxyTask
from soundkin.training.batches import Batch, Drawing, EpochSteps, HeldOutTracks, PatchBatches
from soundkin.training.plan import Plan
from soundkin.training.run_config import TrainConfig


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


def prepare(plan: Plan) -> PreparedData:
    """Fill the log-mel cache with the tracks of `plan`; writes `tracks.csv` and `skipped.csv` into the run's
    folder.

    Raises:
        CatalogError: no training track can be decoded.
        ConfigError: a run that goes on here began with other audio.
    """
    config, catalog, splits = plan.config, plan.catalog, pd.Series(plan.splits)
    warn_of_leaks(catalog, splits.tolist())
    used = splits.isin(["train", "valid"]).to_numpy()
    folder = config.data.cache_folder or config.run_dir.parent / "cache"
    wanted = catalog.select(used)
    sounds = track_inputs(config.features, wanted.audio_paths(), wanted.track_ids)
    build = build_cache(sounds, config.features, folder, config.data.cache_workers, config.data.cache_seconds)
    key_of = dict(zip(wanted.track_ids, build.keys, strict=True))
    keys = pd.Series([key_of.get(track_id) for track_id in catalog.track_ids], dtype=object)
    tracks = pd.DataFrame({"track_id": catalog.track_ids, "split": splits, "audio_hash": keys})
    _refuse_other_audio(tracks, config.run_dir)
    _write_table(tracks, config.run_dir / "tracks.csv")
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
    return PreparedData(
        train, valid, plan.sources(train.catalog), plan.split_rule, build.cache, build.skipped
    )


def _refuse_other_audio(tracks: pd.DataFrame, run_dir: Path) -> None:
    """A run that goes on from a checkpoint goes on with the tracks it began with."""
    if not ((run_dir / "checkpoints" / "last.ckpt").exists() and (run_dir / "tracks.csv").exists()):
        return
    before = pd.read_csv(run_dir / "tracks.csv", dtype=str, keep_default_na=False)
    both = before.merge(tracks.fillna(""), on="track_id", suffixes=("_before", ""))
    changed = both["track_id"][both["audio_hash_before"] != both["audio_hash"]]
    if len(changed):
        raise ConfigError(
            f"run_dir={run_dir} holds a run on other audio: {len(changed)} track(s) have changed, such as "
            f"{changed.iloc[0]}. Choose another run_dir, or remove that folder."
        )


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
            groups=tuple(task.co_batched_groups().numpy() for task in tasks),
            group_share=config.data.group_share,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Random balanced batches; as many an epoch as hear each track once, unless the config says
        otherwise.
        """
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
        return DataLoader(
            batches, batch_size=None, sampler=steps, num_workers=self.config.data.loader_workers
        )

    def val_dataloader(self) -> Sequence[DataLoader[Batch]]:
        """Held-out tracks, one at a time; no loader where there are none."""
        if not self.data.valid.keys:
            return []
        held_out = HeldOutTracks(
            self.data.cache, self.data.valid.keys, self.config.patch, self.config.data.validation_patches
        )
        return [DataLoader(held_out, batch_size=None, shuffle=False)]


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with replacing(path, "w") as file:
        table.to_csv(file, index=False)
