import tracemalloc

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from soundkin.statistics.bootstrap import (
    FEW_GROUPS,
    Interval,
    compare,
    draw_blocks,
    drawn_means,
    drawn_sums,
    too_few,
)
from soundkin.statistics.measure import Measure


def measure(scores, groups, weights=None):
    return Measure("retrieval", "genre", "mAP@10", "artist", scores, np.asarray(groups), weights)


def test_a_draw_counts_each_score_as_often_as_its_group_is_drawn():
    rng = np.random.default_rng(0)
    scores, groups = rng.random(30), np.arange(30) % 10
    draws = np.concatenate(list(draw_blocks(10, 50, 3)))
    assert draws.shape == (51, 10) and (draws.sum(axis=1) == 10).all() and (draws[0] == 1).all()
    by_hand = [np.average(scores, weights=draw[groups]) for draw in draws]
    assert drawn_means(scores[:, None], np.ones(30), groups, 50, 3)[:, 0] == pytest.approx(by_hand)


def test_draws_are_made_in_blocks_and_never_all_in_memory():
    """20,000 artists and 2,000 draws: 305 MiB where the draws are kept as whole numbers."""
    scores = np.random.default_rng(0).random((20_000, 2))
    asked = measure({"ours": scores[:, 0], "other": scores[:, 1]}, np.arange(20_000))
    tracemalloc.start()
    found = compare(asked, 2000, 0)
    held, most = (size / 2**20 for size in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    assert most < 40 and held < 1
    assert found.scores[0].high - found.scores[0].low == pytest.approx(
        2 * 1.96 * 12**-0.5 / 20_000**0.5, rel=0.1
    )


def test_sums_in_blocks_are_those_of_one_and_of_sparse_tables(monkeypatch):
    by_group = np.random.default_rng(0).random((12, 3))
    assert drawn_sums(csr_matrix(by_group), 40, 1) == pytest.approx(drawn_sums(by_group, 40, 1))
    monkeypatch.setattr("soundkin.statistics.bootstrap.NUMBERS_AT_ONCE", 12 * 7)
    sums = drawn_sums(by_group, 40, 1)
    assert sums.shape == (41, 3) and len(np.unique(sums[:, 0])) > 30, "no block repeats another"


@pytest.mark.parametrize("groups", [2, FEW_GROUPS - 1])
def test_few_groups_have_means_and_neither_interval_nor_verdict(groups):
    scores = np.random.default_rng(0).random((5 * groups, 2))
    found = compare(
        measure({"ours": scores[:, 0] + 1, "other": scores[:, 1]}, np.arange(5 * groups) % groups), 200, 0
    )
    assert [one.low for one in (*found.scores, *found.gains)] == [None] * 3
    assert found.scores[0].mean == pytest.approx(scores[:, 0].mean() + 1)
    assert (
        found.too_few
        == too_few(groups, "artists")
        == f"too few artists to say ({groups}, at least 8 are needed)"
    )
    enough = compare(measure({"ours": scores[:, 0]}, np.arange(5 * groups) % FEW_GROUPS), 200, 0)
    assert not enough.too_few and enough.scores[0].low is not None


def test_weights_make_the_mean_a_weighted_one():
    weighted = measure({"ours": np.array([1.0, 0.0, 0.0])}, [0, 1, 2], np.array([2.0, 1.0, 1.0]))
    assert compare(weighted, 200, 0).scores[0].mean == 0.5


def test_items_without_a_score_are_left_out_for_all_systems():
    asked = measure({"ours": np.array([1.0, np.nan, 1.0]), "other": np.array([0.0, 0.5, 1.0])}, [0, 1, 2])
    assert compare(asked, 100, 0).scores[-1].mean == 0.5


def test_one_group_has_a_mean_and_no_interval():
    interval = compare(measure({"ours": np.array([1.0, 0.5])}, [3, 3]), 100, 0).scores[0]
    assert (interval.mean, interval.low, interval.high) == (0.75, None, None)


def test_the_same_random_seed_gives_the_same_interval():
    scores = measure({"ours": np.random.default_rng(1).random(30)}, np.arange(30) // 3)
    assert compare(scores, 300, 7) == compare(scores, 300, 7)
    assert compare(scores, 300, 7) != compare(scores, 300, 8)


def test_a_difference_is_paired():
    """Two systems that rise and fall together differ surely, however wide each one's own interval is."""
    hardness = np.random.default_rng(0).random(60)
    both = measure({"ours": hardness + 0.05, "other": hardness}, np.arange(60) // 3)
    compared = compare(both, 1000, 0)
    gain, alone = compared.gains[0], compared.scores[0]
    assert (gain.low, gain.high) == pytest.approx((0.05, 0.05))
    assert alone.high - alone.low > 0.1


@pytest.mark.slow
def test_intervals_over_artists_hold_the_truth_as_often_as_they_say_and_those_over_tracks_do_not():
    rng = np.random.default_rng(0)
    artists, tracks, trials = 40, 8, 400
    groups = np.arange(artists * tracks) // tracks
    covered = naive_covered = 0
    for _ in range(trials):
        scores = rng.normal(size=artists).repeat(tracks) + 0.5 * rng.normal(size=artists * tracks)
        covered += holds_zero(compare(measure({"ours": scores}, groups), 400, 0).scores[0])
        naive_covered += holds_zero(
            compare(measure({"ours": scores}, np.arange(len(scores))), 400, 0).scores[0]
        )
    assert covered / trials > 0.9
    assert naive_covered / trials < 0.7


def holds_zero(interval: Interval) -> bool:
    assert interval.low is not None and interval.high is not None
    return interval.low < 0 < interval.high
