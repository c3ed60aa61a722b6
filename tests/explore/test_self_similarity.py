import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from made_songs import course
from soundkin.explore.self_similarity import novelty, self_similarity


@given(st.integers(2, 40), st.integers(1, 12))
def test_likeness_is_mutual_and_each_beat_is_like_itself(beats: int, smooth: int) -> None:
    features = np.random.default_rng(beats).standard_normal((beats, 5))
    found = self_similarity(features, smooth)
    assert np.allclose(found, found.T)
    assert np.allclose(np.diag(found), 1)
    assert np.abs(found).max() <= 1 + 1e-9


def test_smoothing_is_a_mean_over_beats_side_by_side() -> None:
    features = np.random.default_rng(0).standard_normal((9, 4))
    plain, smoothed = self_similarity(features), self_similarity(features, 3)
    assert np.isclose(smoothed[2, 5], (plain[1, 4] + plain[2, 5] + plain[3, 6]) / 3)
    assert np.isclose(smoothed[0, 4], (plain[0, 4] + plain[1, 5]) / 2)


def test_smoothing_brings_out_what_comes_again() -> None:
    melody = np.random.default_rng(0).standard_normal((20, 8))
    noise = np.random.default_rng(1).standard_normal((40, 8))
    found = self_similarity(np.vstack([melody, melody]) + 0.7 * noise, 8)
    again = np.diag(found, 20)[4:-4]
    assert again.min() > np.delete(found[10, :20], np.s_[6:15]).max()


def test_most_changes_where_sections_meet() -> None:
    found = novelty(self_similarity(course("AB", beats=24).vectors.astype(float)))
    assert abs(int(found.argmax()) - 24) <= 1
    assert found.max() == 1 and found.min() >= 0


def test_nothing_changes_in_one_beat() -> None:
    assert novelty(np.ones((1, 1))).tolist() == [0.0]
