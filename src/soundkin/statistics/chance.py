"""What a random order scores, exactly: the expectation over all orders, so that chance carries no noise of
its own.

Each function takes how many candidates a query has and how many of them are right, Int[queries], and gives
the expected score, Float[queries]; NaN where nothing is right, as in `metrics`.
"""

import numpy as np

from soundkin.statistics.metrics import Counts, Scores, discounts


def average_precision(candidates: Counts, relevant: Counts, k: int) -> Scores:
    """E[rel_i] = R/N and E[rel_i rel_j] = R(R-1)/(N(N-1)) put into the definition of average precision at
    `k`.
    """
    ranks = np.arange(1, k + 1)
    one = _divide(relevant, candidates)[:, None]
    another = _divide(relevant - 1, np.maximum(candidates - 1, 1))[:, None]
    reached = ranks <= candidates[:, None]
    gain = np.where(reached, one * (1 + (ranks - 1) * another) / ranks, 0.0).sum(axis=1)
    return _divide(gain, np.minimum(relevant, k))


def ndcg(candidates: Counts, relevant: Counts, k: int) -> Scores:
    """Every rank holds a right candidate with probability R/N."""
    worth = np.concatenate([[0.0], np.cumsum(discounts(k))])
    gain = _divide(relevant, candidates) * worth[np.minimum(candidates, k)]
    return _divide(gain, worth[np.minimum(relevant, k)])


def recall(candidates: Counts, relevant: Counts, k: int) -> Scores:
    """The first `k` hold their share of everything."""
    return np.where(relevant > 0, _divide(np.minimum(candidates, k), candidates), np.nan)


def r_precision(candidates: Counts, relevant: Counts) -> Scores:
    """R/N at every rank."""
    return np.where(relevant > 0, _divide(relevant, candidates), np.nan)


def reciprocal_rank(candidates: Counts, relevant: Counts) -> Scores:
    """Sum over ranks of 1/rank times the probability that the first right candidate stands there."""
    pairs, which = np.unique(np.stack([candidates, relevant], axis=1), axis=0, return_inverse=True)
    return np.array([_reciprocal_rank(n, r) for n, r in pairs])[which.ravel()]


def auc(candidates: Counts, relevant: Counts) -> Scores:
    """A coin's toss."""
    return np.where((relevant > 0) & (relevant < candidates), 0.5, np.nan)


def _reciprocal_rank(candidates: int, relevant: int) -> float:
    if relevant == 0:
        return np.nan
    ranks = np.arange(1, candidates - relevant + 2)
    left = candidates - ranks + 1
    none_before = np.concatenate([[1.0], np.cumprod(1 - relevant / left)[:-1]])
    return float((none_before * relevant / left / ranks).sum())


def _divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=np.asarray(whole) > 0))
