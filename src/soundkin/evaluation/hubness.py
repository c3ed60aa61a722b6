"""Hubs, tracks among the nearest of far too many others (Radovanović et al. 2010), and ways to reduce them.

*Mutual proximity* (D. Schnitzer, A. Flexer, M. Schedl and G. Widmer, "Local and global scaling reduce hubs in
space", 2012) is how likely two tracks are nearer to each other than to another track, on both sides. Ours is
the Gaussian version with independent sides, which needs two figures a track and not all cosines at once;
where cosines are far from normal, as among clusters, it leaves more hubs than the empirical one. *CSLS* (A.
Conneau, G. Lample, M. Ranzato, L. Denoyer and H. Jégou, "Word translation without parallel data", 2018) is
twice the cosine, less how near the nearest tracks of each side are.

Cosines are computed a chunk of queries at a time, twice: for what surrounds each track, and to rank. Memory
grows with the number of tracks, time with its square.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix
from scipy.special import log_ndtr
from scipy.stats import skew

from soundkin.evaluation.label_questions import Question, memberships
from soundkin.evaluation.retrieval import relevance
from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.statistics.bootstrap import Interval, compare
from soundkin.statistics.measure import Measure
from soundkin.statistics.nearest_neighbours import largest, nearest_others, similarity_chunks
from soundkin.statistics.ranking_metrics import average_precision, runs_of
from soundkin.statistics.scaling import unit_length

COSINE, MUTUAL_PROXIMITY, CSLS = "cosine", "mutual proximity", "CSLS"
RESAMPLES = 2000
NEAREST = 10  # that CSLS takes for a track's surroundings, as in its paper

Vectors = Float[np.ndarray, "tracks embedding"]
Rows = Int[np.ndarray, " queries"]
Similarity = Float[np.ndarray, "queries tracks"]
Mask = Bool[np.ndarray, "queries tracks"]


class Hubness(BaseModel, frozen=True):
    """How unevenly tracks occur among others' `k` nearest.

    `skewness` is 0 for an even spread, above 2 for a space with clear hubs. `largest_hub` is the share of all
    lists that the most frequent track is in; `antihubs` the share of tracks that are in none.
    """

    system: str
    k: int
    skewness: float
    largest_hub: float
    antihubs: float


class RetrievalGain(BaseModel, frozen=True):
    """Retrieval by one similarity; `gain` is how far it is above the plain cosine, None for that itself.

    `tracks` were asked, by so many artists (`groups`; `unit`).
    """

    label: str
    metric: str
    filtered_by: str | None
    score: Interval
    gain: Interval | None
    tracks: int
    groups: int
    unit: str = "artists"

    def __str__(self) -> str:
        return f"{self.score}" if self.gain is None else f"{self.score.mean:.2f} ({self.gain:+.2f})"


class Neighbours(BaseModel, frozen=True):
    """One system's lists of nearest tracks by one similarity: `cosine`, `mutual proximity` or `CSLS`."""

    similarity: str
    hubness: Hubness
    retrieval: tuple[RetrievalGain, ...]


class Surroundings(NamedTuple):
    """Mean and standard deviation of each track's cosines to all others, and the mean of the nearest."""

    mean: Float[np.ndarray, " tracks"]
    spread: Float[np.ndarray, " tracks"]
    nearest: Float[np.ndarray, " tracks"]


class Ranked(NamedTuple):
    """Of each track: the lists of k nearest it is in, and its average precision at k by label (NaN: not
    asked).
    """

    occurrences: Int[np.ndarray, " tracks"]
    precision: dict[str, Float[np.ndarray, " tracks"]]


def hubness(system: str, vectors: Vectors, k: int = 10) -> Hubness:
    """Skewness of the k-occurrence under cosine, its largest hub and its antihubs."""
    return hubness_from_occurrences(system, k_occurrences(vectors, k), k)


def hubness_from_occurrences(system: str, occurrences: Int[np.ndarray, " tracks"], k: int) -> Hubness:
    """Hubness of lists of `k` by any similarity, from how many of them each track is in."""
    others = max(len(occurrences) - 1, 0)
    return Hubness(
        system=system,
        k=min(k, others),
        skewness=float(skew(occurrences)) if len(np.unique(occurrences)) > 1 else 0.0,
        largest_hub=float(occurrences.max(initial=0) / max(others, 1)),
        antihubs=float((occurrences == 0).mean()) if len(occurrences) else 0.0,
    )


@typechecked
def k_occurrences(vectors: Vectors, k: int = 10, queries: Rows | None = None) -> Int[np.ndarray, " tracks"]:
    """In how many other tracks' `k` nearest each track is, or in those of the rows `queries`."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=int)
    _, nearest = nearest_others(unit_length(np.asarray(vectors, np.float32)), k, queries)
    return np.bincount(nearest.ravel(), minlength=len(vectors))


@typechecked
def surroundings(vectors: Vectors, nearest: int = NEAREST) -> Surroundings:
    """What surrounds each track, the track itself left out; zeros where there is no other."""
    tracks = len(vectors)
    nearest = min(nearest, tracks - 1)
    mean, spread, near = np.zeros((3, tracks))
    for rows, similarity in similarity_chunks(vectors, np.arange(tracks)) if nearest > 0 else ():
        others = np.asarray(similarity, dtype=np.float64)
        others = others[np.arange(tracks) != rows[:, None]].reshape(len(rows), tracks - 1)
        mean[rows], spread[rows] = others.mean(axis=1), others.std(axis=1)
        near[rows] = np.partition(others, -nearest, axis=1)[:, -nearest:].mean(axis=1)
    return Surroundings(mean, spread, near)


@typechecked
def mutual_proximity(similarity: Similarity, rows: Rows, around: Surroundings) -> Similarity:
    """Log probability that other tracks are farther from the query, and others from the candidate."""
    spread = np.where(around.spread > 0, around.spread, 1.0)
    from_query = (similarity - around.mean[rows, None]) / spread[rows, None]
    from_candidate = (similarity - around.mean) / spread
    return np.asarray(log_ndtr(from_query) + log_ndtr(from_candidate))


@typechecked
def csls(similarity: Similarity, rows: Rows, around: Surroundings) -> Similarity:
    """Twice the cosine, less the mean cosine of each side to its nearest."""
    return np.asarray(2 * similarity - around.nearest[rows, None] - around.nearest)


REDUCTIONS: dict[str, Callable[[Similarity, Rows, Surroundings], Similarity]] = {
    COSINE: lambda similarity, rows, around: similarity,
    MUTUAL_PROXIMITY: mutual_proximity,
    CSLS: csls,
}


def neighbours(
    system: str,
    vectors: Vectors,
    questions: Sequence[Question] = (),
    k: int = 10,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
    unit: str = "artists",
) -> tuple[Neighbours, ...]:
    """A system's hubs by each similarity, and its retrieval scores on `questions` about the same tracks.

    Tracks must be in random order, as `rank` says. A question that nothing answers is left out.
    """
    ranked = rank(vectors, questions, k)
    by_similarity = []
    for name, (occurrences, precision) in ranked.items():
        retrieval = []
        for question in questions:
            label, filtered_by = question.label, question.filtered_by
            scores = {name: precision[label], COSINE: ranked[COSINE].precision[label]}
            measure = Measure("retrieval", label, f"mAP@{k}", filtered_by, scores, question.groups, unit=unit)
            if tracks := int(measure.asked.sum()):
                compared = compare(measure, resamples, random_seed)
                retrieval.append(
                    RetrievalGain(
                        label=label,
                        metric=measure.metric,
                        filtered_by=filtered_by,
                        score=compared.scores[0],
                        gain=next(iter(compared.gains), None),
                        tracks=tracks,
                        groups=compared.groups,
                        unit=unit,
                    )
                )
        hubs = hubness_from_occurrences(system, occurrences, k)
        by_similarity.append(Neighbours(similarity=name, hubness=hubs, retrieval=tuple(retrieval)))
    return tuple(by_similarity)


def rank(vectors: Vectors, questions: Sequence[Question] = (), k: int = 10) -> dict[str, Ranked]:
    """Rank all tracks around each, by the cosine and by each reduction, and score the lists of `k` nearest.

    Row i of `vectors` is track i of every question; its filter is on, where it has one. Ties fall in the
    order of the tracks: shuffle them first, since the order of a catalog gives away its artists.
    """
    tracks = np.arange(len(vectors))
    ranked = {
        name: Ranked(
            np.zeros_like(tracks), {asked.label: np.full(len(tracks), np.nan) for asked in questions}
        )
        for name in REDUCTIONS
    }
    around = surroundings(vectors)
    shared = {
        asked.label: (
            memberships(asked.values),
            memberships(asked.filter_values) if asked.filtered_by else None,
        )
        for asked in questions
    }
    for rows, cosine in similarity_chunks(vectors, tracks):
        others = tracks != rows[:, None]
        marks = {label: relevance(rows, tracks, *of_label) for label, of_label in shared.items()}
        for name, reduce in REDUCTIONS.items():
            similarity = reduce(cosine, rows, around)
            nearest = largest(np.where(others, similarity, -np.inf), min(k, len(tracks) - 1))
            ranked[name].occurrences[:] += np.bincount(nearest.ravel(), minlength=len(tracks))
            for label, (right, allowed) in marks.items():
                runs = runs_of(np.where(allowed, similarity, -np.inf), csr_matrix(right))
                ranked[name].precision[label][rows] = average_precision(runs, right.sum(axis=1), k)
    return ranked
