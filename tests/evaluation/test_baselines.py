import librosa
import numpy as np
import pytest

from soundkin.evaluation.baselines import COEFFICIENTS, DELTA_FRAMES, mfcc_statistics, mfccs
from soundkin.statistics.scaling import standardise


@pytest.fixture
def log_mel():
    return np.random.default_rng(0).normal(size=(200, 96)).astype(np.float32).cumsum(axis=0)


def test_mfccs_agree_with_librosa(log_mel):
    expected = librosa.feature.mfcc(S=log_mel.T, n_mfcc=COEFFICIENTS, norm="ortho").T
    assert mfccs(log_mel) == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_statistics_agree_with_librosa(log_mel):
    coefficients = mfccs(log_mel)
    courses = [coefficients.T] + [
        librosa.feature.delta(coefficients.T, width=DELTA_FRAMES, order=order, mode="nearest")
        for order in (1, 2)
    ]
    expected = np.concatenate([np.r_[course.mean(axis=1), course.std(axis=1)] for course in courses])
    assert mfcc_statistics(coefficients) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_frames_may_come_in_blocks(log_mel):
    blocks = np.concatenate([mfccs(log_mel[:77]), mfccs(log_mel[77:])])
    assert np.array_equal(blocks, mfccs(log_mel))


@pytest.mark.parametrize("frames", [1, 3, 8])
def test_a_track_shorter_than_the_delta_window_has_statistics(frames):
    statistics = mfcc_statistics(mfccs(np.ones((frames, 96), dtype=np.float32)))
    assert statistics.shape == (6 * COEFFICIENTS,)
    assert np.isfinite(statistics).all()


def test_standardised_has_mean_zero_and_deviation_one_and_forgives_a_constant():
    vectors = np.random.default_rng(0).normal(3.0, 7.0, size=(50, 4))
    vectors[:, 2] = 5.0
    scaled = standardise(vectors)
    assert scaled.mean(axis=0) == pytest.approx(np.zeros(4), abs=1e-9)
    assert scaled.std(axis=0) == pytest.approx([1, 1, 0, 1])
