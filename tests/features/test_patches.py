import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundkin.features.patches import PatchConfig, patch_starts, stream_patches, tile

configs = st.builds(PatchConfig, frames=st.integers(1, 40), hop_frames=st.integers(1, 60))


@pytest.mark.parametrize(
    ("frames", "starts"),
    [(1, [0]), (9, [0]), (10, [0]), (11, [0, 1]), (14, [0, 4]), (15, [0, 4, 5]), (18, [0, 4, 8])],
)
def test_starts_by_hand(frames: int, starts: list[int]) -> None:
    assert patch_starts(frames, PatchConfig(frames=10, hop_frames=4)) == starts


@given(st.integers(1, 300), st.integers(1, 40), st.data())
def test_patches_without_gaps_cover_the_track(frames: int, patch_frames: int, data: st.DataObject) -> None:
    hop_frames = data.draw(st.integers(1, patch_frames))
    starts = patch_starts(frames, PatchConfig(frames=patch_frames, hop_frames=hop_frames))
    covered = {frame for start in starts for frame in range(start, start + patch_frames)}
    assert covered >= set(range(frames))
    assert max(covered) < max(frames, patch_frames)
    assert starts == sorted(set(starts))


@given(st.lists(st.integers(1, 50), min_size=1, max_size=12), configs)
def test_streamed_patches_are_cut_at_the_starts(sizes: list[int], patch: PatchConfig) -> None:
    log_mel = torch.arange(float(sum(sizes)))[:, None].repeat(1, 2)
    found = list(stream_patches(log_mel.split(sizes), patch))
    assert [start for start, _ in found] == patch_starts(len(log_mel), patch)
    for start, cut in found:
        assert torch.equal(cut, tile(log_mel[start:], patch.frames))


@given(st.integers(1, 20), st.integers(1, 50))
def test_a_short_track_is_repeated(frames: int, patch_frames: int) -> None:
    found = tile(torch.arange(float(frames))[:, None], patch_frames)
    assert found[:, 0].tolist() == [frame % frames for frame in range(patch_frames)]


def test_nothing_gives_nothing() -> None:
    assert list(stream_patches([], PatchConfig())) == []
