"""Whether a track finds its kind: every labelled track asks for the others that share one of its labels.

The artist filter (Pampalk, Flexer & Widmer 2005) keeps tracks of the query's own artist out of the
candidates: otherwise a system that only knows a voice, a studio or an encoder looks as if it knew the genre.
Where the same artist is asked for, the album takes the artist's part. Scores without the filter stand beside
those with it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.evaluation.label_questions import Question, Values, memberships
from soundkin.shapes import Bool, Float, Int
from soundkin.statistics import chance, metrics
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.nearest_neighbours import chunk_size
from soundkin.statistics.scaling import unit_length

K = 10
MOST_QUERIES = 5_000  # of an evaluation: of more tracks so many ask, and all are candidates
Marks = Bool[np.ndarray, "queries candidates"]
Systems = Mapping[str, Float[np.ndarray, "tracks _"]]


def ask_retrieval(systems: Systems, question: Question, random_seed: int) -> list[Measure]:
    """Score the question's rankings with the filter, where there is one, then without.

    Of more than `MOST_QUERIES` tracks so many ask, the same ones for every question and system.
    """
    asking = sampled_queries(len(question.values), random_seed)
    filtered_by = [(question.filtered_by, question.filter_values)] if question.filtered_by else []
    return [
        measure
        for left_out in [*filtered_by, None]
        for measure in retrieval(
            systems, question.label, question.values, left_out, question.groups, random_seed, asking
        )
    ]


def sampled_queries(tracks: int, random_seed: int) -> Int[np.ndarray, " queries"]:
    """The rows that ask: all, or `MOST_QUERIES` drawn evenly."""
    return np.sort(np.random.default_rng(random_seed).permutation(tracks)[:MOST_QUERIES])


def retrieval(
    systems: Systems,
    label: str,
    values: Values,
    filtered_by: tuple[str, Values] | None,
    groups: Int[np.ndarray, " tracks"],
    random_seed: int,
    queries: Int[np.ndarray, " queries"] | None = None,
    metrics: Collection[str] | None = None,
) -> list[Measure]:
    """Score tracks' cosine rankings of the others by whether they share one of the query's `values`.

    `filtered_by` names a column and its values: candidates that share one with the query are left out. Tracks
    without a label neither ask nor stand among the candidates: they might be right. Ties are broken by
    `random_seed`, since the order of a catalog gives away its artists. `queries` are the rows that ask, all
    by default; time grows with their number times that of the tracks. `metrics` are some of METRICS; `TOP`
    ones need no whole ranking.
    """
    wanted = {name: both for name, both in METRICS.items() if metrics is None or name in metrics}
    ranks = K if TOP.issuperset(wanted) else None
    labelled = np.array([bool(names) for names in values], dtype=bool)
    candidates = np.random.default_rng(random_seed).permutation(np.flatnonzero(labelled))
    barred = memberships(filtered_by[1]) if filtered_by else None
    asking = np.sort(candidates if queries is None else queries[labelled[queries]])
    scores = {
        metric: {name: np.full(len(labelled), np.nan) for name in [*systems, CHANCE]} for metric in wanted
    }
    units = {name: unit_length(np.asarray(vectors, dtype=np.float32)) for name, vectors in systems.items()}
    for rows, right, allowed in _marked_chunks(memberships(values), barred, asking, candidates):
        relevant, allowed_count = right.sum(axis=1), allowed.sum(axis=1)
        for name, unit in units.items():
            ranked = _ranked(unit[rows] @ unit[candidates].T, right, allowed, ranks)
            for metric, (score, _) in wanted.items():
                scores[metric][name][rows] = score(ranked, relevant, allowed_count)
        for metric, (_, expected) in wanted.items():
            scores[metric][CHANCE][rows] = expected(allowed_count, relevant)
    column = filtered_by[0] if filtered_by else None
    return [
        Measure("retrieval", label, metric, column, by_system, groups) for metric, by_system in scores.items()
    ]


# Each metric: the score of a ranking, and what a random order would score.
METRICS: dict[str, tuple[Callable[..., metrics.Scores], Callable[..., metrics.Scores]]] = {
    f"mAP@{K}": (
        lambda relevance, relevant, _: metrics.average_precision(relevance, relevant, K),
        lambda candidates, relevant: chance.average_precision(candidates, relevant, K),
    ),
    f"nDCG@{K}": (
        lambda relevance, relevant, _: metrics.ndcg(relevance, relevant, K),
        lambda candidates, relevant: chance.ndcg(candidates, relevant, K),
    ),
    f"recall@{K}": (
        lambda relevance, relevant, _: metrics.recall(relevance, relevant, K),
        lambda candidates, relevant: chance.recall(candidates, relevant, K),
    ),
    "R-precision": (
        lambda relevance, relevant, _: metrics.r_precision(relevance, relevant),
        chance.r_precision,
    ),
    "MRR": (
        lambda relevance, relevant, _: metrics.reciprocal_rank(relevance, relevant),
        chance.reciprocal_rank,
    ),
    "AUC": (metrics.auc, chance.auc),
}


TOP = frozenset({f"mAP@{K}", f"nDCG@{K}", f"recall@{K}"})  # the metrics that look at the first K alone


def _marked_chunks(
    labels: csr_matrix,
    barred: csr_matrix | None,
    queries: Int[np.ndarray, " queries"],
    candidates: Int[np.ndarray, " candidates"],
) -> Iterator[tuple[Int[np.ndarray, " queries"], Marks, Marks]]:
    """(query rows, which candidates are right, which are allowed), a bounded number of queries at a time."""
    size = chunk_size(len(candidates))
    for start in range(0, len(queries), size):
        rows = queries[start : start + size]
        allowed = rows[:, None] != candidates
        if barred is not None:
            allowed &= ~_sharing(barred, rows, candidates)
        yield rows, _sharing(labels, rows, candidates) & allowed, allowed


def _sharing(
    members: csr_matrix, rows: Int[np.ndarray, " queries"], candidates: Int[np.ndarray, " candidates"]
) -> Marks:
    return np.asarray((members[rows] @ members[candidates].T).toarray() > 0)


def _ranked(
    similarity: Float[np.ndarray, "queries candidates"], right: Marks, allowed: Marks, ranks: int | None
) -> Marks:
    """Whether each rank, or each of the first `ranks`, holds a right candidate; those not allowed come last."""
    distance = np.where(allowed, -similarity, np.inf)
    if ranks is None or ranks >= distance.shape[1]:
        return np.take_along_axis(right, np.argsort(distance, axis=1, kind="stable"), axis=1)
    nearest = np.argpartition(distance, ranks - 1, axis=1)[:, :ranks]
    order = np.argsort(np.take_along_axis(distance, nearest, axis=1), axis=1, kind="stable")
    return np.take_along_axis(right, np.take_along_axis(nearest, order, axis=1), axis=1)
