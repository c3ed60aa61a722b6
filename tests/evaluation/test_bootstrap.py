import numpy as np
import pytest

from soundkin.evaluation.bootstrap import draw_groups, grouped_means, intervals, paired_gains
from soundkin.evaluation.measure import Measure


def measure(scores, groups, weights=None):
    return Measure("retrieval", "genre", "mAP@10", "artist", scores, np.asarray(groups), weights)


def test_a_draw_counts_each_score_as_often_as_its_group_is_drawn():
    scores, groups = np.array([1.0, 0.0, 0.5]), np.array([0, 0, 1])
    draws = np.array([[1, 1], [2, 0], [0, 2], [3, 1]])
    means = grouped_means(scores, np.ones(3), groups, draws)
    assert means == pytest.approx([0.5, 0.5, 0.5, 3.5 / 7])


def test_weights_make_the_mean_a_weighted_one():
    result = intervals(measure({"ours": np.array([1.0, 0.0, 0.0])}, [0, 1, 2], np.array([2.0, 1.0, 1.0])), 200, 0)
    assert result[0].mean == 0.5


def test_items_without_a_score_are_left_out_for_all_systems():
    asked = measure({"ours": np.array([1.0, np.nan, 1.0]), "other": np.array([0.0, 0.5, 1.0])}, [0, 1, 2])
    assert intervals(asked, 100, 0)[-1].mean == 0.5


def test_one_group_has_a_mean_and_no_interval():
    interval = intervals(measure({"ours": np.array([1.0, 0.5])}, [3, 3]), 100, 0)[0]
    assert (interval.mean, interval.low, interval.high) == (0.75, None, None)


def test_the_same_random_seed_gives_the_same_interval():
    scores = measure({"ours": np.random.default_rng(1).random(30)}, np.arange(30) // 3)
    assert intervals(scores, 300, 7) == intervals(scores, 300, 7)
    assert intervals(scores, 300, 7) != intervals(scores, 300, 8)


def test_a_difference_is_paired():
    """Two systems that rise and fall together differ surely, however wide each one's own interval is."""
    hardness = np.random.default_rng(0).random(60)
    both = measure({"ours": hardness + 0.05, "other": hardness}, np.arange(60) // 3)
    gain, alone = paired_gains(both, 1000, 0)[0], intervals(both, 1000, 0)[0]
    assert (gain.low, gain.high) == pytest.approx((0.05, 0.05))
    assert alone.high - alone.low > 0.1


def test_intervals_over_artists_hold_the_truth_as_often_as_they_say_and_those_over_tracks_do_not():
    rng = np.random.default_rng(0)
    artists, tracks, trials = 40, 8, 400
    groups = np.arange(artists * tracks) // tracks
    draws, naive_draws = draw_groups(artists, 400, 0), draw_groups(artists * tracks, 400, 0)
    covered = naive_covered = 0
    for _ in range(trials):
        scores = rng.normal(size=artists).repeat(tracks) + 0.5 * rng.normal(size=artists * tracks)
        ones = np.ones(len(scores))
        low, high = np.quantile(grouped_means(scores, ones, groups, draws)[1:], [0.025, 0.975])
        covered += low < 0 < high
        low, high = np.quantile(grouped_means(scores, ones, np.arange(len(scores)), naive_draws)[1:], [0.025, 0.975])
        naive_covered += low < 0 < high
    assert covered / trials > 0.9
    assert naive_covered / trials < 0.7
