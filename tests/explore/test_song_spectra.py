"""Spectra of songs: the same as librosa's, whose import takes longer than they do."""

import librosa
import numpy as np
import pytest

from made_songs import sung
from soundkin.explore.song_spectra import HOP_SAMPLES, RATE_HZ, chroma_frames, log_mel_frames, onset_strength

SONG = sung("AB", beats=8, tempo=100.0)
SILENCE = np.zeros(3 * RATE_HZ, np.float32)


@pytest.mark.parametrize("samples", [SONG, SILENCE, SONG[:100]], ids=["song", "silence", "a click"])
def test_log_mel_and_onsets_are_those_of_librosa(samples: np.ndarray) -> None:
    mel = librosa.feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=2_048, hop_length=HOP_SAMPLES, n_mels=96
    )
    expected = librosa.power_to_db(mel, ref=1.0)
    found = log_mel_frames(samples)
    np.testing.assert_allclose(found.T, expected, atol=0.1)
    onsets = librosa.onset.onset_strength(S=expected, sr=RATE_HZ, hop_length=HOP_SAMPLES)
    np.testing.assert_allclose(onset_strength(found), onsets, atol=0.1)


def test_blocks_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = log_mel_frames(SONG)
    monkeypatch.setattr("soundkin.explore.song_spectra.FRAMES_A_BLOCK", 7)
    np.testing.assert_allclose(log_mel_frames(SONG), whole, atol=1e-3)


@pytest.mark.parametrize("cents", [-40, -30, 0, 30, 40])
def test_a_chord_keeps_its_pitch_classes_in_any_tuning(cents: int) -> None:
    seconds = np.arange(3 * RATE_HZ) / RATE_HZ
    notes = [220.0 * 2 ** ((semitones + cents / 100) / 12) for semitones in (0, 4, 7)]  # A, C sharp, E
    chord = sum(0.1 * np.sin(2 * np.pi * hz * seconds) for hz in notes).astype(np.float32)
    found = chroma_frames(chord)[8:-8].mean(axis=0)
    assert set(np.argsort(found)[-3:].tolist()) == {9, 1, 4}
    assert np.sort(found)[-4] < 0.5 * np.sort(found)[-3]


def test_silence_has_no_chroma() -> None:
    assert not chroma_frames(SILENCE).any()
    assert chroma_frames(SONG).max(axis=1).min() == 1.0
