import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
import torch
import torchaudio
from audio_files import tune
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from soundkin.config import validate
from soundkin.errors import AudioError, ConfigError
from soundkin.features.frontends.log_mel import BLOCK_FRAMES, LogMel, LogMelFrontEnd
from soundkin.units import samples_to_frames

FRONT_ENDS = [
    LogMelFrontEnd(),
    LogMelFrontEnd(
        sample_rate_hz=16_000,
        window_samples=512,
        hop_samples=256,
        mel_bands=64,
        high_hz=8_000,
        mel_scale="htk",
    ),
    LogMelFrontEnd(
        sample_rate_hz=44_100,
        window_samples=2_048,
        hop_samples=1_024,
        mel_bands=128,
        low_hz=0,
        high_hz=16_000,
    ),
]


AS_IT_IS = LogMelFrontEnd(level_db=None, silence_db=None)


def mono(front_end: LogMelFrontEnd, seconds: float = 3.0) -> Tensor:
    return torch.from_numpy(tune(front_end.sample_rate_hz, seconds).mean(1))


def power_of(log_mel: Tensor, front_end: LogMelFrontEnd) -> Tensor:
    """Undo the compression: mel power against a full-scale sine."""
    return torch.expm1(log_mel.double()) * 10 ** (front_end.floor_db / 10)


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_agrees_with_torchaudio(front_end: LogMelFrontEnd) -> None:
    reference = torchaudio.transforms.MelSpectrogram(
        sample_rate=front_end.sample_rate_hz,
        n_fft=front_end.window_samples,
        hop_length=front_end.hop_samples,
        n_mels=front_end.mel_bands,
        f_min=front_end.low_hz,
        f_max=front_end.high_hz,
        mel_scale=front_end.mel_scale,
        center=False,
    )
    expected = (
        reference(mono(front_end)).T.double() * (2 / torch.hann_window(front_end.window_samples).sum()) ** 2
    )
    found = power_of(LogMel(front_end)(mono(front_end)), front_end)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_agrees_with_librosa(front_end: LogMelFrontEnd) -> None:
    librosa = pytest.importorskip("librosa")
    expected = (
        librosa.feature.melspectrogram(
            y=mono(front_end).numpy(),
            sr=front_end.sample_rate_hz,
            n_fft=front_end.window_samples,
            hop_length=front_end.hop_samples,
            n_mels=front_end.mel_bands,
            fmin=front_end.low_hz,
            fmax=front_end.high_hz,
            htk=front_end.mel_scale == "htk",
            norm=None,
            center=False,
        ).T
        * float(2 / torch.hann_window(front_end.window_samples).sum()) ** 2
    )
    found = power_of(LogMel(front_end)(mono(front_end)), front_end).numpy()
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=1e-12)


def test_full_scale_sine_by_hand() -> None:
    """A sine on a bin has power 1 there and, under a Hann window, 1/4 in both neighbours: the triangles weigh
    them.
    """
    front_end = LogMelFrontEnd()
    sine = torch.sin(2 * math.pi * 46 / 1_024 * torch.arange(22_050))  # bin 46, 991 Hz
    bank = front_end.filterbank()
    expected = torch.log(1 + (bank[46] + (bank[45] + bank[47]) / 4) / 1e-8)
    audible = expected > 8  # the leaks of rounding are below
    torch.testing.assert_close(LogMel(front_end)(sine)[7, audible], expected[audible], rtol=1e-4, atol=1e-4)
    assert audible.sum() >= 2


def test_silence_is_zero() -> None:
    assert not LogMel(LogMelFrontEnd())(torch.zeros(10_000)).any()


@settings(max_examples=10, deadline=None)
@given(st.floats(-30, 10))
def test_a_change_of_level_adds_a_constant(gain_db: float) -> None:
    front_end = LogMelFrontEnd(floor_db=-160)
    loud = LogMel(front_end)(mono(front_end, 0.5))
    changed = LogMel(front_end)(mono(front_end, 0.5) * 10 ** (gain_db / 20))
    expected = gain_db * math.log(10) / 10
    torch.testing.assert_close(changed - loud, torch.full_like(loud, expected), rtol=0, atol=0.05)


SMALL = LogMelFrontEnd(sample_rate_hz=8_000, window_samples=64, hop_samples=24, mel_bands=8, high_hz=4_000)
NOISE = torch.randn(40_000, generator=torch.Generator().manual_seed(0))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 15_000), min_size=1, max_size=5))
def test_blocks_of_any_size_give_the_same_frames(sizes: list[int]) -> None:
    log_mel = LogMel(SMALL)
    waveform = torch.cat([NOISE, NOISE])[: sum(sizes) + 1]
    found = torch.cat(list(log_mel.stream(waveform[None].split([*sizes, 1], dim=1))))
    assert torch.equal(found, log_mel(waveform))
    assert len(found) == max(1, samples_to_frames(len(waveform), 64, 24))


@settings(max_examples=40, deadline=None)
@given(st.integers(64, len(NOISE)))
def test_a_frame_does_not_depend_on_what_follows(samples: int) -> None:
    found = LogMel(SMALL)(NOISE[:samples])
    assert torch.equal(found, LogMel(SMALL)(NOISE)[: len(found)])


def test_frame_covers_its_samples() -> None:
    waveform = torch.zeros(22_050)
    waveform[10 * 735 + 200] = 1.0  # in frames 9 and 10 only
    audible = LogMel(LogMelFrontEnd())(waveform).any(1).nonzero().flatten().tolist()
    assert audible == [9, 10]


@pytest.mark.parametrize("samples", [1, 1_023, 1_024, 1_025, 1_758, 1_759])
def test_short_waveforms(samples: int) -> None:
    found = LogMel(LogMelFrontEnd())(torch.ones(samples))
    assert found.shape == (2 if samples >= 1_759 else 1, 96)
    assert found.isfinite().all()


def test_threads_and_autocast_change_nothing() -> None:
    log_mel, waveform = LogMel(LogMelFrontEnd()), mono(LogMelFrontEnd())
    expected = log_mel(waveform)
    threads = torch.get_num_threads()
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            assert torch.equal(log_mel(waveform), expected)
    finally:
        torch.set_num_threads(threads)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(log_mel(waveform), expected)


# Other sample rates


@pytest.mark.parametrize(
    ("sample_rate_hz", "largest"),
    [
        (44_100, 0.01),
        (88_200, 0.01),
        (176_400, 0.01),
        (48_000, 0.1),
        (32_000, 0.1),
        (96_000, 0.1),
        (44_056, 0.1),
    ],
)
def test_other_rates_give_the_same_frames(tmp_path: Path, sample_rate_hz: int, largest: float) -> None:
    """At multiples of 22.05 kHz without resampling, at others with; 0.1 are 0.4 dB, in bands near silence."""
    low = tune(22_050).mean(1)
    high = soxr.resample(low, 22_050, sample_rate_hz, quality="VHQ")
    soundfile.write(tmp_path / "a.wav", high, sample_rate_hz, "FLOAT")
    expected = LogMel(AS_IT_IS)(torch.from_numpy(low))
    found = AS_IT_IS.frames(tmp_path / "a.wav")
    assert abs(len(found) - len(expected)) <= 1
    difference = (found[2:120] - expected[2:120]).abs()
    assert difference.max() < largest
    assert difference.mean() < largest / 10


def test_low_rates_have_silent_upper_bands() -> None:
    found = LogMel(LogMelFrontEnd(window_samples=1_024, hop_samples=512), 11_025)(
        torch.randn(11_025, generator=torch.Generator().manual_seed(0))
    )
    assert not found[:, -10:].any()
    assert found[:, :50].all()


def test_rates_without_whole_windows() -> None:
    assert LogMelFrontEnd().window_and_hop_at(44_100) == (2_048, 1_470)
    assert LogMelFrontEnd().window_and_hop_at(88_200) == (4_096, 2_940)
    assert LogMelFrontEnd().window_and_hop_at(32_000) is None
    with pytest.raises(ConfigError, match="32000"):
        LogMel(LogMelFrontEnd(), 32_000)


# Files


def test_a_file_is_its_waveform(audio: Callable[[str], Path]) -> None:
    front_end = AS_IT_IS
    samples, sample_rate_hz = soundfile.read(audio("wav"), dtype="float32")
    stream = front_end.stream(audio("wav"))
    found = torch.cat(list(stream))
    expected = LogMel(front_end, sample_rate_hz)(
        torch.from_numpy((samples[:, 0] + samples[:, 1]) * np.float32(0.5))
    )
    assert torch.equal(found, expected)
    assert stream.duration_seconds == 3.0
    assert stream.warnings == ()


@pytest.mark.parametrize("kind", ["mp3", "ogg", "m4a", "opus"])
def test_same_file_same_frames(audio: Callable[[str], Path], kind: str) -> None:
    first, second = (LogMelFrontEnd().frames(audio(kind)) for _ in range(2))
    assert torch.equal(first, second)


def test_stream_of_a_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tune(44_100, 12.0), 44_100)
    stream = AS_IT_IS.stream(tmp_path / "a.wav", seconds=11.0)
    blocks = list(stream)
    assert [len(block) for block in blocks] == [BLOCK_FRAMES] * (329 // BLOCK_FRAMES) + [329 % BLOCK_FRAMES]
    assert torch.equal(torch.cat(blocks), AS_IT_IS.frames(tmp_path / "a.wav")[:329])
    assert stream.duration_seconds == 11.0


def test_no_frames_of_an_empty_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 44_100)
    with pytest.raises(AudioError, match="0 samples"):
        LogMelFrontEnd().frames(tmp_path / "a.wav")


def test_golden_frames() -> None:
    """The default front end is a contract with every model trained on it: a change here breaks them all."""
    golden = json.loads((Path(__file__).parent / "golden_log_mel.json").read_text())
    time = torch.arange(22_050, dtype=torch.float64) / 22_050
    sweep = (0.5 * torch.sin(2 * math.pi * (50 * time + 4_900 * time**2))).float()
    assert LogMelFrontEnd().model_dump() == golden["front_end"]
    torch.testing.assert_close(
        LogMel(LogMelFrontEnd())(sweep)[::7, ::12], torch.tensor(golden["frames"]), rtol=0, atol=2e-3
    )


# Settings


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"hop_samples": 1_200}, "hop_samples=1200"),
        ({"window_samples": 1_023}, "window_samples=1023 should be a multiple of 2"),
        ({"high_hz": 12_000.0}, "high_hz=12000.0"),
        ({"low_hz": 11_000.0}, "low_hz=11000.0"),
        ({"mel_bands": 300}, "mel_bands=300"),
        ({"mel_scale": "bark"}, "slaney"),
        ({"mel_band": 64}, "Did you mean mel_bands?"),
        ({"floor_db": 3.0}, "floor_db"),
    ],
)
def test_settings_that_do_not_fit(values: dict[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint.replace("?", r"\?")):
        validate(LogMelFrontEnd, values, "features")


def test_content_hash_tells_front_ends_apart() -> None:
    assert len({front_end.content_hash() for front_end in FRONT_ENDS}) == 3
    assert LogMelFrontEnd().frames_per_second == pytest.approx(30.0)
