"""Retrieval: labelled tracks rank the others by cosine; relevant are those that share one of their labels.

The artist filter (Pampalk, Flexer & Widmer 2005) removes tracks of the query's own artist from the
candidates: otherwise a system that only knows a voice, a studio or an encoder looks as if it knew the genre.
Where the same artist is asked for, the album takes the artist's part. Scores are given with the filter and
without it.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.evaluation.label_questions import Question, Values, memberships
from soundkin.shapes import Bool, Float, Int
from soundkin.statistics import ranking_metrics as ranking
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.nearest_neighbours import chunk_size
from soundkin.statistics.ranking_metrics import Counts, Runs, Scores
from soundkin.statistics.scaling import unit_length

K = 10
MAX_QUERIES = 5_000  # of an evaluation: of more tracks so many ask, and all are candidates
Marks = Bool[np.ndarray, "queries candidates"]
Rows = Int[np.ndarray, " rows"]
Systems = Mapping[str, Float[np.ndarray, "tracks _"]]
Metric = Callable[[Runs, Counts, Counts], Scores]  # of rankings, relevant candidates, all candidates

METRICS: dict[str, Metric] = {
    f"mAP@{K}": lambda runs, relevant, _: ranking.average_precision(runs, relevant, K),
    f"nDCG@{K}": lambda runs, relevant, _: ranking.ndcg(runs, relevant, K),
    f"recall@{K}": lambda runs, relevant, _: ranking.recall(runs, relevant, K),
    "R-precision": lambda runs, relevant, _: ranking.r_precision(runs, relevant),
    "MRR": lambda runs, relevant, _: ranking.reciprocal_rank(runs, relevant),
    "AUC": ranking.auc,
}


def ask_retrieval(systems: Systems, question: Question, random_seed: int) -> list[Measure]:
    """Score the question's rankings with the filter, where there is one, then without.

    Of more than `MAX_QUERIES` tracks so many ask, the same ones for every question and system.
    """
    queries = sampled_queries(len(question.values), random_seed)
    score = partial(retrieval, systems, question.label, question.values)
    filtered = (question.filtered_by, question.filter_values) if question.filtered_by else None
    return [
        measure
        for filtered_by in ([filtered, None] if filtered else [None])
        for measure in score(filtered_by, question.groups, random_seed, queries)
    ]


def sampled_queries(tracks: int, random_seed: int) -> Rows:
    """The rows that ask: all, or `MAX_QUERIES` drawn evenly."""
    return np.sort(np.random.default_rng(random_seed).permutation(tracks)[:MAX_QUERIES])


def retrieval(
    systems: Systems,
    label: str,
    values: Values,
    filtered_by: tuple[str, Values] | None,
    groups: Int[np.ndarray, " tracks"],
    random_seed: int,
    queries: Rows | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Measure]:
    """Score tracks' cosine rankings of the others by whether they share one of the query's `values`.

    `filtered_by` is a column and its values: candidates that share one with the query are left out. Tracks
    without a label neither ask nor are candidates: they might be relevant. `queries` are the rows that ask,
    by default all; time grows with their number times that of the tracks.
    """
    labelled = np.array([bool(names) for names in values], dtype=bool)
    # Rounding may part equal vectors by where they stand, and the order of a catalog gives away its artists.
    candidates = np.random.default_rng(random_seed).permutation(np.flatnonzero(labelled))
    labels, filtered = memberships(values), memberships(filtered_by[1]) if filtered_by else None
    asking = np.sort(candidates if queries is None else queries[labelled[queries]])
    scores = {
        metric: {name: np.full(len(labelled), np.nan) for name in [*systems, CHANCE]} for metric in metrics
    }
    units = {name: unit_length(np.asarray(vectors, dtype=np.float32)) for name, vectors in systems.items()}
    of_candidates = {name: unit[candidates].T for name, unit in units.items()}
    size = chunk_size(len(candidates))
    for start in range(0, len(asking), size):
        rows = asking[start : start + size]
        right, allowed = relevance(rows, candidates, labels, filtered)
        relevant, offered, stored = right.sum(axis=1), allowed.sum(axis=1), csr_matrix(right)
        ranked = {CHANCE: ranking.random_order(offered, relevant)}
        for name, unit in units.items():
            ranked[name] = ranking.runs_of(
                np.where(allowed, unit[rows] @ of_candidates[name], -np.inf), stored
            )
        for metric, score in metrics.items():
            for name, runs in ranked.items():
                scores[metric][name][rows] = score(runs, relevant, offered)
    column = filtered_by[0] if filtered_by else None
    return [
        Measure("retrieval", label, metric, column, by_system, groups) for metric, by_system in scores.items()
    ]


def relevance(
    rows: Rows, candidates: Rows, labels: csr_matrix, filtered: csr_matrix | None
) -> tuple[Marks, Marks]:
    """Which candidates are relevant to the queries `rows`, and which are allowed, by tracks' memberships.

    Allowed are labelled ones that share none of the query's filter values; no query is its own candidate.
    """
    allowed = (rows[:, None] != candidates) & (labels.getnnz(axis=1) > 0)[candidates]
    if filtered is not None:
        allowed &= (filtered[rows] @ filtered[candidates].T).toarray() == 0
    return ((labels[rows] @ labels[candidates].T).toarray() > 0) & allowed, allowed
