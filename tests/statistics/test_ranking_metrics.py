"""Against plain definitions over every order of tied candidates, and against scikit-learn."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from soundkin.evaluation.retrieval import METRICS
from soundkin.statistics import ranking_metrics as ranking
from soundkin.statistics.ranking_metrics import random_order, runs_of


def plain_average_precision(right, k):
    top = right[:k]
    return (np.cumsum(top) / np.arange(1, len(top) + 1) * top).sum() / min(right.sum(), k)


def plain_ndcg(right, k):
    discounts = 1 / np.log2(np.arange(2, k + 2))
    return right[:k] @ discounts[: len(right[:k])] / discounts[: right.sum()].sum()


# Each metric as tied candidates are scored, and of one order of candidates, Bool[ranks].
SCORES = {
    "average precision": (ranking.average_precision, plain_average_precision),
    "nDCG": (ranking.ndcg, plain_ndcg),
    "recall": (ranking.recall, lambda right, k: right[:k].sum() / right.sum()),
    "R-precision": (
        lambda runs, relevant, k: ranking.r_precision(runs, relevant),
        lambda right, k: right[: right.sum()].mean(),
    ),
    "MRR": (
        lambda runs, relevant, k: ranking.reciprocal_rank(runs, relevant),
        lambda right, k: 1 / (np.flatnonzero(right)[0] + 1),
    ),
}


def ranked(scores, right):
    scores, right = np.atleast_2d(np.asarray(scores, float)), csr_matrix(np.atleast_2d(right))
    return runs_of(scores, right), np.diff(right.indptr).astype(int)


def in_order(right):
    """A ranking without ties, given which ranks hold a relevant candidate."""
    return ranked(-np.arange(np.shape(right)[-1], dtype=float) + np.zeros(np.shape(right)), right)


def over_all_orders(score, scores, right, k):
    """Mean of the plain metric over every order in which no lower score stands before a higher one."""
    orders = [list(order) for order in permutations(range(len(scores)))]
    falling = [order for order in orders if all(np.diff(scores[order]) <= 0)]
    return np.mean([score(right[order], k) for order in falling])


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 6, 9])
def test_tied_candidates_score_the_mean_over_all_their_orders(name, k):
    exact, plain = SCORES[name]
    rng = np.random.default_rng(k)
    for _ in range(4):
        scores, right = rng.integers(0, 3, 6).astype(float), rng.random(6) < 0.5
        right[rng.integers(6)] = True
        assert exact(*ranked(scores, right), k)[0] == pytest.approx(over_all_orders(plain, scores, right, k))


def test_scores_of_a_hand_made_ranking():
    right = np.array([True, False, True, False])  # two relevant candidates of four, at ranks 1 and 3
    discount = 1 / np.log2([2, 3, 4])
    runs, two = in_order(right)
    assert ranking.average_precision(runs, two, 4)[0] == pytest.approx((1 + 2 / 3) / 2)
    assert ranking.average_precision(runs, two, 1)[0] == 1.0
    assert ranking.ndcg(runs, two, 4)[0] == pytest.approx(
        (discount[0] + discount[2]) / (discount[0] + discount[1])
    )
    assert ranking.recall(runs, two, 2)[0] == 0.5
    assert ranking.r_precision(runs, two)[0] == 0.5
    assert ranking.reciprocal_rank(*in_order(~right))[0] == 0.5
    assert ranking.auc(runs, two, 4)[0] == 0.75


def test_relevant_candidates_beyond_k_lower_recall_but_not_precision_at_k():
    runs, five = in_order([True] * 5)
    assert ranking.average_precision(runs, five, 2)[0] == pytest.approx(1.0)
    assert ranking.recall(runs, five, 2)[0] == 0.4
    assert ranking.ndcg(runs, five, 2)[0] == pytest.approx(1.0)


def test_runs_of_a_hand_made_ranking():
    runs, relevant = ranked([5, 5, 5, 3, 2, 2], [1, 1, 0, 0, 0, 1])
    assert relevant.tolist() == [3]
    assert (runs.before.tolist(), runs.tied.tolist()) == ([0, 4], [3, 2])
    assert (runs.right.tolist(), runs.right_before.tolist()) == ([2, 1], [0, 2])
    # Of the 3 x 3 pairs: two against a tied one count a half each, the last is behind two and ties with one.
    assert ranking.auc(runs, relevant, 6)[0] == pytest.approx(1 - (2 * 0.5 + 2 + 0.5) / 9)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.booleans())
def test_scores_agree_with_scikit_learn(random_seed, candidates, tied):
    """AUC and nDCG also with ties; scikit-learn's average precision knows no orders of those."""
    rng = np.random.default_rng(random_seed)
    right = rng.random(candidates) < 0.4
    right[rng.permutation(candidates)[:2]] = [True, False]
    scores = (rng.integers(0, 5, candidates) if tied else rng.permutation(candidates)).astype(float)
    runs, relevant = ranked(scores, right)
    assert ranking.auc(runs, relevant, candidates)[0] == pytest.approx(roc_auc_score(right, scores))
    for k in (1, 3, candidates):
        assert ranking.ndcg(runs, relevant, k)[0] == pytest.approx(ndcg_score(right[None], scores[None], k=k))
    if not tied:
        found = ranking.average_precision(runs, relevant, candidates)[0]
        assert found == pytest.approx(average_precision_score(right, scores))


@pytest.mark.parametrize("metric", METRICS)
def test_a_perfect_ranking_scores_one_and_a_query_without_an_answer_is_not_asked(metric):
    runs, relevant = in_order([[True] * 5 + [False] * 15, [False] * 20])
    scores = METRICS[metric](runs, relevant, np.array([20, 20]))
    assert scores[0] == pytest.approx(1.0)
    assert np.isnan(scores[1])


@pytest.mark.parametrize("metric", METRICS)
def test_no_queries_and_no_candidates_give_no_scores(metric):
    nothing, none = np.zeros(0, dtype=int), np.array([0])
    assert METRICS[metric](runs_of(np.zeros((0, 7)), csr_matrix((0, 7))), nothing, nothing).shape == (0,)
    assert np.isnan(METRICS[metric](runs_of(np.zeros((1, 0)), csr_matrix((1, 0))), none, none)).all()
    assert np.isnan(METRICS[metric](random_order(none, none), none, none)).all()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("candidates", "relevant"), [(12, 1), (12, 5), (6, 5), (40, 15), (2, 1)])
def test_chance_is_the_mean_over_random_orders(metric, candidates, relevant):
    orders = np.random.default_rng(0).permuted(np.tile(np.arange(candidates) < relevant, (5_000, 1)), axis=1)
    counts = np.full(len(orders), candidates), np.full(len(orders), relevant)
    scores = METRICS[metric](in_order(orders)[0], counts[1], counts[0])
    tolerance = 4 * scores.std() / np.sqrt(len(scores)) + 1e-9
    one = np.array([candidates]), np.array([relevant])
    assert METRICS[metric](random_order(*one), one[1], one[0])[0] == pytest.approx(
        scores.mean(), abs=tolerance
    )


@pytest.mark.parametrize("metric", METRICS)
def test_chance_is_one_where_every_candidate_is_relevant(metric):
    six = np.array([6])
    found = METRICS[metric](random_order(six, six), six, six)[0]
    assert np.isnan(found) if metric == "AUC" else found == pytest.approx(1.0)


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60))
def test_holding_all_alike_is_chance(candidates, right):
    right = min(right, candidates)
    runs, relevant = ranked(np.zeros(candidates), np.arange(candidates) < right)
    counts = np.array([candidates])
    for score in METRICS.values():
        expected = score(random_order(counts, relevant), relevant, counts)
        assert score(runs, relevant, counts) == pytest.approx(expected, nan_ok=True)


def test_queries_do_not_mix():
    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 4, (20, 9)).astype(float), rng.random((20, 9)) < 0.3
    together, relevant = ranked(scores, right)
    for name, (score, _) in SCORES.items():
        alone = [score(*ranked(scores[row], right[row]), 4)[0] for row in range(20)]
        assert score(together, relevant, 4) == pytest.approx(alone, nan_ok=True), name


def test_a_query_without_a_relevant_candidate_is_not_asked():
    runs, relevant = ranked([[1.0, 2.0], [1.0, 2.0]], [[0, 0], [0, 1]])
    assert ranking.recall(runs, relevant, 1).tolist()[1] == 1.0
    assert np.isnan(ranking.auc(runs, relevant, 2)[0])
