"""Tempo and beats: the same as librosa's, of onsets with and without a steady pulse."""

import librosa
import numpy as np
import pytest

from soundkin.explore.beats import estimate_tempo, track_beats

RATE_HZ, HOP_SAMPLES = 22_050, 512
FRAMES_A_SECOND = RATE_HZ / HOP_SAMPLES


def onsets(random_seed: int, period: float, frames: int = 2_000) -> np.ndarray:
    """Noise with a pulse, and a stretch without any sound at both ends."""
    random = np.random.default_rng(random_seed)
    curve = random.exponential(0.5, frames)
    curve[np.arange(40, frames - 60, period).astype(int)] += 4
    curve[:30] = curve[-50:] = 0
    return curve


@pytest.mark.parametrize("random_seed", range(6))
@pytest.mark.parametrize(("period", "tempo"), [(21.5, 120.0), (21.5, 60.2), (17.0, 150.0), (33.0, 95.0)])
def test_beats_are_those_of_librosa(random_seed, period, tempo):
    curve = onsets(random_seed, period)
    _, expected = librosa.beat.beat_track(
        onset_envelope=curve, sr=RATE_HZ, hop_length=HOP_SAMPLES, bpm=tempo, trim=False
    )
    np.testing.assert_array_equal(track_beats(curve, tempo, FRAMES_A_SECOND), expected)


@pytest.mark.parametrize("random_seed", range(3))
@pytest.mark.parametrize("period", [9.0, 17.0, 21.5, 33.0, 60.0])
@pytest.mark.parametrize("frames", [100, 2_000], ids=["two seconds", "a minute"])
def test_the_tempo_is_that_of_librosa(random_seed, period, frames):
    curve = onsets(random_seed, period, frames)
    [expected] = librosa.feature.tempo(onset_envelope=curve, sr=RATE_HZ, hop_length=HOP_SAMPLES)
    assert estimate_tempo(curve, FRAMES_A_SECOND) == pytest.approx(expected)
