from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Generator, Tensor

from soundkin.config import validate
from soundkin.errors import ConfigError
from soundkin.features.augment import (
    AugmentConfig,
    add_noise,
    augment,
    change_level,
    mask,
    narrow,
    shift_mels,
    stretch_time,
)
from soundkin.features.decode import AudioStream
from soundkin.features.distortions import pink_noise
from soundkin.features.frontends.log_mel import LogMelFrontEnd

ALL = AugmentConfig(
    gain_db=6,
    tilt_db=6,
    stretch=0.2,
    shift_bands=2,
    time_masks=2,
    time_mask_frames=9,
    mel_masks=2,
    mel_mask_bands=5,
    noise_share=0.5,
    narrow_share=0.5,
)


def seeded(random_seed: int = 0) -> Generator:
    return Generator().manual_seed(random_seed)


def patches(count: int = 3) -> Tensor:
    return torch.rand(count, 24, 60, generator=seeded()) * 15


def test_default_changes_nothing() -> None:
    assert torch.equal(augment(patches(), AugmentConfig(), seeded(), 24), patches())


def test_generator_decides_and_input_is_kept() -> None:
    batch = patches()
    first, second = (augment(batch, ALL, seeded(1), 24) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(batch, patches())
    assert not torch.equal(first, augment(batch, ALL, seeded(2), 24))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_all_together_stay_in_shape_and_range(random_seed: int, count: int) -> None:
    found = augment(patches(count), ALL, seeded(random_seed), 24)
    assert found.shape == (count, 24, 60)
    assert found.isfinite().all()
    assert (found >= 0).all()
    assert (found <= 15 + 2.1).all()  # 9 dB are 2.07 in natural logarithms of power


def test_gain_adds_a_constant_per_item_far_above_the_floor() -> None:
    loud = patches(50) + 10
    change = change_level(loud, 6.0, 0.0, seeded()) - loud
    assert change.flatten(1).std(1).max() < 1e-3
    per_item = change[:, 0, 0] * 10 / torch.log(torch.tensor(10.0))
    assert -6.01 < per_item.min() < -4
    assert 4 < per_item.max() < 6.01


def test_level_keeps_silence_silent() -> None:
    assert not change_level(torch.zeros(2, 24, 60), 20.0, 20.0, seeded()).any()


def test_tilt_turns_around_the_middle_band() -> None:
    loud = torch.full((50, 25, 4), 12.0)
    change = (change_level(loud, 0.0, 6.0, seeded()) - loud)[:, :, 0]
    torch.testing.assert_close(change[:, 12], torch.zeros(50), rtol=0, atol=1e-4)
    torch.testing.assert_close(change[:, 0], -change[:, -1], rtol=0, atol=1e-3)
    assert change.abs().max() < 3.01 * torch.log(torch.tensor(10.0)) / 10


@pytest.mark.parametrize(("warp", "axis"), [(stretch_time, 2), (shift_mels, 1)])
def test_warps_of_a_ramp_are_ramps(warp: Callable[[Tensor, float, Generator], Tensor], axis: int) -> None:
    shape = [1, 1, 1]
    shape[axis] = -1
    ramp = torch.arange(100.0).reshape(shape).expand(8, 100, 100).clone()
    found = warp(ramp, 0.2, seeded()).select(3 - axis, 0)[:, 20:80]
    steps = found.diff(dim=1)
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), rtol=0, atol=1e-4)
    if axis == 2:
        assert 0.8 <= steps.min() < steps.max() <= 1.2
        middle = warp(ramp, 0.2, seeded())[:, 0, 49:51].mean(1)
        torch.testing.assert_close(middle, torch.full((8,), 49.5), rtol=0, atol=1e-3)
    else:
        torch.testing.assert_close(steps, torch.ones_like(steps), rtol=0, atol=1e-4)
        assert (found[:, 0] - 20).abs().max() <= 0.2


def test_noise_has_the_level_it_says_and_spares_the_others() -> None:
    music = torch.log1p(torch.full((400, 24, 60), 1e4))
    noisy = add_noise(music, 0.5, seeded())
    changed = (noisy != music).any(2).any(1)
    assert 150 < int(changed.sum()) < 250
    added = torch.expm1(noisy[changed]) - 1e4
    snr_db = 10 * torch.log10(24 * 1e4 / added.mean(2).sum(1))
    assert float(snr_db.min()) > -5 and float(snr_db.max()) < 20 and float(snr_db.std()) > 4
    silence = torch.zeros(8, 24, 60)
    assert torch.equal(add_noise(silence, 1.0, seeded()), silence)


def test_noise_is_like_pink_noise_through_the_front_end() -> None:
    front_end = LogMelFrontEnd(level_db=None, silence_db=None)
    heard = pink_noise((22_050 * 10,), 22_050, np.random.default_rng(0)) * 0.05
    audio = AudioStream.from_array(heard[:, None], 22_050, "noise")
    real = torch.expm1(torch.cat(list(front_end.stream_audio(audio)))).T
    music = torch.log1p(torch.full((600, front_end.mel_bands, 90), 1e3))
    made = torch.expm1(add_noise(music, 1.0, seeded())) - 1e3
    likeness = torch.corrcoef(torch.stack([made.mean((0, 2)), real.mean(1)]))[0, 1]
    assert likeness > 0.9
    cv = (made.std(2) / made.mean(2)).mean(0)
    assert (cv - real.std(1) / real.mean(1)).abs().mean() < 0.15


def test_narrowing_takes_whole_ends_of_the_spectrum() -> None:
    batch = torch.ones(300, 50, 10)
    narrowed = narrow(batch, 0.5, seeded())
    kept = narrowed.mean(2)
    changed = (kept < 1).any(1)
    assert 110 < int(changed.sum()) < 190
    for bands in kept[changed]:
        first, last = int(bands.argmax()), 49 - int(bands.flip(0).argmax())
        assert bands[first : last + 1].all() and first <= 6 and last >= 19, "one run of bands stays"


def test_short_patches_are_warped_too() -> None:
    for frames in (1, 2, 3):
        batch = torch.rand(4, frames, frames, generator=seeded())
        assert stretch_time(batch, 0.9, seeded()).shape == batch.shape
        assert shift_mels(batch, 0.9, seeded()).isfinite().all()


@settings(max_examples=30, deadline=None)
@given(st.sampled_from([-1, -2]), st.integers(1, 3), st.integers(1, 80), st.integers(0, 1_000))
def test_masks_hide_whole_runs(axis: int, masks: int, longest: int, random_seed: int) -> None:
    batch = patches()
    found = mask(batch, axis, masks, longest, seeded(random_seed))
    changed = found != batch
    across = -2 if axis == -1 else -1
    lines = changed.all(across)
    assert torch.equal(changed, lines.unsqueeze(across).expand_as(changed))
    assert lines.sum(1).max() <= min(masks * longest, batch.shape[axis])
    for item, hidden in zip(found, changed, strict=True):
        assert (item[hidden] == item[hidden][:1]).all()


def test_masks_differ_between_items_and_reach_everywhere() -> None:
    batch = torch.rand(400, 24, 60, generator=seeded())
    changed = (mask(batch, -1, 1, 10, seeded()) != batch).all(1)
    assert changed.any(0).all(), "the first and the last frame too"
    assert changed.sum(1).unique().tolist() == list(range(11))


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"time_masks": 2, "time_mask_frames": 0}, "time_mask_frames"),
        ({"gain_db": -1}, "gain_db"),
        ({"gian_db": 1}, "gain_db"),
    ],
)
def test_settings_that_do_not_fit(values: dict[str, float], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        validate(AugmentConfig, values)


def test_what_is_behind_the_mel_bands_is_stretched_and_else_left_alone() -> None:
    batch, chroma = patches(), torch.rand(3, 12, 60, generator=seeded(5))
    together = torch.cat([batch, chroma], dim=1)
    found = augment(together, ALL.model_copy(update={"stretch": 0.0}), seeded(1), 24)
    assert torch.equal(found[:, 24:], chroma)
    assert torch.equal(found[:, :24], augment(batch, ALL.model_copy(update={"stretch": 0.0}), seeded(1), 24))
    stretched = augment(together, AugmentConfig(stretch=0.2), seeded(1), 24)
    assert torch.equal(stretched, stretch_time(together, 0.2, seeded(1)))
