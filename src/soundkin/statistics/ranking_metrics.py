"""Ranking metrics with ties: each score is the expectation over all orders of tied candidates.

A ranking is kept as the `Runs` of tied candidates that hold a relevant one, from which every metric follows.
Where all candidates tie (`random_order`), a metric is what chance scores: exactly, without noise of its own.
Metrics take `relevant`, how many relevant candidates each query has; a query that has none scores NaN. `k` is
how many ranks are looked at. All scores lie in [0, 1].
"""

from dataclasses import dataclass
from itertools import pairwise

from soundkin.extras import require

require("evaluate", "ranking metrics")

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.shapes import Float, Int, typechecked

Counts = Int[np.ndarray, " queries"]
Scores = Float[np.ndarray, " queries"]
PerRun = Int[np.ndarray, " runs"]


@dataclass(frozen=True)
class Runs:
    """The runs of tied candidates that hold a relevant one, query by query and the best first.

    `before` counts the candidates ranked before the run, `tied` those in it; `right` and `right_before` count
    the relevant ones among them. Without ties, each run is one relevant candidate.
    """

    query: PerRun
    before: PerRun
    tied: PerRun
    right: PerRun
    right_before: PerRun


@typechecked
def runs_of(scores: Float[np.ndarray, "queries candidates"], right: csr_matrix) -> Runs:
    """Rank candidates by score, highest first; `right`, [queries, candidates], stores the relevant ones."""
    ascending = np.sort(-scores, axis=1)
    before, after = np.empty(right.nnz, dtype=int), np.empty(right.nnz, dtype=int)
    for row, (first, last) in enumerate(pairwise(right.indptr)):
        sought = -scores[row, right.indices[first:last]]
        before[first:last] = np.searchsorted(ascending[row], sought, side="left")
        after[first:last] = np.searchsorted(ascending[row], sought, side="right")
    query = np.repeat(np.arange(right.shape[0]), np.diff(right.indptr))
    _, kept, count = np.unique(query * (right.shape[1] + 1) + before, return_index=True, return_counts=True)
    query, summed = query[kept], np.cumsum(count) - count
    right_before = summed - summed[np.searchsorted(query, query, side="left")]
    return Runs(query, before[kept], (after - before)[kept], count, right_before)


def random_order(candidates: Counts, relevant: Counts) -> Runs:
    """Rankings in which all of a query's candidates tie."""
    query = np.flatnonzero(relevant)
    none = np.zeros(len(query), dtype=int)
    return Runs(query, none, candidates[query], relevant[query], none)


def average_precision(runs: Runs, relevant: Counts, k: int) -> Scores:
    """Mean precision at the relevant candidates among the first `k`, over how many there could be: min(R, k).

    Rank j of a run of n is relevant with probability r/n, and (j-1)(r-1)/(n-1) of those before it in the run
    are.
    """
    start, reached = _reached(runs, k)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, k + 1))])
    inverse_ranks = harmonic[start + reached] - harmonic[start]
    between = (runs.right - 1) / np.maximum(runs.tied - 1, 1) * (reached - (start + 1) * inverse_ranks)
    gain = runs.right / runs.tied * ((runs.right_before + 1) * inverse_ranks + between)
    return _per_query(runs, gain, np.minimum(relevant, k))


def ndcg(runs: Runs, relevant: Counts, k: int) -> Scores:
    """Discounted gain of the first `k` over the best possible (Järvelin & Kekäläinen 2002)."""
    start, reached = _reached(runs, k)
    worth = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))])
    gain = runs.right / runs.tied * (worth[start + reached] - worth[start])
    return _per_query(runs, gain, worth[np.minimum(relevant, k)])


def recall(runs: Runs, relevant: Counts, k: int | Counts) -> Scores:
    """Share of the relevant candidates among the first `k`, which may differ from query to query."""
    _, reached = _reached(runs, k)
    return _per_query(runs, runs.right / runs.tied * reached, relevant)


def r_precision(runs: Runs, relevant: Counts) -> Scores:
    """Precision of the first R, where R is how many relevant candidates the query has."""
    return recall(runs, relevant, relevant)


def reciprocal_rank(runs: Runs, relevant: Counts) -> Scores:
    """One over the rank of the first relevant candidate."""
    query, first = np.unique(runs.query, return_index=True)
    cases = np.stack([runs.before[first], runs.tied[first], runs.right[first]], axis=1)
    distinct, which = np.unique(cases, axis=0, return_inverse=True)
    scores = np.full(len(relevant), np.nan)
    scores[query] = np.array([_first_reciprocal_rank(*case) for case in distinct])[which.ravel()]
    return scores


def auc(runs: Runs, relevant: Counts, candidates: int | Counts) -> Scores:
    """Probability that a relevant candidate ranks before another one, ties counting a half."""
    wrong_before = runs.before - runs.right_before + (runs.tied - runs.right) / 2
    return 1.0 - _per_query(runs, runs.right * wrong_before, relevant * (candidates - relevant))


def _first_reciprocal_rank(before: int, tied: int, right: int) -> float:
    """Expected inverse rank of the first relevant one in a random order of a run."""
    places = np.arange(1, tied - right + 2)
    left = tied - places + 1
    none_before = np.concatenate([[1.0], np.cumprod(1 - right / left)[:-1]])
    return float((none_before * right / left / (before + places)).sum())


def _reached(runs: Runs, k: int | Counts) -> tuple[PerRun, PerRun]:
    """How many of the first `k` ranks are taken before each run, and how many by it."""
    limit = k[runs.query] if isinstance(k, np.ndarray) else k
    start = np.minimum(runs.before, limit)
    return start, np.minimum(runs.tied, limit - start)


def _per_query(runs: Runs, gain: np.ndarray, whole: np.ndarray) -> Scores:
    part = np.bincount(runs.query, gain, minlength=len(whole))
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=np.asarray(whole) > 0))
