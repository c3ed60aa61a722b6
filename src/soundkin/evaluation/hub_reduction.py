"""Similarities rescaled by what surrounds each track, so that no track is everybody's neighbour.

Two ways, each in place of the plain cosine when tracks are ranked:

- *mutual proximity* (D. Schnitzer, A. Flexer, M. Schedl and G. Widmer, "Local and global scaling reduce hubs
  in space", 2012): how likely two tracks are nearer to each other than to another track, on both sides. Ours
  is their Gaussian version with independent sides: each track's cosines to all others are taken as normal.
  Unlike the empirical version it needs two figures a track, and not all cosines at once; where cosines are
  far from normal, as among clusters, it leaves more hubs than that one would. Its logarithm is used, which
  ranks alike and does not saturate near 1.
- *CSLS*, cross-domain similarity local scaling (A. Conneau, G. Lample, M. Ranzato, L. Denoyer and H. Jégou,
  "Word translation without parallel data", 2018): twice the cosine, less how near the nearest tracks of each
  side are.

Cosines are computed a chunk of queries at a time, twice: once for what surrounds each track, once to rank.
Memory grows with the number of tracks, time with its square.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix
from scipy.special import log_ndtr

from soundkin.evaluation.hubness import Hubness, hubness_of
from soundkin.evaluation.label_questions import Question, memberships
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import Interval, compare
from soundkin.statistics.measure import Measure
from soundkin.statistics.nearest_neighbours import similarity_chunks
from soundkin.statistics.ranking_metrics import average_precision, runs_of

COSINE, MUTUAL_PROXIMITY, CSLS = "cosine", "mutual proximity", "CSLS"
RESAMPLES = 2000
NEAREST = 10  # that CSLS takes for a track's surroundings, as in its paper

Vectors = Float[np.ndarray, "tracks embedding"]
Rows = Int[np.ndarray, " queries"]
Similarity = Float[np.ndarray, "queries tracks"]


class Retrieved(BaseModel, frozen=True):
    """Retrieval by one similarity; `gain` is how far it is above the plain cosine, None for the cosine
    itself.

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


class Neighbours(BaseModel, frozen=True):
    """One system's lists of nearest tracks by one similarity: `cosine`, `mutual proximity` or `CSLS`."""

    similarity: str
    hubness: Hubness
    retrieval: tuple[Retrieved, ...]


@dataclass(frozen=True)
class Surroundings:
    """Of each track's cosines to all others: their mean, their standard deviation, the mean of the nearest."""

    mean: Float[np.ndarray, " tracks"]
    spread: Float[np.ndarray, " tracks"]
    nearest: Float[np.ndarray, " tracks"]


@dataclass(frozen=True)
class Ranked:
    """What comes of ranking by one similarity, over the same tracks in the same order.

    `occurrences` counts the lists of k nearest that each track stands in; `precision` is the average
    precision at k of each track as a query, by the label asked for, NaN where it could not be asked.
    """

    occurrences: Int[np.ndarray, " tracks"]
    precision: Mapping[str, Float[np.ndarray, " tracks"]]


@typechecked
def surroundings(vectors: Vectors, nearest: int = NEAREST) -> Surroundings:
    """What surrounds each track, the track itself left out; zeros where there is no other."""
    tracks = len(vectors)
    nearest = min(nearest, tracks - 1)
    mean, spread, near = np.zeros((3, tracks))
    if nearest < 1:
        return Surroundings(mean, spread, near)
    for rows, similarity in similarity_chunks(vectors, np.arange(tracks)):
        others = np.asarray(similarity, dtype=np.float64)
        own = others[np.arange(len(rows)), rows]
        mean[rows] = (others.sum(axis=1) - own) / (tracks - 1)
        deviations = (others - mean[rows, None]) ** 2
        deviations[np.arange(len(rows)), rows] = 0.0
        spread[rows] = np.sqrt(deviations.sum(axis=1) / (tracks - 1))
        others[np.arange(len(rows)), rows] = -np.inf
        near[rows] = np.partition(others, tracks - nearest, axis=1)[:, tracks - nearest :].mean(axis=1)
    return Surroundings(mean, spread, near)


def plain_cosine(similarity: Similarity, rows: Rows, around: Surroundings) -> Similarity:
    """The cosine as it is."""
    return similarity


@typechecked
def mutual_proximity(similarity: Similarity, rows: Rows, around: Surroundings) -> Similarity:
    """Log probability that another track is farther from the query, and another farther from the candidate."""
    spread = np.where(around.spread > 0, around.spread, 1.0)
    from_query = (similarity - around.mean[rows, None]) / spread[rows, None]
    from_candidate = (similarity - around.mean) / spread
    return np.asarray(log_ndtr(from_query) + log_ndtr(from_candidate))


@typechecked
def csls(similarity: Similarity, rows: Rows, around: Surroundings) -> Similarity:
    """Twice the cosine, less the mean cosine of each side to its nearest."""
    return np.asarray(2 * similarity - around.nearest[rows, None] - around.nearest)


REDUCTIONS: dict[str, Callable[[Similarity, Rows, Surroundings], Similarity]] = {
    COSINE: plain_cosine,
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
    """A system's hubs by each similarity, and what it finds of `questions`, which are about the same tracks.

    Tracks must stand in random order, as `rank` says. A question that nothing answers is left out.
    """
    ranked = rank(vectors, questions, k)
    return tuple(
        Neighbours(
            similarity=name,
            hubness=hubness_of(system, ranked[name].occurrences, k),
            retrieval=tuple(
                _retrieved(name, ranked, asked, k, random_seed, resamples, unit)
                for asked in questions
                if np.isfinite(ranked[name].precision[asked.label]).any()
            ),
        )
        for name in REDUCTIONS
    )


def rank(vectors: Vectors, questions: Sequence[Question] = (), k: int = 10) -> dict[str, Ranked]:
    """Rank all tracks around each, by the cosine and by each reduction, and score the lists of `k` nearest.

    Row i of `vectors` is track i of every question; its filter is on, where it has one. Ties fall as the
    tracks stand: shuffle them first, since the order of a catalog gives away its artists.
    """
    tracks = len(vectors)
    occurrences = {name: np.zeros(tracks, dtype=int) for name in REDUCTIONS}
    precision = {name: {asked.label: np.full(tracks, np.nan) for asked in questions} for name in REDUCTIONS}
    around = surroundings(vectors)
    answers = [_answers(asked) for asked in questions]
    for rows, cosine in similarity_chunks(vectors, np.arange(tracks)):
        marked = [answer(rows) for answer in answers]
        own = np.arange(tracks) == rows[:, None]
        for name, reduce in REDUCTIONS.items():
            similarity = reduce(cosine, rows, around)
            nearest = _nearest(np.where(own, -np.inf, similarity), min(k, tracks - 1))
            occurrences[name] += np.bincount(nearest.ravel(), minlength=tracks)
            for asked, (right, allowed) in zip(questions, marked, strict=True):
                runs = runs_of(np.where(allowed, similarity, -np.inf), csr_matrix(right))
                precision[name][asked.label][rows] = average_precision(runs, right.sum(axis=1), k)
    return {name: Ranked(occurrences[name], precision[name]) for name in REDUCTIONS}


def _nearest(similarity: Similarity, k: int) -> Int[np.ndarray, "queries k"]:
    """The `k` of highest similarity, nearest first."""
    if k < 1:
        return np.zeros((len(similarity), 0), dtype=int)
    nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(similarity, nearest, axis=1), axis=1, kind="stable")
    return np.asarray(np.take_along_axis(nearest, order, axis=1))


def _answers(asked: Question) -> Callable[[Rows], tuple[np.ndarray, np.ndarray]]:
    """A function of query rows: which tracks are right, and which are allowed, [queries, tracks] each, as in
    retrieval.

    Tracks without a label neither ask nor answer; sharers of the filter's value and the query itself do not
    answer.
    """
    names = memberships(asked.values)
    barred = memberships(asked.filter_values) if asked.filtered_by else None
    labelled = np.array([bool(held) for held in asked.values], dtype=bool)

    def marked(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        allowed = (np.arange(len(labelled)) != rows[:, None]) & labelled
        if barred is not None:
            allowed &= (barred[rows] @ barred.T).toarray() == 0
        return ((names[rows] @ names.T).toarray() > 0) & allowed, allowed

    return marked


def _retrieved(
    name: str,
    ranked: Mapping[str, Ranked],
    asked: Question,
    k: int,
    random_seed: int,
    resamples: int,
    unit: str,
) -> Retrieved:
    """One similarity's answers to a question, and how far they are above the cosine's on the same draws."""
    scores = {name: ranked[name].precision[asked.label], COSINE: ranked[COSINE].precision[asked.label]}
    measure = Measure(
        "retrieval", asked.label, f"mAP@{k}", asked.filtered_by, scores, asked.groups, unit=unit
    )
    found = compare(measure, resamples, random_seed)
    return Retrieved(
        label=asked.label,
        metric=measure.metric,
        filtered_by=asked.filtered_by,
        score=found.scores[0],
        gain=next(iter(found.gains), None),
        tracks=int(measure.asked.sum()),
        groups=found.groups,
        unit=unit,
    )
