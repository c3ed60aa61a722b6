import numpy as np
import pytest
from sklearn.decomposition import PCA

from soundkin.errors import UsageError
from soundkin.experiments.regressors import Examples, teach_linear, teach_perceptron

REGRESSORS = {"linear": teach_linear, "perceptron": lambda *examples: teach_perceptron(*examples, hidden=64)}


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
    """Share of the variance that is foretold; 0 for always saying the mean."""
    left = np.mean((regression(examples.described) - examples.factors) ** 2)
    return 1 - left / np.mean((examples.factors - examples.factors.mean(axis=0)) ** 2)


@pytest.mark.parametrize("name", REGRESSORS)
def test_a_line_is_learnt_by_both(name):
    regression = REGRESSORS[name](constructed(200, line), constructed(50, line, random_seed=1))
    assert explained(regression, constructed(50, line, random_seed=2)) > 0.97


def test_a_bend_is_learnt_by_the_perceptron_alone():
    examples = constructed(400, bend), constructed(100, bend, random_seed=1)
    unseen = constructed(100, bend, random_seed=2)
    assert explained(teach_linear(*examples), unseen) < 0.2
    assert explained(REGRESSORS["perceptron"](*examples), unseen) > 0.8


def test_linear_regression_agrees_with_the_normal_equations():
    """Without noise the weakest regularisation is chosen, on the components that keep 95% of the variance."""
    teaching, judging = constructed(100, line), constructed(30, line, random_seed=1)
    components = PCA(0.95).fit(teaching.described)
    inputs = np.c_[components.transform(teaching.described), np.ones(100)]
    weights = np.linalg.lstsq(inputs, teaching.factors, rcond=None)[0]
    expected = np.c_[components.transform(judging.described), np.ones(30)] @ weights
    assert teach_linear(teaching, judging)(judging.described) == pytest.approx(expected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", REGRESSORS)
def test_where_there_is_nothing_to_learn_the_judging_tracks_hold_back(name):
    rng = np.random.default_rng(0)
    teaching, judging, unseen = (
        Examples(rng.normal(size=(n, 30)), rng.normal(size=(n, 2))) for n in (40, 200, 200)
    )
    assert explained(REGRESSORS[name](teaching, judging), unseen) > -0.5
    components = PCA(0.95).fit(teaching.described)
    inputs = np.c_[components.transform(teaching.described), np.ones(40)]
    weights = np.linalg.lstsq(inputs, teaching.factors, rcond=None)[0]
    unrestrained = np.c_[components.transform(unseen.described), np.ones(200)] @ weights
    assert explained(lambda _: unrestrained, unseen) < -0.5


def test_the_judging_tracks_do_not_teach():
    teaching = constructed(100, line)
    other = Examples(teaching.described[:20] + 5e-3, -teaching.factors[:20])
    near, far = (teach_linear(teaching, judging)(teaching.described) for judging in (teaching, other))
    assert np.abs(near - teaching.factors).max() < np.abs(far - teaching.factors).max()  # far chose to shrink
    assert far.mean(axis=0) == pytest.approx(teaching.factors.mean(axis=0), abs=1e-3)  # towards its own mean


@pytest.mark.parametrize("name", REGRESSORS)
def test_one_factor_is_a_column_like_any_other(name):
    def one(hidden):
        return line(hidden)[:, :1]

    regression = REGRESSORS[name](constructed(100, one), constructed(30, one, random_seed=1))
    foretold = regression(constructed(7, one).described)
    assert foretold.shape == (7, 1)
    assert foretold.dtype == np.float32


def test_the_same_seed_gives_the_same_perceptron():
    examples = constructed(60, line, noise=0.1), constructed(30, line, random_seed=1)
    one, same, other = (
        teach_perceptron(*examples, seed, hidden=16)(examples[0].described) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("name", REGRESSORS)
def test_too_few_tracks_and_tracks_all_alike_are_refused(name):
    some = constructed(10, line)
    with pytest.raises(UsageError, match="1 tracks to teach"):
        REGRESSORS[name](constructed(1, line), some)
    with pytest.raises(UsageError, match="0 to judge"):
        REGRESSORS[name](some, constructed(0, line))
    with pytest.raises(UsageError, match="described alike"):
        REGRESSORS[name](Examples(np.ones((10, 4)), some.factors), some)
