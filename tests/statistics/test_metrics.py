import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from soundkin.evaluation.retrieval import METRICS
from soundkin.statistics import chance, metrics

RIGHT = np.array([[True, False, True, False]])  # two right candidates of four, at ranks 1 and 3
TWO, FOUR = np.array([2]), np.array([4])


def test_scores_of_a_hand_made_ranking():
    discount = 1 / np.log2([2, 3, 4])
    assert metrics.average_precision(RIGHT, TWO, 4)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.average_precision(RIGHT, TWO, 1)[0] == 1.0
    assert metrics.ndcg(RIGHT, TWO, 4)[0] == pytest.approx(
        (discount[0] + discount[2]) / (discount[0] + discount[1])
    )
    assert metrics.recall(RIGHT, TWO, 2)[0] == 0.5
    assert metrics.r_precision(RIGHT, TWO)[0] == 0.5
    assert metrics.reciprocal_rank(~RIGHT, TWO)[0] == 0.5
    assert metrics.auc(RIGHT, TWO, FOUR)[0] == 0.75


def test_a_right_candidate_beyond_the_end_of_the_ranking_lowers_recall_but_not_precision_at_k():
    top = np.array([[True, True]])
    assert metrics.average_precision(top, np.array([5]), 2)[0] == 1.0
    assert metrics.recall(top, np.array([5]), 2)[0] == 0.4
    assert metrics.ndcg(top, np.array([5]), 2)[0] == 1.0


@pytest.mark.parametrize("metric", METRICS)
def test_a_perfect_ranking_scores_one_and_a_query_without_an_answer_is_not_asked(metric):
    score, _ = METRICS[metric]
    relevance = np.array([[True] * 5 + [False] * 15, [False] * 20])
    scores = score(relevance, relevance.sum(axis=1), np.array([20, 20]))
    assert scores[0] == 1.0
    assert np.isnan(scores[1])


@pytest.mark.parametrize("metric", METRICS)
def test_no_queries_and_no_candidates_give_no_scores(metric):
    score, expected = METRICS[metric]
    nothing = np.zeros(0, dtype=int)
    assert score(np.zeros((0, 7), dtype=bool), nothing, nothing).shape == (0,)
    assert np.isnan(score(np.zeros((1, 0), dtype=bool), np.array([0]), np.array([0]))).all()
    assert np.isnan(expected(np.array([0]), np.array([0]))).all()


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_scores_agree_with_scikit_learn(random_seed, candidates):
    rng = np.random.default_rng(random_seed)
    right = rng.random(candidates) < 0.4
    right[rng.permutation(candidates)[:2]] = [True, False]
    ranked = right[None]
    closeness = np.arange(candidates, 0, -1.0)
    relevant, count = np.array([right.sum()]), np.array([candidates])
    assert metrics.average_precision(ranked, relevant, candidates)[0] == pytest.approx(
        average_precision_score(right, closeness)
    )
    assert metrics.auc(ranked, relevant, count)[0] == pytest.approx(roc_auc_score(right, closeness))
    for k in (1, 3, candidates):
        assert metrics.ndcg(ranked, relevant, k)[0] == pytest.approx(ndcg_score(ranked, closeness[None], k=k))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("candidates", "relevant"), [(12, 1), (12, 5), (6, 5), (40, 15), (2, 1)])
def test_chance_is_the_mean_over_random_orders(metric, candidates, relevant):
    score, expected = METRICS[metric]
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(candidates) < relevant, (20_000, 1)), axis=1)
    counts = np.full(len(orders), candidates), np.full(len(orders), relevant)
    scores = score(orders, counts[1], counts[0])
    tolerance = 4 * scores.std() / np.sqrt(len(scores)) + 1e-9
    assert expected(np.array([candidates]), np.array([relevant]))[0] == pytest.approx(
        scores.mean(), abs=tolerance
    )


def test_chance_is_one_where_every_candidate_is_right():
    everything = np.array([12]), np.array([12])
    assert chance.average_precision(*everything, 10)[0] == pytest.approx(1.0)
    assert chance.ndcg(*everything, 10)[0] == pytest.approx(1.0)
    assert chance.reciprocal_rank(*everything)[0] == pytest.approx(1.0)
    assert chance.r_precision(*everything)[0] == 1.0
    assert np.isnan(chance.auc(*everything)[0])


def test_accuracy_takes_any_of_a_tracks_own_classes():
    right = np.array([[True, True, False], [False, True, False], [False, False, False]])
    assert np.array_equal(metrics.accuracy(np.array([0, 2, 1]), right), [1.0, 0.0, np.nan], equal_nan=True)
