import librosa
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from soundkin.errors import UsageError
from soundkin.evaluation.baselines import DELTA_FRAMES, mfccs
from soundkin.experiments.codeword_regressions import (
    COEFFICIENTS,
    FRAMES_AT_ONCE,
    Examples,
    codeword_shares,
    fit_codewords,
    fit_linear,
    fit_perceptron,
    with_differences,
)

CENTRES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def around_centres(of_centre, random_seed=0):
    """A frame near each of the numbered centres."""
    of_centre = np.asarray(of_centre)
    return CENTRES[of_centre] + 0.3 * np.random.default_rng(random_seed).normal(size=(len(of_centre), 2))


@pytest.fixture(scope="module")
def codebook():
    return fit_codewords(around_centres(np.arange(400) % 4), codewords=4, random_seed=0)


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
    scaler, means = codebook
    centres = scaler.inverse_transform(means.cluster_centers_)
    distances = np.linalg.norm(centres[:, None] - CENTRES, axis=2)
    assert sorted(distances.argmin(axis=1)) == [0, 1, 2, 3]
    assert distances.min(axis=1).max() < 0.3


def test_a_bag_holds_the_share_of_each_codeword(codebook):
    order = [int(codeword_shares(codebook, around_centres([centre])).argmax()) for centre in range(4)]
    bag = codeword_shares(codebook, around_centres([0] * 5 + [2] * 3 + [3] * 2))
    assert bag[order] == pytest.approx([0.5, 0.0, 0.3, 0.2])


def test_every_frame_is_counted_for_its_nearest_codeword():
    rng = np.random.default_rng(0)
    codebook = fit_codewords(rng.normal(size=(500, 39)), codewords=30)
    frames = rng.normal(size=(70, 39))
    scaler, means = codebook
    nearest = np.linalg.norm(scaler.transform(frames)[:, None] - means.cluster_centers_, axis=2).argmin(
        axis=1
    )
    assert codeword_shares(codebook, frames) * 70 == pytest.approx(np.bincount(nearest, minlength=30))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_a_bag_forgets_the_order_of_frames_and_the_length_of_the_track(codebook, of_centre, random):
    shuffled = random.sample(of_centre, len(of_centre))
    bag = codeword_shares(codebook, CENTRES[of_centre])
    assert bag.sum() == pytest.approx(1.0)
    assert codeword_shares(codebook, CENTRES[shuffled + shuffled]) == pytest.approx(bag)


def test_a_long_track_is_taken_in_blocks(codebook):
    of_centre = np.random.default_rng(0).integers(0, 4, FRAMES_AT_ONCE + 100)
    bag = codeword_shares(codebook, around_centres(of_centre))
    assert sorted(bag * len(of_centre)) == pytest.approx(sorted(np.bincount(of_centre)), abs=0.01)


def test_no_frames_make_an_empty_bag_and_a_constant_coefficient_does_not_matter(codebook):
    assert not codeword_shares(codebook, np.zeros((0, 2))).any()
    frames = np.concatenate([around_centres(np.arange(80) % 4), np.full((80, 1), 7.0)], axis=1)
    assert np.isfinite(codeword_shares(fit_codewords(frames, codewords=4), frames)).all()


def test_the_same_sample_and_seed_give_the_same_codewords():
    sample = np.random.default_rng(0).normal(size=(300, 5))
    one, same, other = (fit_codewords(sample, 20, seed)[-1].cluster_centers_ for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


REGRESSORS = {"linear": fit_linear, "perceptron": lambda *examples: fit_perceptron(*examples, hidden=64)}


def constructed(tracks, function, noise=0.0, random_seed=0, scale=1e-3):
    """Bags that are as small as shares of thousands of codewords are, and factors made from them."""
    rng = np.random.default_rng(random_seed)
    hidden = rng.normal(size=(tracks, 3))
    mixing = np.random.default_rng(99).normal(size=(3, 12))
    factors = function(hidden)
    return Examples(scale * hidden @ mixing, factors + noise * rng.normal(size=factors.shape))


def line(hidden):
    return 0.1 * hidden @ np.array([[1.0, 0.0], [2.0, -1.0], [0.0, 0.5]]) + 3.0


def bend(hidden):
    return np.abs(hidden[:, :2])


def explained(regression, examples):
    """Share of the variance that is predicted; 0 for always saying the mean."""
    left = np.mean((regression(examples.described) - examples.factors) ** 2)
    return 1 - left / np.mean((examples.factors - examples.factors.mean(axis=0)) ** 2)


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_line_is_learnt_by_both(name):
    regression = REGRESSORS[name](constructed(200, line), constructed(50, line, random_seed=1))
    assert explained(regression, constructed(50, line, random_seed=2)) > 0.97


@pytest.mark.slow
def test_a_bend_is_learnt_by_the_perceptron_alone():
    examples = constructed(400, bend), constructed(100, bend, random_seed=1)
    unseen = constructed(100, bend, random_seed=2)
    assert explained(fit_linear(*examples), unseen) < 0.2
    assert explained(REGRESSORS["perceptron"](*examples), unseen) > 0.8


def test_linear_regression_agrees_with_the_normal_equations():
    """Without noise the weakest regularisation is chosen, on the components that keep 95% of the variance."""
    train, valid = constructed(100, line), constructed(30, line, random_seed=1)
    components = PCA(0.95).fit(train.described)
    inputs = np.c_[components.transform(train.described), np.ones(100)]
    weights = np.linalg.lstsq(inputs, train.factors, rcond=None)[0]
    expected = np.c_[components.transform(valid.described), np.ones(30)] @ weights
    assert fit_linear(train, valid)(valid.described) == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", REGRESSORS)
def test_where_there_is_nothing_to_learn_the_validation_tracks_hold_back(name):
    rng = np.random.default_rng(0)
    train, valid, unseen = (
        Examples(rng.normal(size=(n, 30)), rng.normal(size=(n, 2))) for n in (40, 200, 200)
    )
    assert explained(REGRESSORS[name](train, valid), unseen) > -0.5
    components = PCA(0.95).fit(train.described)
    inputs = np.c_[components.transform(train.described), np.ones(40)]
    weights = np.linalg.lstsq(inputs, train.factors, rcond=None)[0]
    unrestrained = np.c_[components.transform(unseen.described), np.ones(200)] @ weights
    assert explained(lambda _: unrestrained, unseen) < -0.5


def test_nothing_is_fitted_to_validation_tracks():
    train = constructed(100, line)
    other = Examples(train.described[:20] + 5e-3, -train.factors[:20])
    near, far = (fit_linear(train, valid)(train.described) for valid in (train, other))
    assert np.abs(near - train.factors).max() < np.abs(far - train.factors).max()  # far chose to shrink
    assert far.mean(axis=0) == pytest.approx(train.factors.mean(axis=0), abs=1e-3)  # towards its own mean


@pytest.mark.parametrize("name", REGRESSORS)
def test_one_factor_is_a_column_like_any_other(name):
    def one(hidden):
        return line(hidden)[:, :1]

    regression = REGRESSORS[name](constructed(100, one), constructed(30, one, random_seed=1))
    predicted = regression(constructed(7, one).described)
    assert predicted.shape == (7, 1)
    assert predicted.dtype == np.float32


@pytest.mark.slow
def test_the_same_seed_gives_the_same_perceptron():
    examples = constructed(60, line, noise=0.1), constructed(30, line, random_seed=1)
    one, same, other = (
        fit_perceptron(*examples, seed, hidden=16)(examples[0].described) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", REGRESSORS)
def test_too_few_tracks_and_tracks_all_alike_are_refused(name):
    some = constructed(10, line)
    with pytest.raises(UsageError, match="1 training and"):
        REGRESSORS[name](constructed(1, line), some)
    with pytest.raises(UsageError, match="0 validation tracks"):
        REGRESSORS[name](some, constructed(0, line))
    with pytest.raises(UsageError, match="described alike"):
        REGRESSORS[name](Examples(np.ones((10, 4)), some.factors), some)
