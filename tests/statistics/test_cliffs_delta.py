import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from soundkin.statistics.cliffs_delta import cliffs_delta
from soundkin.statistics.false_discovery import confirmed

SECOND = np.arange(30) >= 12


def test_it_is_what_mann_whitneys_u_says() -> None:
    values = np.random.default_rng(0).integers(0, 9, 30).astype(float)  # with ties
    u = mannwhitneyu(values[SECOND], values[~SECOND]).statistic
    found = cliffs_delta(values, SECOND, np.arange(30), 0)
    assert found.value == pytest.approx(2 * u / (12 * 18) - 1)
    assert found.low is not None and found.low < found.value < found.high
    turned = cliffs_delta(-values, SECOND, np.arange(30), 0)
    assert (turned.value, turned.low) == pytest.approx((-found.value, -found.high))


def test_groups_widen_the_interval_and_few_of_them_leave_none() -> None:
    groups = np.repeat(np.arange(20), 6)
    second = groups >= 10
    values = np.random.default_rng(1).normal(size=20)[groups]
    by_group, by_item = (cliffs_delta(values, second, each, 0) for each in (groups, np.arange(120)))
    assert by_group.value == by_item.value
    assert by_group.high - by_group.low > 1.8 * (by_item.high - by_item.low)
    few = cliffs_delta(values, second, np.where(second, groups, groups % 7), 0)
    assert few.value == by_group.value and few[1:] == (None, None, None, 7)


def test_sides_that_do_not_overlap_are_not_known_for_certain() -> None:
    values = np.arange(16.0)
    found = cliffs_delta(values, values >= 8, np.arange(16), 0)
    assert found.value == 1 and found.low == 0.25 and found.high == 1 and found.p == 0
    turned = cliffs_delta(-values, values >= 8, np.arange(16), 0)
    assert turned.value == -1 and turned.low == -1 and turned.high == -0.25


@pytest.mark.slow
@pytest.mark.parametrize(("groups", "items"), [(8, 1), (8, 5), (30, 3)])
def test_where_nothing_differs_little_is_found(groups: int, items: int) -> None:
    rng = np.random.default_rng(2)
    numbers = np.repeat(np.arange(2 * groups), items)
    second, outside, named = numbers >= groups, 0, 0
    for _ in range(60):
        p_values = []
        for _ in range(5):
            values = rng.normal(size=2 * groups)[numbers] + rng.normal(size=len(numbers))
            found = cliffs_delta(values, second, numbers, 0)
            outside += not found.low <= 0 <= found.high
            p_values.append(found.p)
        named += bool(confirmed(np.array(p_values)).any())
    assert outside <= 0.1 * 300 and named <= 0.12 * 60
