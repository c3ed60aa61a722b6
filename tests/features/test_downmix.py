"""Several channels become one sound of which nothing is cancelled, whatever the size of blocks."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from audio_files import tune
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.features.decode import AudioStream, read_waveform
from soundkin.features.decoders import Source
from soundkin.features.downmix import SEGMENT_SAMPLES
from soundkin.features.frontends.log_mel import LogMelFrontEnd

RATE_HZ = 44_100
AS_IT_IS = LogMelFrontEnd(level_db=None, silence_db=None)
MONO = tune(RATE_HZ, 4.0).mean(1)


def audio(channels: np.ndarray, sizes: tuple[int, ...] = ()) -> AudioStream:
    bounds = [0, *np.minimum(np.cumsum(sizes, dtype=int), len(channels)), len(channels)]
    blocks = [channels[start:stop].astype(np.float32) for start, stop in pairwise(bounds)]
    return AudioStream(
        Path("a"), RATE_HZ, Source("none", RATE_HZ, channels.shape[1], len(channels), iter(blocks))
    )


def frames(*channels: np.ndarray, front_end: LogMelFrontEnd = AS_IT_IS) -> torch.Tensor:
    return torch.cat(list(front_end.stream_audio(audio(np.stack(channels, axis=1)))))


def waveform(*channels: np.ndarray) -> np.ndarray:
    return np.concatenate([block.copy() for block in audio(np.stack(channels, axis=1))])


@pytest.mark.parametrize("chroma_bands", [0, 24])
@pytest.mark.parametrize("other", [-1.0, -0.98, -0.9, -1.1])
def test_opposite_channels_sound_as_they_do_alone(other: float, chroma_bands: int) -> None:
    front_end = AS_IT_IS.model_copy(update={"chroma_bands": chroma_bands})
    expected = frames(MONO, front_end=front_end)
    assert (frames(MONO, other * MONO, front_end=front_end) - expected).abs().max() < 0.15  # 0.6 dB
    assert (frames(MONO, MONO, front_end=front_end) - expected).abs().max() < 1e-4


def test_channels_that_agree_give_exactly_what_their_mean_gives() -> None:
    left, right = tune(RATE_HZ, 4.0).T + 0.005 * np.random.default_rng(0).normal(size=(2, len(MONO)))
    mean = AS_IT_IS.model_copy(update={"downmix": "mean"})
    assert torch.equal(frames(left, right), frames(left, right, front_end=mean))
    np.testing.assert_allclose(waveform(left, right), (left + right) / 2, atol=1e-6)


def test_the_mean_is_still_to_be_had() -> None:
    mean = AS_IT_IS.model_copy(update={"downmix": "mean"})
    assert not frames(MONO, -MONO, front_end=mean).any()


@pytest.mark.parametrize("place", range(6))
def test_one_channel_of_six(place: int) -> None:
    channels = [np.zeros_like(MONO)] * 6
    channels[place] = MONO
    assert (
        frames(*channels, front_end=LogMelFrontEnd()) - frames(MONO, front_end=LogMelFrontEnd())
    ).abs().max() < 0.02


def test_pairs_of_opposite_channels() -> None:
    found = frames(MONO, -MONO, MONO, -MONO)
    assert (found - frames(MONO)).abs().max() < 1e-3
    kept = waveform(MONO, -MONO, MONO, -MONO)
    assert abs(np.corrcoef(kept, MONO)[0, 1]) > 0.999


def test_what_sounds_in_phase_and_what_sounds_in_opposite_phase_are_both_there() -> None:
    time = np.arange(4 * RATE_HZ) / RATE_HZ
    low, high = 0.2 * np.sin(2 * np.pi * 300 * time), 0.2 * np.sin(2 * np.pi * 3_000 * time)
    found = frames(low + high, low - high).mean(0)
    expected = frames(low + high).mean(0)
    loud = expected > 8
    assert (found - expected)[loud].abs().max() < 0.2


def test_a_channel_that_turns_over_on_the_way_leaves_no_gap(tmp_path: Path) -> None:
    turned = np.where(np.arange(len(MONO)) < len(MONO) // 2, MONO, -MONO)
    difference = (frames(MONO, turned) - frames(MONO)).abs().max(dim=1).values
    assert (difference > 0.5).sum() <= 4  # frames with the seam in them
    soundfile.write(tmp_path / "a.wav", np.stack([MONO, turned], axis=1), RATE_HZ, "FLOAT")
    samples = read_waveform(tmp_path / "a.wav", RATE_HZ).samples
    power = np.square(samples).reshape(-1, 8_820).mean(1) / np.square(MONO).reshape(-1, 8_820).mean(1)
    assert power.min() > 0.3


@pytest.mark.parametrize("channels", [2, 3, 6])
@settings(max_examples=15, deadline=None)
@given(sizes=st.lists(st.integers(0, 3 * SEGMENT_SAMPLES), max_size=8).map(tuple))
def test_the_size_of_blocks_changes_nothing(channels: int, sizes: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    sound = random.normal(size=(50_000, channels)).astype(np.float32)
    sound[:, 1] -= np.linspace(0, 2, len(sound), dtype=np.float32) * sound[:, 0]
    whole = torch.cat(list(LogMelFrontEnd().stream_audio(audio(sound))))
    assert torch.equal(torch.cat(list(LogMelFrontEnd().stream_audio(audio(sound, sizes)))), whole)
    resampled = LogMelFrontEnd(
        sample_rate_hz=16_000, window_samples=512, hop_samples=256, high_hz=8_000.0, mel_bands=64
    )
    whole = torch.cat(list(resampled.stream_audio(audio(sound))))
    assert torch.equal(torch.cat(list(resampled.stream_audio(audio(sound, sizes)))), whole)
    mono = np.concatenate([block.copy() for block in audio(sound)])
    np.testing.assert_array_equal(np.concatenate([block.copy() for block in audio(sound, sizes)]), mono)


@pytest.mark.parametrize("rate_hz", [32_000, 48_000])
def test_opposite_channels_are_resampled_too(tmp_path: Path, rate_hz: int) -> None:
    mono = tune(rate_hz, 3.0).mean(1)
    soundfile.write(tmp_path / "mono.wav", mono, rate_hz, "FLOAT")
    soundfile.write(tmp_path / "opposite.wav", np.stack([mono, -mono], axis=1), rate_hz, "FLOAT")
    expected, found = (AS_IT_IS.frames(tmp_path / name) for name in ("mono.wav", "opposite.wav"))
    assert (found - expected).abs().max() < 1e-2


@pytest.mark.parametrize("rate_hz", [32_000, 48_000])
@pytest.mark.parametrize("channels", [2, 6])
def test_parts_that_come_and_go_are_resampled(tmp_path: Path, rate_hz: int, channels: int) -> None:
    """In phase, opposite, in phase, opposite: two seconds each."""
    mono = tune(rate_hz, 8.0).mean(1)
    signs = np.repeat([1, -1, 1, -1], 2 * rate_hz)
    soundfile.write(tmp_path / "mono.wav", mono, rate_hz, "FLOAT")
    turning = [mono if place % 2 == 0 else mono * signs for place in range(channels)]
    soundfile.write(tmp_path / "turning.wav", np.stack(turning, axis=1), rate_hz, "FLOAT")
    expected, found = (AS_IT_IS.frames(tmp_path / name) for name in ("mono.wav", "turning.wav"))
    assert len(found) == len(expected)
    apart = (found - expected).abs().max(dim=1).values
    assert (apart > 0.2).sum() <= 3 * 7  # frames near the three seams
    samples = read_waveform(tmp_path / "turning.wav", 22_050).samples
    assert len(samples) == len(read_waveform(tmp_path / "mono.wav", 22_050).samples)


def test_a_silent_file_of_many_channels_is_silent() -> None:
    silence = np.zeros(20_000)
    stream = audio(np.stack([silence] * 6, axis=1))
    assert not torch.cat(list(AS_IT_IS.stream_audio(stream))).any()
    assert stream.warnings == ["silent from start to end"]


def test_opposite_channels_are_not_called_silent() -> None:
    stream = audio(np.stack([MONO, -MONO], axis=1))
    assert list(stream.parts())
    assert stream.warnings == []
