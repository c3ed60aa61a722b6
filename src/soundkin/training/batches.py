"""Batches of random patches, each a function of (random seed, epoch, step, rank) alone, so that a run can resume.

A batch draws artists evenly and a few tracks of each: an artist with a thousand tracks weighs no more than one with
ten.
"""

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from soundkin.features.cache import MelCache
from soundkin.features.patches import PatchConfig, patch_starts


class Batch(TypedDict):
    """Patches [batch, mels, frames] and the row of the task targets that belongs to each."""

    log_mel: Tensor
    rows: Tensor


class EpochSteps(Sampler[tuple[int, int]]):
    """Yields (epoch, step); Lightning calls `set_epoch` before each epoch, also after a resume."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Tell which epoch the next pass is."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, step) for step in range(self.steps))

    def __len__(self) -> int:
        return self.steps


class PatchBatches(Dataset[Batch]):
    """Random patches of training tracks, balanced over artists."""

    def __init__(
        self,
        cache: MelCache,
        keys: list[str],
        artists: list[str],
        patch_frames: int,
        batch_patches: int,
        tracks_per_artist: int,
        random_seed: int,
        rank: int = 0,
    ) -> None:
        self.cache = cache
        self.keys = keys
        self.patch_frames = patch_frames
        self.batch_patches = batch_patches
        self.tracks_per_artist = tracks_per_artist
        self.seed = (random_seed, rank)
        numbers = np.unique(np.asarray(artists), return_inverse=True)[1]
        order = np.argsort(numbers, kind="stable")
        self.rows_of_artist = np.split(order, np.cumsum(np.bincount(numbers))[:-1])

    def __getitem__(self, epoch_and_step: tuple[int, int]) -> Batch:
        generator = np.random.default_rng((*self.seed, *epoch_and_step))
        rows = self._draw_rows(generator)
        patches = [random_patch(self.cache.log_mel(self.keys[row]), self.patch_frames, generator) for row in rows]
        return {"log_mel": to_network_input(np.stack(patches)), "rows": torch.from_numpy(rows)}

    def _draw_rows(self, generator: np.random.Generator) -> np.ndarray:
        """Rows of a batch: artists in random order, up to `tracks_per_artist` tracks of each, until it is full."""
        rows: list[int] = []
        while len(rows) < self.batch_patches:
            for artist in generator.permutation(len(self.rows_of_artist)):
                own = self.rows_of_artist[artist]
                rows += generator.permutation(own)[: self.tracks_per_artist].tolist()
                if len(rows) >= self.batch_patches:
                    break
        return np.asarray(rows[: self.batch_patches], dtype=np.int64)


class HeldOutTracks(Dataset[Batch]):
    """Patches spread evenly over each held-out track; one item a track."""

    def __init__(self, cache: MelCache, keys: list[str], patch: PatchConfig, most_patches: int) -> None:
        self.cache = cache
        self.keys = keys
        self.patch = patch
        self.most_patches = most_patches

    def __getitem__(self, row: int) -> Batch:
        log_mel = self.cache.log_mel(self.keys[row])
        starts = patch_starts(len(log_mel), self.patch)
        chosen = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), self.most_patches)).round().astype(int))
        patches = [cut_patch(log_mel, starts[number], self.patch.frames) for number in chosen]
        return {"log_mel": to_network_input(np.stack(patches)), "rows": torch.tensor([row])}

    def __len__(self) -> int:
        return len(self.keys)


def random_patch(log_mel: np.ndarray, patch_frames: int, generator: np.random.Generator) -> np.ndarray:
    """A patch of `patch_frames` frames that begins anywhere in the track: [frames, mels] -> [patch_frames, mels]."""
    return cut_patch(log_mel, int(generator.integers(max(1, len(log_mel) - patch_frames + 1))), patch_frames)


def cut_patch(log_mel: np.ndarray, start: int, patch_frames: int) -> np.ndarray:
    """The patch that begins at frame `start`; a track shorter than a patch is played again from its beginning."""
    if len(log_mel) < patch_frames:
        log_mel = np.resize(log_mel, (patch_frames, log_mel.shape[1]))
    return log_mel[start : start + patch_frames]


def to_network_input(patches: np.ndarray) -> Tensor:
    """[batch, frames, mels] of any float type to float32 [batch, mels, frames]."""
    return torch.from_numpy(patches.astype(np.float32)).transpose(1, 2)
