"""Scores of rankings in which candidates may stand level: the exact expectation over all orders of those that
do.

A scorer that holds all candidates alike thus gets just what `chance` gives, whatever the order of the
catalog. Scores of a whole ranking follow from where its right candidates stand, so `runs_of` keeps nothing
else. As in `metrics`, `relevant` counts the right candidates a query has, `k` is how many ranks are looked
at, and a query that has no right candidate scores NaN.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.metrics import Counts, Scores, discounts

OfRuns = Int[np.ndarray, " runs"]


@dataclass(frozen=True)
class Runs:
    """The runs of level candidates that hold a right one, query by query and the best first.

    `before` counts the candidates that stand before the run, `tied` those in it; `right` and `right_before`
    count the right ones among them. Where nothing is level, each run is one right candidate.
    """

    query: OfRuns
    before: OfRuns
    tied: OfRuns
    right: OfRuns
    right_before: OfRuns


@typechecked
def runs_of(scores: Float[np.ndarray, "queries candidates"], right: csr_matrix) -> Runs:
    """Rank candidates by their scores, higher ones first; `right`, [queries, candidates], stores the right
    ones.
    """
    ascending = np.sort(-scores, axis=1)
    before = np.empty(right.nnz, dtype=int)
    after = np.empty(right.nnz, dtype=int)
    for row, (first, last) in enumerate(pairwise(right.indptr)):
        sought = -scores[row, right.indices[first:last]]
        before[first:last] = np.searchsorted(ascending[row], sought, side="left")
        after[first:last] = np.searchsorted(ascending[row], sought, side="right")
    query = np.repeat(np.arange(right.shape[0]), np.diff(right.indptr))
    _, kept, count = np.unique(query * (right.shape[1] + 1) + before, return_index=True, return_counts=True)
    return Runs(query[kept], before[kept], (after - before)[kept], count, _counted_before(query[kept], count))


def _counted_before(query: OfRuns, count: OfRuns) -> OfRuns:
    """The sum of `count` over the earlier runs of the same query."""
    summed = np.cumsum(count) - count
    return np.asarray(summed - summed[np.searchsorted(query, query, side="left")])


def average_precision(runs: Runs, relevant: Counts, k: int) -> Scores:
    """Mean of the precision at each right candidate in the first `k`, over how many could stand there: min(R,
    k).

    Place j of a run of n is right with probability r/n, and then (j-1)(r-1)/(n-1) of those between are
    expected to be.
    """
    start, reached = _reached(runs, k)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, k + 1))])
    inverse_ranks = harmonic[start + reached] - harmonic[start]
    between = (runs.right - 1) / np.maximum(runs.tied - 1, 1) * (reached - (start + 1) * inverse_ranks)
    gain = runs.right / runs.tied * ((runs.right_before + 1) * inverse_ranks + between)
    return _per_query(runs, gain, np.minimum(relevant, k))


def ndcg(runs: Runs, relevant: Counts, k: int) -> Scores:
    """Discounted gain of the first `k` over the best possible, gain 1 for right."""
    start, reached = _reached(runs, k)
    worth = np.concatenate([[0.0], np.cumsum(discounts(k))])
    gain = runs.right / runs.tied * (worth[start + reached] - worth[start])
    return _per_query(runs, gain, worth[np.minimum(relevant, k)])


def recall(runs: Runs, relevant: Counts, k: int) -> Scores:
    """Share of a query's right candidates that stand in the first `k`."""
    _, reached = _reached(runs, k)
    return _per_query(runs, runs.right / runs.tied * reached, relevant)


def auc(runs: Runs, relevant: Counts, candidates: int | Counts) -> Scores:
    """Chance that a right candidate stands before a wrong one, level ones counting a half; NaN if all are
    right.
    """
    wrong_before = runs.before - runs.right_before + (runs.tied - runs.right) / 2
    return 1.0 - _per_query(runs, runs.right * wrong_before, relevant * (candidates - relevant))


def _reached(runs: Runs, k: int) -> tuple[OfRuns, OfRuns]:
    """How many of the first `k` ranks are taken before each run, and how many by it."""
    start = np.minimum(runs.before, k)
    return start, np.minimum(runs.tied, k - start)


def _per_query(runs: Runs, gain: np.ndarray, whole: np.ndarray) -> Scores:
    part = np.bincount(runs.query, gain, minlength=len(whole))
    return np.asarray(np.divide(part, whole, out=np.full(len(whole), np.nan), where=np.asarray(whole) > 0))
