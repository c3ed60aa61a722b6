"""Scores of rankings and of classifiers: arrays in, one score per query out, all in [0, 1].

A ranking is `relevance`, Bool[queries, ranks]: whether the candidate at each rank, nearest first, is a right
one. It may stop early (a top k). `relevant` counts the right candidates a query has in all; a query that has
none was never asked and scores NaN. `k` is how many ranks are looked at.
"""

import numpy as np

from soundkin.shapes import Bool, Float, Int, typechecked

Relevance = Bool[np.ndarray, "queries ranks"]
Counts = Int[np.ndarray, " queries"]
Scores = Float[np.ndarray, " queries"]


@typechecked
def average_precision(relevance: Relevance, relevant: Counts, k: int) -> Scores:
    """Mean of the precision at each right candidate in the first `k`, over how many could stand there."""
    top = relevance[:, :k]
    precision = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    return _share((precision * top).sum(axis=1), np.minimum(relevant, k))


@typechecked
def ndcg(relevance: Relevance, relevant: Counts, k: int) -> Scores:
    """Discounted gain of the first `k` over the best possible (Järvelin & Kekäläinen 2002, gain 1 for right)."""
    top = relevance[:, :k]
    best = np.concatenate([[0.0], np.cumsum(discounts(k))])[np.minimum(relevant, k)]
    return _share(top @ discounts(top.shape[1]), best)


@typechecked
def recall(relevance: Relevance, relevant: Counts, k: int) -> Scores:
    """Share of a query's right candidates that stand in the first `k`."""
    return _share(relevance[:, :k].sum(axis=1), relevant)


@typechecked
def r_precision(relevance: Relevance, relevant: Counts) -> Scores:
    """Precision of the first R, where R is how many right candidates the query has."""
    within = np.arange(relevance.shape[1]) < relevant[:, None]
    return _share((relevance & within).sum(axis=1), relevant)


@typechecked
def reciprocal_rank(relevance: Relevance, relevant: Counts) -> Scores:
    """One over the rank of the first right candidate; 0 if the ranking stops before it."""
    ranks = np.arange(1, relevance.shape[1] + 1)
    first = np.max(relevance / ranks, axis=1, initial=0.0)
    return _share(first, np.minimum(relevant, 1))


@typechecked
def auc(relevance: Relevance, relevant: Counts, candidates: Counts) -> Scores:
    """Chance that a right candidate stands before a wrong one, given whole rankings.

    Only the first `candidates` ranks of a query count; one whose candidates are all right, or all wrong,
    scores NaN.
    """
    wrong = candidates - relevant
    wrong_before = np.cumsum(~relevance, axis=1) * relevance
    out_of_order = _share(wrong_before.sum(axis=1), relevant * wrong)
    return 1.0 - out_of_order


@typechecked
def accuracy(
    predicted: Int[np.ndarray, " tracks"], right: Bool[np.ndarray, "tracks classes"]
) -> Float[np.ndarray, " tracks"]:
    """1 where the predicted class is one of the track's own, else 0; NaN for a track without a class."""
    hit = right[np.arange(len(right)), predicted].astype(float)
    return np.where(right.any(axis=1), hit, np.nan)


def discounts(k: int) -> Float[np.ndarray, " ranks"]:
    """What a right candidate is worth at each rank: 1 / log2(rank + 1)."""
    return 1.0 / np.log2(np.arange(2, k + 2))


def _share(part: np.ndarray, whole: np.ndarray) -> Scores:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=np.asarray(whole) > 0))
