"""Against the plain metrics over every order of level candidates, and against scikit-learn where nothing is
level.
"""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from soundkin.statistics import chance, metrics
from soundkin.statistics import tied_ranking as ranking
from soundkin.statistics.tied_ranking import runs_of

SCORES = {
    "average precision": (ranking.average_precision, metrics.average_precision),
    "nDCG": (ranking.ndcg, metrics.ndcg),
    "recall": (ranking.recall, metrics.recall),
}


def ranked(scores, right):
    scores, right = np.atleast_2d(np.asarray(scores, float)), csr_matrix(np.atleast_2d(right))
    return runs_of(scores, right), np.diff(right.indptr).astype(int)


def over_all_orders(score, scores, right, k):
    """Mean of the plain metric over every order in which no lower score stands before a higher one."""
    orders = [list(order) for order in permutations(range(len(scores)))]
    falling = [order for order in orders if all(np.diff(scores[order]) <= 0)]
    return np.mean([score(right[order][None], np.array([right.sum()]), k)[0] for order in falling])


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("k", [1, 2, 3, 4, 6, 9])
def test_level_candidates_score_the_mean_over_all_their_orders(name, k):
    exact, plain = SCORES[name]
    rng = np.random.default_rng(k)
    for _ in range(4):
        scores, right = rng.integers(0, 3, 6).astype(float), rng.random(6) < 0.5
        right[rng.integers(6)] = True
        assert exact(*ranked(scores, right), k)[0] == pytest.approx(over_all_orders(plain, scores, right, k))


def test_runs_of_a_hand_made_ranking():
    runs, relevant = ranked([5, 5, 5, 3, 2, 2], [1, 1, 0, 0, 0, 1])
    assert relevant.tolist() == [3]
    assert (runs.before.tolist(), runs.tied.tolist()) == ([0, 4], [3, 2])
    assert (runs.right.tolist(), runs.right_before.tolist()) == ([2, 1], [0, 2])
    # Of the 3 x 3 pairs: two against a level one count a half each, the last stands behind two and level with one.
    assert ranking.auc(runs, relevant, 6)[0] == pytest.approx(1 - (2 * 0.5 + 2 + 0.5) / 9)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.booleans())
def test_scores_agree_with_scikit_learn(random_seed, candidates, level):
    """AUC and nDCG also where candidates are level; scikit-learn's average precision knows no orders of
    those.
    """
    rng = np.random.default_rng(random_seed)
    right = rng.random(candidates) < 0.4
    right[rng.permutation(candidates)[:2]] = [True, False]
    scores = (
        rng.integers(0, 5, candidates).astype(float) if level else rng.permutation(candidates).astype(float)
    )
    runs, relevant = ranked(scores, right)
    assert ranking.auc(runs, relevant, candidates)[0] == pytest.approx(roc_auc_score(right, scores))
    for k in (1, 3, candidates):
        assert ranking.ndcg(runs, relevant, k)[0] == pytest.approx(ndcg_score(right[None], scores[None], k=k))
    if not level:
        found = ranking.average_precision(runs, relevant, candidates)[0]
        assert found == pytest.approx(average_precision_score(right, scores))


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 30))
def test_holding_all_alike_is_chance(candidates, right, k):
    right = min(right, candidates)
    runs, relevant = ranked(np.zeros(candidates), np.arange(candidates) < right)
    counts = np.array([candidates]), np.array([right])
    assert ranking.recall(runs, relevant, k) == pytest.approx(chance.recall(*counts, k))
    assert ranking.ndcg(runs, relevant, k) == pytest.approx(chance.ndcg(*counts, k))
    assert ranking.average_precision(runs, relevant, k) == pytest.approx(chance.average_precision(*counts, k))
    assert ranking.auc(runs, relevant, candidates) == pytest.approx(chance.auc(*counts), nan_ok=True)


def test_queries_do_not_mix():
    rng = np.random.default_rng(0)
    scores, right = rng.integers(0, 4, (20, 9)).astype(float), rng.random((20, 9)) < 0.3
    together, relevant = ranked(scores, right)
    for name, (score, _) in SCORES.items():
        alone = [score(*ranked(scores[row], right[row]), 4)[0] for row in range(20)]
        assert score(together, relevant, 4) == pytest.approx(alone, nan_ok=True), name


def test_a_query_without_a_right_candidate_is_not_asked_and_none_at_all_give_no_scores():
    runs, relevant = ranked([[1.0, 2.0], [1.0, 2.0]], [[0, 0], [0, 1]])
    assert ranking.recall(runs, relevant, 1).tolist()[1] == 1.0
    assert np.isnan(ranking.auc(runs, relevant, 2)[0])
    nobody, none = runs_of(np.zeros((0, 5)), csr_matrix((0, 5))), np.zeros(0, dtype=int)
    assert ranking.average_precision(nobody, none, 3).shape == (0,)
