import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.evaluation.baselines import DELTA_FRAMES, mfccs
from soundkin.experiments.codewords import COEFFICIENTS, FRAMES_AT_ONCE, Codebook, with_differences

CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def around_centres(of_centre, random_seed=0):
    """A frame near each of the numbered centres."""
    of_centre = np.asarray(of_centre)
    return CENTRES[of_centre] + 0.3 * np.random.default_rng(random_seed).normal(size=(len(of_centre), 2))


@pytest.fixture(scope="module")
def codebook():
    return Codebook.fit(around_centres(np.arange(400) % 4), codewords=4, random_seed=0)


def test_differences_agree_with_librosa():
    log_mel = np.random.default_rng(0).normal(size=(200, 96)).astype(np.float32).cumsum(axis=0)
    coefficients = mfccs(log_mel)
    first = coefficients.T[:COEFFICIENTS]
    slopes = [
        librosa.feature.delta(first, width=DELTA_FRAMES, order=order, mode="nearest") for order in (1, 2)
    ]
    described = with_differences(coefficients)
    assert described.shape == (200, 39)
    assert described == pytest.approx(np.concatenate([first, *slopes]).T, rel=1e-3, abs=1e-3)


def test_codewords_are_the_centres_of_planted_clusters(codebook):
    found = codebook.codewords * codebook.spread + codebook.mean
    distances = np.linalg.norm(found[:, None] - CENTRES, axis=2)
    assert sorted(distances.argmin(axis=1)) == [0, 1, 2, 3]
    assert distances.min(axis=1).max() < 0.3


def test_a_bag_holds_the_share_of_each_codeword(codebook):
    order = [int(codebook.histogram(around_centres([centre])).argmax()) for centre in range(4)]
    bag = codebook.histogram(around_centres([0] * 5 + [2] * 3 + [3] * 2))
    assert bag[order] == pytest.approx([0.5, 0.0, 0.3, 0.2])


def test_every_frame_is_counted_for_its_nearest_codeword():
    rng = np.random.default_rng(0)
    codebook = Codebook.fit(rng.normal(size=(500, 39)), codewords=30)
    frames = rng.normal(size=(70, 39))
    standard = (frames - codebook.mean) / codebook.spread
    nearest = np.linalg.norm(standard[:, None] - codebook.codewords, axis=2).argmin(axis=1)
    assert codebook.histogram(frames) * 70 == pytest.approx(np.bincount(nearest, minlength=30))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_a_bag_forgets_the_order_of_frames_and_the_length_of_the_track(codebook, of_centre, random):
    shuffled = random.sample(of_centre, len(of_centre))
    bag = codebook.histogram(CENTRES[of_centre])
    assert bag.sum() == pytest.approx(1.0)
    assert codebook.histogram(CENTRES[shuffled + shuffled]) == pytest.approx(bag)


def test_a_long_track_is_taken_in_blocks(codebook):
    of_centre = np.random.default_rng(0).integers(0, 4, FRAMES_AT_ONCE + 100)
    bag = codebook.histogram(around_centres(of_centre))
    assert sorted(bag * len(of_centre)) == pytest.approx(sorted(np.bincount(of_centre)), abs=0.01)


def test_no_frames_make_an_empty_bag_and_a_constant_coefficient_does_not_matter(codebook):
    assert not codebook.histogram(np.zeros((0, 2))).any()
    frames = np.concatenate([around_centres(np.arange(80) % 4), np.full((80, 1), 7.0)], axis=1)
    assert np.isfinite(Codebook.fit(frames, codewords=4).histogram(frames)).all()


def test_the_same_sample_and_seed_give_the_same_codewords():
    sample = np.random.default_rng(0).normal(size=(300, 5))
    one, same, other = (Codebook.fit(sample, 20, seed).codewords for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_too_few_frames_are_refused():
    with pytest.raises(UsageError, match="3 frames cannot teach 4 codewords"):
        Codebook.fit(np.zeros((3, 39)), codewords=4)
