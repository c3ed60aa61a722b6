import numpy as np
import pytest
from scipy.stats import t, ttest_1samp

from soundkin.statistics.false_discovery import confirmed, p_value


def test_the_p_value_is_a_t_test_on_the_error_of_the_draws():
    rng = np.random.default_rng(0)
    sample = rng.normal(0.3, 1, 40)
    draws = sample[rng.integers(40, size=(20_000, 40))].mean(axis=1)
    assert p_value(float(sample.mean()), draws, 40) == pytest.approx(ttest_1samp(sample, 0).pvalue, rel=0.1)
    assert p_value(2.0, np.array([1.0, 3.0]), 6) == pytest.approx(2 * t.sf(2, 5))


def test_without_spread_a_difference_is_sure_and_none_is_none():
    assert p_value(0.2, np.full(5, 0.2), 10) == 0.0
    assert p_value(0.0, np.zeros(5), 10) == 1.0
    assert p_value(0.0, np.zeros(0), 1) == 1.0


def test_draws_that_left_nothing_do_not_count():
    assert p_value(2.0, np.array([1.0, np.nan, 3.0]), 6) == p_value(2.0, np.array([1.0, 3.0]), 6)


def test_benjamini_and_hochbergs_own_example():
    """Fifteen p values of their paper (1995), section 3.2: at 5% the procedure names the first four."""
    published = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
    ]
    published += [0.6528, 0.7590, 1.0]
    assert confirmed(np.array(published)).tolist() == [True] * 4 + [False] * 11
    assert confirmed(np.array(published[::-1])).tolist() == [False] * 11 + [True] * 4
    assert confirmed(np.zeros(0)).tolist() == []
