"""Batches of random patches, each a function of (random seed, epoch, step, rank) alone: so a run can resume.

A batch draws artists evenly and a few tracks of each, so that an artist with many tracks weighs no more.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from soundkin.features.cache import MelCache
from soundkin.features.patches import PatchConfig, patch_starts
from soundkin.shapes import Int


class Batch(TypedDict):
    """Patches [patches, mels, frames], one track's after another's; `lengths` [tracks] says how many each
    has.

    `rows` [tracks] are rows of the task targets; a track may be in a batch several times.
    """

    log_mel: Tensor
    lengths: Tensor
    rows: Tensor


class EpochSteps(Sampler[tuple[int, int]]):
    """Yields (epoch, step); Lightning calls `set_epoch` before each epoch, also after a resume."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch of the next pass."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((self.epoch, step) for step in range(self.steps))

    def __len__(self) -> int:
        return self.steps


@dataclass(frozen=True)
class Sampling:
    """How tracks are drawn into a batch of about `batch_patches` patches.

    A track contributes `views` runs of 1 to `most_patches` patches. `groups` are arrays [groups, size] of
    rows to meet in one batch; `group_share` is the share of tracks that are drawn in groups.
    """

    batch_patches: int
    tracks_per_artist: int = 2
    most_patches: int = 1
    views: int = 1
    groups: tuple[np.ndarray, ...] = ()
    group_share: float = 0.5

    @property
    def tracks(self) -> int:
        """How many different tracks a batch holds: at least a group of each kind."""
        groups = sum(int(group.shape[1]) for group in self.groups if len(group))
        return max(2, groups, round(self.batch_patches / (self.views * (1 + self.most_patches) / 2)))


@dataclass
class RandomPatches(Dataset[Batch]):
    """Batches of random runs of patches of training tracks; `artists` numbers each track's lead artist."""

    cache: MelCache
    keys: list[str]
    artists: Int[np.ndarray, " tracks"]
    patch_frames: int
    sampling: Sampling
    seed_and_rank: tuple[int, int]

    def __post_init__(self) -> None:
        self.groups = [group for group in self.sampling.groups if len(group)]
        numbers = np.unique(self.artists, return_inverse=True)[1]
        order = np.argsort(numbers, kind="stable")
        self.rows_of_artist = np.split(order, np.cumsum(np.bincount(numbers))[:-1])

    def __getitem__(self, epoch_and_step: tuple[int, int]) -> Batch:
        generator = np.random.default_rng((*self.seed_and_rank, *epoch_and_step))
        views = self.sampling.views
        rows = self._draw_rows(generator)
        runs = [
            self._draw_run(self.cache.log_mel(self.keys[row]), view, generator)
            for row in rows
            for view in range(views)
        ]
        return {
            "log_mel": to_network_input(np.concatenate(runs)),
            "lengths": torch.tensor([len(run) for run in runs]),
            "rows": torch.from_numpy(np.repeat(rows, views)),
        }

    def _draw_rows(self, generator: np.random.Generator) -> np.ndarray:
        """One group of each kind or more, then artists in random order and a few tracks of each."""
        wanted = self.sampling.tracks
        rows: list[int] = []
        for number, groups in enumerate(self.groups, start=1):
            enough = wanted * self.sampling.group_share * number / len(self.groups)
            for drawn, group in enumerate(generator.integers(len(groups), size=wanted)):
                if drawn and len(rows) + groups.shape[1] > enough:
                    break
                rows += groups[group].tolist()
        while len(rows) < wanted:
            for artist in generator.permutation(len(self.rows_of_artist)):
                own = self.rows_of_artist[artist]
                rows += generator.permutation(own)[: self.sampling.tracks_per_artist].tolist()
                if len(rows) >= wanted:
                    break
        return np.asarray(rows[:wanted], dtype=np.int64)

    def _draw_run(self, log_mel: np.ndarray, view: int, generator: np.random.Generator) -> np.ndarray:
        """Patches in a row, [run, patch frames, mels], from the part of the track that is this view's."""
        patches = int(generator.integers(1, self.sampling.most_patches + 1))
        patches = max(1, min(patches, len(log_mel) // self.patch_frames))
        room = max(1, len(log_mel) - patches * self.patch_frames + 1)
        first = room * view // self.sampling.views
        past = max(first + 1, room * (view + 1) // self.sampling.views)
        run = cut_patch(log_mel, int(generator.integers(first, past)), patches * self.patch_frames)
        return run.reshape(patches, self.patch_frames, -1)


@dataclass
class EvenPatches(Dataset[Batch]):
    """At most `most_patches` patches spread evenly over each track; one item per track."""

    cache: MelCache
    keys: list[str]
    patch: PatchConfig
    most_patches: int

    def __getitem__(self, row: int) -> Batch:
        log_mel = self.cache.log_mel(self.keys[row])
        starts = patch_starts(len(log_mel), self.patch)
        places = np.linspace(0, len(starts) - 1, min(len(starts), self.most_patches))
        chosen = np.unique(places.round().astype(int))
        patches = [cut_patch(log_mel, starts[number], self.patch.frames) for number in chosen]
        return {
            "log_mel": to_network_input(np.stack(patches)),
            "lengths": torch.tensor([len(patches)]),
            "rows": torch.tensor([row]),
        }

    def __len__(self) -> int:
        return len(self.keys)


def cut_patch(log_mel: np.ndarray, start: int, patch_frames: int) -> np.ndarray:
    """The patch that begins at frame `start`; a track shorter than a patch is repeated from its beginning."""
    if len(log_mel) < patch_frames:
        log_mel = np.resize(log_mel, (patch_frames, log_mel.shape[1]))
    return log_mel[start : start + patch_frames]


def to_network_input(patches: np.ndarray) -> Tensor:
    """[batch, frames, mels] of any float type to float32 [batch, mels, frames]."""
    return torch.from_numpy(patches.astype(np.float32)).transpose(1, 2)
