"""Heads alone (`trainer.frozen=true`): the network stays that of the start, and each track is heard once.

Vectors come from an embeddings folder (`embeddings=`), or are computed as `soundkin embed` does and kept next
to the cache of frames. The model that comes out has the hash of its start: its embeddings and indexes serve.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from soundkin.catalog.table import Catalog
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.default_model import model_folder, not_the_model
from soundkin.embedding.embed_tracks import embed_tracks
from soundkin.embedding.embedder import Embedder
from soundkin.embedding.store import read_embeddings, read_manifest
from soundkin.errors import ConfigError, Skipped
from soundkin.shapes import Float32
from soundkin.tasks import TASKS
from soundkin.training.run_config import RANDOM, TrainConfig
from soundkin.training.start import start_bundle


@dataclass(frozen=True)
class StartVectors:
    """What the start makes of a catalog's tracks, by track id; `keys` are the hashes of their audio."""

    vectors: Mapping[str, Float32[np.ndarray, " embedding"]]
    keys: Mapping[str, str]
    skipped: list[Skipped]

    def of(self, catalog: Catalog) -> Tensor:
        """Float [tracks, embedding] of a catalog's tracks, which all have a vector."""
        return torch.from_numpy(np.array([self.vectors[track_id] for track_id in catalog.track_ids]))


def check_frozen(config: TrainConfig) -> None:
    """Raise the ConfigError of a run of heads alone that cannot be one."""
    if not config.trainer.frozen:
        if config.embeddings is not None:
            problem = "trains the network, which hears tracks anew. Add trainer.frozen=true, or leave it out."
            raise ConfigError(f"config embeddings={config.embeddings}: this run {problem}")
        return
    if config.start == RANDOM:
        raise _refused("heads need a network that has learnt. Give start=default, or start=MODEL.")
    if config.trainer.devices * config.trainer.num_nodes > 1:
        raise _refused("heads alone take seconds in one process. Leave devices and num_nodes out.")
    bundle = _start(config)
    if config.model.lyrics or bundle.network_config.lyrics:
        raise _refused(
            "lyrics move vectors, and heads alone learn from sound. Choose a model without lyrics."
        )
    if config.model != bundle.network_config:
        raise _refused("the network is that of the start. Leave model.* out.")
    for name, task in TASKS.items():
        if getattr(config.task, name) is not None and (task.trained_on_examples or not task.has_head):
            raise _refused(f"the {name} task teaches the network, not a head. Set task.{name}=null.")
    if config.embeddings is not None:
        made_by = read_manifest(config.embeddings).model_hash
        if made_by != bundle.hash:
            folder = model_folder(config.start)
            problem = not_the_model(str(config.embeddings), made_by, folder, bundle.hash)
            raise ConfigError(f"config embeddings: {problem}. Embed with the start, or leave it out.")


def start_vectors(config: TrainConfig, tracks: Catalog, cache_folder: Path) -> StartVectors:
    """Read the start's vectors of `tracks`, or compute those that are not computed yet."""
    folder, skipped = config.embeddings, list[Skipped]()
    if folder is None:
        embedder = Embedder(_start(config))
        folder = cache_folder / f"vectors-{embedder.hash}"
        model, workers = model_folder(config.start), config.data.cache_workers
        skipped = embed_tracks(
            embedder, tracks, folder, model, config.catalog, workers, keep_others=True
        ).skipped
    embeddings = read_embeddings(folder)
    vectors = dict(zip(embeddings.track_ids, embeddings.vectors, strict=True))
    if config.embeddings is not None:
        both = zip(tracks.frame["path"], tracks.track_ids, strict=True)
        reason = f"no vector in {folder}"
        skipped = [Skipped(path, reason) for path, track_id in both if track_id not in vectors]
    keys = dict(zip(embeddings.track_ids, embeddings.audio_hashes, strict=True))
    return StartVectors(vectors, keys, skipped)


def _start(config: TrainConfig) -> Bundle:
    bundle = start_bundle(config)
    assert bundle is not None, "check_frozen refuses it"
    return bundle


def _refused(problem: str) -> ConfigError:
    return ConfigError(f"config trainer.frozen=true: {problem}")
