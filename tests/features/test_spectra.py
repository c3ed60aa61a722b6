"""Chroma: notes by name, at any rate, in blocks of any size."""

import math
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
from soundkin.errors import ConfigError
from soundkin.features.frontends.log_mel import LogMel, LogMelFrontEnd
from soundkin.features.spectra import FRAMES_A_WINDOW, LOWEST_HZ, MelScale, mel_filterbank, pitch_filterbank

FRONT_END = LogMelFrontEnd(chroma_bands=24)
AS_IT_IS = LogMelFrontEnd(chroma_bands=24, level_db=None, silence_db=None)
SMALL = LogMelFrontEnd(
    sample_rate_hz=8_000, window_samples=64, hop_samples=24, mel_bands=8, high_hz=4_000, chroma_bands=12
)
NOISE = torch.randn(40_000, generator=torch.Generator().manual_seed(0))


@settings(deadline=None)
@given(
    sample_rate_hz=st.integers(4_000, 192_000),
    half_window=st.integers(8, 4_096),
    bands=st.integers(1, 160),
    edges=st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda edges: edges[0] < edges[1]),
    scale=st.sampled_from(["slaney", "htk"]),
)
@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
def test_mel_filterbank_is_torchaudios_bit_for_bit(
    sample_rate_hz: int, half_window: int, bands: int, edges: tuple[float, float], scale: MelScale
) -> None:
    """Models were trained on torchaudio's: other weights would be other vectors."""
    low_hz, high_hz = (edge * sample_rate_hz / 2 for edge in edges)
    found = mel_filterbank(sample_rate_hz, half_window + 1, bands, low_hz, high_hz, scale)
    expected = torchaudio.functional.melscale_fbanks(
        half_window + 1, low_hz, high_hz, bands, sample_rate_hz, None, scale
    )
    np.testing.assert_array_equal(found, expected)  # where corners coincide, both are NaN


def chroma_of(waveform: Tensor, front_end: LogMelFrontEnd = FRONT_END) -> Tensor:
    return LogMel(front_end)(waveform)[:, front_end.mel_bands :]


def note(midi: float, seconds: float = 2.0) -> Tensor:
    hz = 440 * 2 ** ((midi - 69) / 12)
    return (
        0.3
        * torch.sin(
            2 * math.pi * hz * torch.arange(int(seconds * 22_050), dtype=torch.float64) / 22_050
        ).float()
    )


def test_filterbank_is_the_triangles_it_claims_to_be() -> None:
    bank = pitch_filterbank(22_050, 5_121, 24).numpy()
    for pitch in (0, 50, 100, 143):
        centre = LOWEST_HZ * 2 ** (pitch / 24)
        reach = max(centre * (2 ** (1 / 24) - 1), 22_050 / 10_240)
        for place in range(0, 5_121, 7):
            expected = max(0.0, 1 - abs(place * 22_050 / 10_240 - centre) / reach)
            assert bank[place, pitch] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("midi", [48, 52, 55, 60, 63, 64, 67, 71, 76, 88])
def test_a_note_has_its_name_in_any_octave(midi: int) -> None:
    chroma = chroma_of(note(midi)).mean(dim=0)
    assert int(chroma.argmax()) == midi % 12 * 2


def test_a_major_chord_is_told_from_a_minor_one() -> None:
    for third, other in ((63, 64), (64, 63)):
        chroma = chroma_of(note(60) + note(third) + note(67)).mean(dim=0)
        assert chroma[third % 12 * 2] > 1.5 * chroma[other % 12 * 2]


def test_silence_is_zero_and_mels_stay_as_they_are() -> None:
    assert not LogMel(FRONT_END)(torch.zeros(20_000)).any()
    waveform = torch.from_numpy(tune(22_050).mean(1))
    assert torch.equal(LogMel(FRONT_END)(waveform)[:, :96], LogMel(LogMelFrontEnd())(waveform))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 15_000), min_size=1, max_size=5))
def test_blocks_of_any_size_give_the_same_frames(sizes: list[int]) -> None:
    log_mel = LogMel(SMALL)
    waveform = torch.cat([NOISE, NOISE])[: sum(sizes) + 1]
    assert torch.equal(
        torch.cat(list(log_mel.stream(waveform[None].split([*sizes, 1], dim=1)))), log_mel(waveform)
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(64 + 9 * 24, len(NOISE)))
def test_a_whole_group_does_not_depend_on_what_follows(samples: int) -> None:
    found = chroma_of(NOISE[:samples], SMALL)
    whole = len(found) // FRAMES_A_WINDOW * FRAMES_A_WINDOW
    torch.testing.assert_close(found[:whole], chroma_of(NOISE, SMALL)[:whole])


@pytest.mark.parametrize("samples", [1, 1_023, 1_024, 7_000])
def test_short_waveforms(samples: int) -> None:
    found = LogMel(FRONT_END)(torch.ones(samples))
    assert found.shape[1] == 120
    assert found.isfinite().all()


@pytest.mark.parametrize(("sample_rate_hz", "largest"), [(44_100, 0.01), (88_200, 0.01), (48_000, 0.1)])
def test_other_rates_give_the_same_chroma(tmp_path: Path, sample_rate_hz: int, largest: float) -> None:
    low = tune(22_050).mean(1)
    soundfile.write(
        tmp_path / "a.wav", soxr.resample(low, 22_050, sample_rate_hz, quality="VHQ"), sample_rate_hz, "FLOAT"
    )
    expected = chroma_of(torch.from_numpy(np.asarray(low)))
    found = AS_IT_IS.frames(tmp_path / "a.wav")[:, 96:]
    assert (found[10:120] - expected[10:120]).abs().max() < largest


def test_bands_between_the_semitones_are_refused() -> None:
    with pytest.raises(ConfigError, match="chroma_bands=20"):
        validate(LogMelFrontEnd, {"chroma_bands": 20}, "features")
