"""Batches of random patches, each a function of (random seed, epoch, step) alone: so a run can resume.

Of several ranks each reads its share of the same batch.

A batch draws artists evenly and a few tracks of each, so that an artist with many tracks weighs no more.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from soundkin.features.cache import MelCache
from soundkin.features.patches import PatchConfig, patch_starts
from soundkin.shapes import Int
from soundkin.training.ranks import ALONE, Rank
from soundkin.training.run_config import DataConfig

MOST_VECTORS = 512  # in a batch


class Batch(TypedDict, total=False):
    """Patches `log_mel` [patches, mels, frames], one track's after another's; `lengths` [tracks] says how
    many each has: of this rank's share of the tracks.

    `rows` [tracks] are rows of the task targets, of the whole batch; a track may be in it several times.
    Where heads alone learn, `vectors` [tracks, embedding] take the place of patches and lengths. For tasks
    that are trained on examples: `examples` [examples, mels, frames] and `answers` [examples, answers].
    """

    log_mel: Tensor
    lengths: Tensor
    vectors: Tensor
    rows: Tensor
    examples: Tensor
    answers: Tensor


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


@dataclass
class RandomPatches(Dataset[Batch]):
    """Batches of random runs of patches, drawn as `settings` say; `artists` numbers the tracks' lead artists.

    A track contributes `views` runs from different parts of it. `groups` are arrays [groups, size] of rows to
    meet in one batch.
    """

    cache: MelCache
    keys: list[str]
    artists: Int[np.ndarray, " tracks"]
    patch_frames: int
    settings: DataConfig
    random_seed: int
    views: int = 1
    groups: Sequence[np.ndarray] = ()
    rank: Rank = ALONE

    def __post_init__(self) -> None:
        self.groups = [group for group in self.groups if len(group)]
        numbers = np.unique(self.artists, return_inverse=True)[1]
        order = np.argsort(numbers, kind="stable")
        self.rows_of_artist = np.split(order, np.cumsum(np.bincount(numbers))[:-1])
        group_sizes = sum(int(group.shape[1]) for group in self.groups)
        patches_per_track = self.views * (1 + self.settings.most_patches) / 2
        # How many different tracks a batch holds: at least a group of each kind, and one a rank.
        self.tracks = max(
            2, group_sizes, self.rank.count, round(self.settings.batch_patches / patches_per_track)
        )

    def __getitem__(self, epoch_and_step: tuple[int, int]) -> Batch:
        generator = self._generator(epoch_and_step)
        rows = np.repeat(self._draw_rows(generator), self.views)
        keys = [self.keys[row] for row in rows]
        drawn = [
            self._draw_run(self.cache.frames(key), number % self.views, generator)
            for number, key in enumerate(keys)
        ]
        share = self.rank.share(len(rows))
        runs = [self._cut_run(key, *run) for key, run in zip(keys[share], drawn[share], strict=True)]
        return {
            "log_mel": to_network_input(np.concatenate(runs)),
            "lengths": torch.tensor([len(run) for run in runs]),
            "rows": torch.from_numpy(rows),
        }

    def _generator(self, epoch_and_step: tuple[int, int]) -> np.random.Generator:
        return np.random.default_rng((self.random_seed, 0, *epoch_and_step))

    def _draw_rows(self, generator: np.random.Generator) -> np.ndarray:
        """One group of each kind or more, then artists in random order and a few tracks of each."""
        wanted = self.tracks
        rows: list[int] = []
        for number, groups in enumerate(self.groups, start=1):
            enough = wanted * self.settings.group_share * number / len(self.groups)
            for drawn, group in enumerate(generator.integers(len(groups), size=wanted)):
                if drawn and len(rows) + groups.shape[1] > enough:
                    break
                rows += groups[group].tolist()
        while len(rows) < wanted:
            for artist in generator.permutation(len(self.rows_of_artist)):
                own = self.rows_of_artist[artist]
                rows += generator.permutation(own)[: self.settings.tracks_per_artist].tolist()
                if len(rows) >= wanted:
                    break
        return np.asarray(rows[:wanted], dtype=np.int64)

    def _draw_run(self, frames: int, view: int, generator: np.random.Generator) -> tuple[int, int]:
        """How many patches in a row, and the first one's frame, in the part of a track of this view."""
        patches = int(generator.integers(1, self.settings.most_patches + 1))
        patches = max(1, min(patches, frames // self.patch_frames))
        room = max(1, frames - patches * self.patch_frames + 1)
        first = room * view // self.views
        past = max(first + 1, room * (view + 1) // self.views)
        return patches, int(generator.integers(first, past))

    def _cut_run(self, key: str, patches: int, start: int) -> np.ndarray:
        """The patches, [run, patch frames, mels]."""
        run = cut_patch(self.cache.log_mel(key), start, patches * self.patch_frames)
        return run.reshape(patches, self.patch_frames, -1)


@dataclass(kw_only=True)
class RandomVectors(RandomPatches):
    """Batches of the `vectors` [tracks, embedding] of tracks, drawn as their patches would be."""

    vectors: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()  # vectors cost nothing: more of them in a batch, but several batches an epoch
        self.tracks = max(self.tracks, min(MOST_VECTORS, len(self.keys) // 8))

    def __getitem__(self, epoch_and_step: tuple[int, int]) -> Batch:
        rows = self._draw_rows(self._generator(epoch_and_step))
        return {"vectors": self.vectors[rows], "rows": torch.from_numpy(rows)}


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
