"""Batches are balanced, repeatable, and made of patches of the tracks."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundkin.features.patches import PatchConfig
from soundkin.training.batches import EpochSteps, EvenPatches, RandomPatches, cut_patch
from soundkin.training.ranks import Rank
from soundkin.training.run_config import DataConfig

MELS = 4


@dataclass
class ArraysInMemory:
    """Log-mels by key, as the cache on disk gives them."""

    arrays: dict[str, np.ndarray]

    def log_mel(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def frames(self, key: str) -> int:
        return len(self.arrays[key])


def counting(track: int, frames: int) -> np.ndarray:
    """Log-mels whose every value says which track and frame it is."""
    return np.repeat(track * 1000 + np.arange(frames, dtype=np.float32)[:, None], MELS, axis=1)


ARTISTS = ["many"] * 20 + ["few", "few"] + ["one"]
CACHE = ArraysInMemory(
    {str(track): counting(track % 50, 12 if track % 3 else 5) for track in range(len(ARTISTS))}
)


def batches(seed: int = 0) -> RandomPatches:
    return RandomPatches(
        CACHE,
        list(CACHE.arrays),
        np.unique(ARTISTS, return_inverse=True)[1],
        8,
        DataConfig(batch_patches=6),
        seed,
    )  # type: ignore[arg-type]


def test_a_batch_is_a_function_of_seed_epoch_and_step() -> None:
    first, again = batches()[(3, 5)], batches()[(3, 5)]
    assert torch.equal(first["log_mel"], again["log_mel"]) and torch.equal(first["rows"], again["rows"])
    for different in (batches(seed=1)[(3, 5)], batches()[(4, 5)], batches()[(3, 6)]):
        assert not torch.equal(first["log_mel"], different["log_mel"])


@pytest.mark.parametrize("count", [2, 3])
def test_ranks_read_their_shares_of_the_batch_of_one_process(count: int) -> None:
    whole = long_batches(12, most_patches=3, views=2)[(1, 2)]
    parts = [
        long_batches(12, most_patches=3, views=2, rank=Rank(number, count))[(1, 2)] for number in range(count)
    ]
    assert all(torch.equal(part["rows"], whole["rows"]) for part in parts)
    for name in ("log_mel", "lengths"):
        assert torch.equal(torch.cat([part[name] for part in parts]), whole[name])  # type: ignore[literal-required]


def test_artists_come_evenly_however_many_tracks_they_have() -> None:
    drawn = Counter(ARTISTS[row] for step in range(200) for row in batches()[(0, step)]["rows"].tolist())
    assert drawn["many"] == pytest.approx(drawn["few"], rel=0.2)
    assert drawn["one"] >= 200


def test_patches_stand_in_their_track() -> None:
    for step in range(20):
        batch = batches()[(0, step)]
        assert batch["log_mel"].shape == (6, MELS, 8) and batch["log_mel"].dtype == torch.float32
        for patch, row in zip(batch["log_mel"], batch["rows"].tolist(), strict=True):
            frames = (patch[0] - (row % 50) * 1000).tolist()
            length = len(CACHE.arrays[str(row)])
            assert frames == [(frames[0] + offset) % length for offset in range(8)]


LONG = ArraysInMemory({str(track): counting(track, 40) for track in range(12)})


def long_batches(batch_patches: int, most_patches: int = 1, **more: Any) -> RandomPatches:
    settings = DataConfig(batch_patches=batch_patches, most_patches=most_patches)
    return RandomPatches(LONG, list(LONG.arrays), np.arange(12), 8, settings, 0, **more)  # type: ignore[arg-type]


@given(most=st.integers(1, 6), views=st.integers(1, 3), step=st.integers(0, 50))
def test_runs_are_patches_in_a_row(most: int, views: int, step: int) -> None:
    drawn = long_batches(12, most, views=views)[(0, step)]
    assert len(drawn["rows"]) == len(drawn["lengths"]) and drawn["lengths"].sum() == len(drawn["log_mel"])
    assert drawn["lengths"].min() >= 1 and drawn["lengths"].max() <= min(most, 5)
    runs = drawn["log_mel"].split(drawn["lengths"].tolist())
    for run, row in zip(runs, drawn["rows"].tolist(), strict=True):
        frames = run[:, 0].flatten() - row * 1000
        assert torch.equal(frames, frames[0] + torch.arange(len(frames)))


def test_views_of_a_track_come_from_different_parts_of_it() -> None:
    for step in range(20):
        drawn = long_batches(8, views=2)[(0, step)]
        assert drawn["rows"].tolist()[::2] == drawn["rows"].tolist()[1::2]
        starts = drawn["log_mel"][:, 0, 0] % 1000
        assert (starts[::2] < starts[1::2]).all()


def test_groups_meet_in_a_batch() -> None:
    groups = (np.array([[0, 5, 11], [1, 2, 3]]), np.array([[7, 9]]), np.empty((0, 1), dtype=np.int64))
    for step in range(20):
        rows = long_batches(12, groups=groups)[(0, step)]["rows"].tolist()
        assert len(rows) == 12
        assert {0, 5, 11} <= set(rows) or {1, 2, 3} <= set(rows)
        assert {7, 9} <= set(rows)


def test_a_short_track_is_played_again() -> None:
    assert cut_patch(counting(0, 3), 0, 8)[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]


def test_held_out_patches_reach_from_beginning_to_end() -> None:
    tracks = EvenPatches(
        ArraysInMemory({"a": counting(0, 100)}), ["a"], PatchConfig(frames=8, hop_frames=8), 4
    )  # type: ignore[arg-type]
    log_mel = tracks[0]["log_mel"]
    assert log_mel.shape == (4, MELS, 8)
    assert log_mel[0, 0, 0] == 0 and log_mel[-1, 0, -1] == 99


def test_the_sampler_names_the_epoch_that_lightning_sets() -> None:
    steps = EpochSteps(2)
    steps.set_epoch(7)
    assert list(steps) == [(7, 0), (7, 1)] and len(steps) == 2


@pytest.mark.parametrize("batch_patches", [1, 4, 6])
def test_a_small_batch_too_holds_a_group_of_each_kind(batch_patches: int) -> None:
    groups = (np.array([[7, 9]]), np.array([[0, 5, 11]]), np.empty((0, 1), dtype=np.int64))
    for step in range(20):
        drawn = long_batches(batch_patches, 3, views=2, groups=groups)[(0, step)]
        assert {0, 5, 7, 9, 11} == set(drawn["rows"].tolist())
