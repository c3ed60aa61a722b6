"""What batches are made of, prepared once: log-mels in the cache, and lyrics as tokens."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from soundkin.audit.leaks import warn_of_leaks
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError, ConfigError, Skipped
from soundkin.features.cache import MelCache, build_cache
from soundkin.features.lyric_tokens import LyricTokenizer, pad
from soundkin.files import replacing
from soundkin.models import LyricsConfig, LyricTokens
from soundkin.training.frozen import StartVectors, start_vectors
from soundkin.training.plan import Plan
from soundkin.training.ranks import this_rank


@dataclass(frozen=True)
class SplitTracks:
    """The tracks of one split that could be decoded, and the keys of their log-mels in the cache."""

    catalog: Catalog
    keys: list[str]


@dataclass(frozen=True)
class PreparedData:
    """What a run trains on and is scored on: frames in the cache or, of heads alone, the start's vectors."""

    plan: Plan
    train: SplitTracks
    valid: SplitTracks
    cache: MelCache
    skipped: list[Skipped]
    vectors: StartVectors | None = None

    @property
    def sources(self) -> Sources:
        """What tasks are trained on."""
        return self.plan.sources.about(self.train.catalog)


def prepare(plan: Plan) -> PreparedData:
    """Cache the log-mels of the tracks in `plan`, or for heads alone the start's vectors; writes `tracks.csv`
    and `skipped.csv` into the run's folder.

    Raises CatalogError where no training track can be decoded, ConfigError where a resumed run has other
    audio.
    """
    config, catalog, splits = plan.config, plan.catalog, pd.Series(plan.splits)
    warn_of_leaks(catalog, splits.tolist())
    used = catalog.select(splits.isin(["train", "valid"]).to_numpy())
    folder = config.data.cache_folder or config.run_dir.parent / "cache"
    vectors = start_vectors(config, used, folder) if config.trainer.frozen else None
    if vectors is None:
        inputs = config.features.track_inputs(used.audio_paths(), used.track_ids)
        settings = config.data.cache_workers, config.data.cache_seconds
        build = build_cache(inputs, config.features, folder, *settings)
        cache, skipped = build.cache, build.skipped
        keys_of = dict(zip(used.track_ids, build.keys, strict=True))
    else:
        cache, skipped = MelCache(folder, config.features, config.data.cache_seconds), vectors.skipped
        keys_of = {track_id: vectors.keys.get(track_id) for track_id in used.track_ids}
    keys = pd.Series(catalog.track_ids).map(keys_of).astype(object)
    tracks = pd.DataFrame({"track_id": catalog.track_ids, "split": splits, "audio_hash": keys})
    _refuse_other_audio(tracks, config.run_dir)
    if this_rank().number == 0:
        _write_table(tracks, config.run_dir / "tracks.csv")
        _write_table(pd.DataFrame(skipped, columns=["path", "reason"]), config.run_dir / "skipped.csv")
    train, valid = (
        SplitTracks(catalog.select(decoded), keys[decoded].tolist())
        for decoded in ((splits.eq(split) & keys.notna()).to_numpy() for split in ("train", "valid"))
    )
    if not train.keys:
        counts = f"{len(skipped)} of {len(used)} files were skipped"
        raise CatalogError(
            f"catalog {config.catalog}: no training track can be read ({counts}: see "
            f"{config.run_dir / 'skipped.csv'}). Correct the files or the paths, and run again."
        )
    return PreparedData(plan, train, valid, cache, skipped, vectors)


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


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with replacing(path, "w") as file:
        table.to_csv(file, index=False)


class LyricTable:
    """Lyrics of training and held-out tracks as tokens, by a tokenizer trained on the former."""

    def __init__(self, config: LyricsConfig, data: PreparedData) -> None:
        training, held_out = (
            [data.plan.lyrics[track_id] for track_id in tracks.catalog.track_ids]
            for tracks in (data.train, data.valid)
        )
        self.tokenizer = LyricTokenizer.train(training, config.vocabulary_size)
        self.training = self.tokenizer.encode(training, config.most_tokens)
        self.held_out = self.tokenizer.encode(held_out, config.most_tokens)

    def padded(self, rows: Tensor, device: torch.device, held_out: bool = False) -> LyricTokens:
        """The tokens of these rows of the training tracks, or of the held-out ones."""
        table = self.held_out if held_out else self.training
        tokens, lengths = pad([table[row] for row in rows.tolist()])
        return LyricTokens(torch.from_numpy(tokens).to(device), torch.from_numpy(lengths).to(device))
