"""Whether users are offered what they go on to play, of tracks that nobody had played before: the cold start.

A user's score of a track is the dot product of their vectors. Every user ranks all held-out tracks, and the right ones
are those they played, as in van den Oord, Dieleman & Schrauwen (2013). mAP@500 is the mean over users of the average
precision truncated at 500 and divided by min(plays, 500): McFee, Bertin-Mahieux, Ellis & Lanckriet (2012), "The Million
Song Dataset Challenge". Users without a held-out play are not asked. Level scores are no order: what counts is the
expectation over all orders of them.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.errors import UsageError
from soundkin.evaluation import chance, ranking
from soundkin.evaluation.bootstrap import LEVEL, Interval, draw_groups, grouped_means, intervals, paired_gains
from soundkin.evaluation.measure import CHANCE, Measure
from soundkin.evaluation.metrics import Scores
from soundkin.evaluation.ranking import runs_of
from soundkin.shapes import Float, Int

SHUFFLED, POPULARITY, BOUND = "shuffled", "popularity (oracle)", "upper bound"
SHORT, LONG = 20, 500  # how many recommendations somebody looks at; how many the Million Song Dataset Challenge did
SHUFFLES = 5  # one order of tracks would be luck that no interval over users shows
SCORES_AT_ONCE = 1 << 22
MOST_GROUPS = 2000  # that intervals are drawn over
RESAMPLES = 2000

Factors = tuple[Float[np.ndarray, "users factors"], Float[np.ndarray, "tracks factors"]]
System = Factors | Float[np.ndarray, " tracks"]  # one score a track is the same for all users

# Each metric: the score of a ranking, given how many candidates there are, and what a random order would score.
METRICS: dict[str, tuple[Callable[..., Scores], Callable[..., Scores]]] = {
    f"recall@{SHORT}": (
        lambda runs, relevant, _: ranking.recall(runs, relevant, SHORT),
        lambda candidates, relevant: chance.recall(candidates, relevant, SHORT),
    ),
    f"nDCG@{SHORT}": (
        lambda runs, relevant, _: ranking.ndcg(runs, relevant, SHORT),
        lambda candidates, relevant: chance.ndcg(candidates, relevant, SHORT),
    ),
    f"mAP@{LONG}": (
        lambda runs, relevant, _: ranking.average_precision(runs, relevant, LONG),
        lambda candidates, relevant: chance.average_precision(candidates, relevant, LONG),
    ),
    "AUC": (ranking.auc, chance.auc),
}
HEADLINE = f"recall@{SHORT}"


class RecommendationRow(BaseModel, frozen=True):
    """One metric of all systems. `gains` are the first system minus each other one, on the same draws of users."""

    metric: str
    users: int
    scores: tuple[Interval, ...]
    gains: tuple[Interval, ...]


class ColdStart(BaseModel, frozen=True):
    """Systems side by side on the same users and tracks; the first one is ours.

    `shares` are each system's recall over the upper bound's; there are none where the bound itself finds nothing.
    """

    systems: tuple[str, ...]
    users: int
    tracks: int
    plays: int
    rows: tuple[RecommendationRow, ...]
    shares: tuple[Interval, ...]
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def verdict(self) -> str:
        """One line: how much of what can be known of a track was heard."""
        ours, *others = next(row.scores for row in self.rows if row.metric == HEADLINE)
        share = next((f", {share:.0%} of the {BOUND}" for share in self.shares), "")
        against = ", ".join(f"{other.system} {other.mean:.3f}" for other in others)
        return f"{ours.system}: {HEADLINE} {ours:.3f}{share}; {against}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system: each metric with its interval, and the share of the upper bound."""
        cells = {name: {"system": name} for name in self.systems}
        for row in self.rows:
            for score in row.scores:
                cells[score.system][row.metric] = f"{score:.3f}"  # mAP of a cold start is small
        for share in self.shares:
            cells[share.system][f"{HEADLINE} of the bound"] = f"{share:.0%}"
        return list(cells.values())

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"verdict": self.verdict} | self.model_dump(mode="json")


def cold_start(
    systems: Mapping[str, Factors],
    bound: Factors,
    plays: csr_matrix,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
) -> ColdStart:
    """Judge what `systems` foretell of held-out tracks by the plays that users came to give them.

    `systems` are vectors of users, and of tracks by their sound alone; `bound` those that a factorisation of all plays,
    the held-out ones too, finds (or that were planted). `plays`, [users, held-out tracks], stores what was played.
    Beside them stand the first system with its tracks shuffled; chance; and popularity (oracle). Of a track that nobody
    has played no popularity is known, so that row counts the held-out plays themselves: a control that cheats.

    Raises:
        UsageError: vectors and plays do not match, vectors hold a NaN or infinity, or nobody played any of the tracks.
    """
    if not systems:
        raise UsageError("no system to judge: give the vectors of one at least.")
    plays = _binary(plays)
    first = next(iter(systems))
    controls = _shuffled(systems[first], random_seed) | {POPULARITY: np.asarray(plays.sum(axis=0), float).ravel()}
    measures = [_shuffles_averaged(one) for one in ask({**systems, **controls, BOUND: bound}, plays, random_seed)]
    measures = [measure for measure in measures if measure.asked.any()]
    if not measures:
        raise UsageError(
            f"nobody has played any of the {plays.shape[1]} held-out tracks, so there is nothing to judge by. "
            "Hold out tracks that are played, or give ratings of more users."
        )
    headline = measures[0]
    shares = [share_of_bound(headline, name, resamples, random_seed) for name in headline.scores if name != BOUND]
    return ColdStart(
        systems=tuple(headline.scores),
        users=int(headline.asked.sum()),
        tracks=plays.shape[1],
        plays=plays.nnz,
        rows=tuple(_row(measure, resamples, random_seed) for measure in measures),
        shares=tuple(share for share in shares if share is not None),
        notes=(
            f"Intervals are {LEVEL:.0%} percentiles of {resamples} draws of users. The tracks stay fixed.",
            f"{SHUFFLED}: {first} with its tracks' vectors in each other's places, the mean over {SHUFFLES} orders. "
            f"{POPULARITY}: the held-out plays counted, which nobody knows of a new track. "
            f"{BOUND}: vectors made with the held-out plays known. {CHANCE}: what a random order is expected to score.",
        ),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


def ask(systems: Mapping[str, System], plays: csr_matrix, random_seed: int = 0) -> list[Measure]:
    """Score every user's ranking of the tracks by each system, and a random one: a `Measure` over users a metric.

    `plays`, [users, tracks], stores the right tracks of each user. Users are taken a block at a time, so that memory
    stays bounded. Scores are summed in float64 and compared in float32: tracks of equal vectors stay level, in
    whatever order their products were added up.

    Raises:
        UsageError: vectors and plays do not match, or hold a NaN or infinity.
    """
    plays = _binary(plays)
    users, tracks = plays.shape
    for name, system in systems.items():
        _check(name, system, users, tracks)
    systems = {name: _precise_tracks(system) for name, system in systems.items()}
    relevant = np.diff(plays.indptr).astype(int)
    scores = {metric: {name: np.full(users, np.nan) for name in [*systems, CHANCE]} for metric in METRICS}
    for rows in _blocks(np.flatnonzero(relevant), tracks):
        candidates = np.full(len(rows), tracks)
        for name, system in systems.items():
            runs = runs_of(_scored(system, rows), plays[rows])
            for metric, (score, _) in METRICS.items():
                scores[metric][name][rows] = score(runs, relevant[rows], tracks)
        for metric, (_, expected) in METRICS.items():
            scores[metric][CHANCE][rows] = expected(candidates, relevant[rows])
    groups = _groups(users, random_seed)
    return [Measure("recommendation", "plays", metric, None, by_system, groups) for metric, by_system in scores.items()]


def share_of_bound(measure: Measure, system: str, resamples: int, random_seed: int) -> Interval | None:
    """A system's mean score over the upper bound's, with its interval on paired draws of users; None if that is 0."""
    asked = measure.asked
    names, groups = np.unique(measure.groups[asked], return_inverse=True)
    draws = draw_groups(len(names), resamples, random_seed)
    ours, bound = (
        grouped_means(measure.scores[name][asked], np.ones(len(groups)), groups, draws) for name in (system, BOUND)
    )
    if not bound[:1].any():
        return None
    share = ours[bound > 0] / bound[bound > 0]
    if len(share) == 1:
        return Interval(system=system, mean=float(share[0]))
    low, high = np.quantile(share[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(system=system, mean=float(share[0]), low=float(low), high=float(high))


def _shuffled(system: Factors, random_seed: int) -> dict[str, System]:
    users, tracks = system
    rng = np.random.default_rng(random_seed)
    return {f"{SHUFFLED} {order}": (users, tracks[rng.permutation(len(tracks))]) for order in range(SHUFFLES)}


def _shuffles_averaged(measure: Measure) -> Measure:
    """The orders of shuffled tracks as one system, in their place."""
    orders = [f"{SHUFFLED} {order}" for order in range(SHUFFLES)]
    mean = np.mean([measure.scores[name] for name in orders], axis=0)
    scores = {SHUFFLED if name in orders else name: score for name, score in measure.scores.items()}
    return replace(measure, scores={**scores, SHUFFLED: mean})


def _binary(plays: csr_matrix) -> csr_matrix:
    """A one for every value above 0, once each, in order of track."""
    marked = csr_matrix(plays > 0, dtype=np.float32)
    marked.sum_duplicates()
    return marked


def _check(name: str, system: System, users: int, tracks: int) -> None:
    parts = [part.shape for part in system] if isinstance(system, tuple) else [(users, 0), (len(system), 0)]
    if (parts[0][0], parts[1][0]) != (users, tracks) or parts[0][1] != parts[1][1]:
        raise UsageError(
            f"{name} has vectors of users {parts[0]} and of tracks {parts[1]} for plays of {users} users and {tracks} "
            "tracks. Give one a user and one a track, of equal length."
        )
    for part in system if isinstance(system, tuple) else (system,):
        if not np.isfinite(part).all():
            raise UsageError(f"{name} holds a NaN or infinity. Leave out the users and tracks that have no vector.")


def _blocks(rows: Int[np.ndarray, " users"], tracks: int) -> Iterator[Int[np.ndarray, " block"]]:
    size = max(1, SCORES_AT_ONCE // max(tracks, LONG))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _precise_tracks(system: System) -> System:
    return (system[0], system[1].astype(np.float64)) if isinstance(system, tuple) else system


def _scored(system: System, rows: Int[np.ndarray, " block"]) -> Float[np.ndarray, "block tracks"]:
    if not isinstance(system, tuple):
        return np.repeat(np.asarray(system, np.float32)[None], len(rows), axis=0)
    users, tracks = system
    return np.asarray(users[rows].astype(np.float64) @ tracks.T, np.float32)


def _groups(users: int, random_seed: int) -> Int[np.ndarray, " users"]:
    """A number for each user; where there are very many, random crowds of equal size, whose means vary as theirs do."""
    if users <= MOST_GROUPS:
        return np.arange(users)
    return np.random.default_rng(random_seed).permutation(users) % MOST_GROUPS


def _row(measure: Measure, resamples: int, random_seed: int) -> RecommendationRow:
    return RecommendationRow(
        metric=measure.metric,
        users=int(measure.asked.sum()),
        scores=intervals(measure, resamples, random_seed),
        gains=paired_gains(measure, resamples, random_seed),
    )
