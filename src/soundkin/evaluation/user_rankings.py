"""How well users' rankings of tracks hold what they played: a score a user, a system and a metric.

A user's score of a track is the dot product of their vectors, and every user ranks all tracks that they are
offered. mAP@500 is the mean over users of the average precision truncated at 500 and divided by min(plays,
500): McFee, Bertin-Mahieux, Ellis & Lanckriet (2012), "The Million Song Dataset Challenge". Users without a
play are not asked. Level scores are no order: what counts is the expectation over all orders of them. Tracks
that are *known* to a user, from plays before a cutoff, are not offered to them: they count neither as right
nor as wrong.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from scipy.sparse import csr_matrix

from soundkin.errors import UsageError
from soundkin.shapes import Float, Int
from soundkin.statistics import ranking_metrics as ranking
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.ranking_metrics import Scores, random_order, runs_of

SHORT, LONG = (
    20,
    500,
)  # how many recommendations somebody looks at; how many the Million Song Dataset Challenge did
SCORES_AT_ONCE = 1 << 22
MOST_GROUPS = 50_000  # that intervals are drawn over

Factors = tuple[Float[np.ndarray, "users factors"], Float[np.ndarray, "tracks factors"]]
System = Factors | Float[np.ndarray, " tracks"]  # one score a track is the same for all users

Metric = Callable[..., Scores]


def metrics_at(short: int = SHORT, long: int = LONG) -> dict[str, Metric]:
    """Each metric: the score of a ranking, given how many candidates there are, and what a random order would
    score.

    `short` is how many recommendations recall and nDCG look at, `long` how many average precision does.
    """
    return {
        f"recall@{short}": lambda runs, relevant, _: ranking.recall(runs, relevant, short),
        f"nDCG@{short}": lambda runs, relevant, _: ranking.ndcg(runs, relevant, short),
        f"mAP@{long}": lambda runs, relevant, _: ranking.average_precision(runs, relevant, long),
        "AUC": ranking.auc,
    }


METRICS = metrics_at()


def ask(
    systems: Mapping[str, System],
    plays: csr_matrix,
    random_seed: int = 0,
    known: csr_matrix | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Measure]:
    """Score every user's ranking of the tracks by each system, and a random one: a `Measure` over users a
    metric.

    `plays`, [users, tracks], stores the right tracks of each user, and `known` those that are not offered to
    them. Users are taken a block at a time, so that memory stays bounded. Scores are summed in float64 and
    compared in float32: tracks of equal vectors stay level, in whatever order their products were added up.

    Raises:
        UsageError: vectors and plays do not match, or hold a NaN or infinity.
    """
    plays, known = without_known(plays, known), binary(csr_matrix(plays.shape) if known is None else known)
    users, tracks = plays.shape
    for name, system in systems.items():
        _check(name, system, users, tracks)
    systems = {name: _precise_tracks(system) for name, system in systems.items()}
    relevant, offered = np.diff(plays.indptr).astype(int), tracks - np.diff(known.indptr).astype(int)
    scores = {metric: {name: np.full(users, np.nan) for name in [*systems, CHANCE]} for metric in metrics}
    for rows in _blocks(np.flatnonzero(relevant), tracks):
        left_out = known[rows].nonzero()
        for name, system in systems.items():
            scored = _scored(system, rows)
            scored[left_out] = -np.inf  # behind all that are offered
            runs = runs_of(scored, plays[rows])
            for metric, score in metrics.items():
                scores[metric][name][rows] = score(runs, relevant[rows], offered[rows])
        for metric, expected in metrics.items():
            scores[metric][CHANCE][rows] = expected(
                random_order(offered[rows], relevant[rows]), relevant[rows], offered[rows]
            )
    groups = _groups(users, random_seed)
    unit = "users" if users <= MOST_GROUPS else "crowds of users"
    return [
        Measure("recommendation", "plays", metric, None, by_system, groups, unit=unit)
        for metric, by_system in scores.items()
    ]


def binary(plays: csr_matrix) -> csr_matrix:
    """A one for every value above 0, once each, in order of track."""
    marked = csr_matrix(plays > 0, dtype=np.float32)
    marked.sum_duplicates()
    return marked


def without_known(plays: csr_matrix, known: csr_matrix | None) -> csr_matrix:
    """The plays of tracks that are offered, a one each."""
    plays = binary(plays)
    return plays if known is None else binary(plays - plays.multiply(binary(known)))


def _check(name: str, system: System, users: int, tracks: int) -> None:
    parts = [part.shape for part in system] if isinstance(system, tuple) else [(users, 0), (len(system), 0)]
    if (parts[0][0], parts[1][0]) != (users, tracks) or parts[0][1] != parts[1][1]:
        raise UsageError(
            f"{name} has vectors of users {parts[0]} and of tracks {parts[1]} for plays of {users} users and {tracks} "
            "tracks. Give one a user and one a track, of equal length."
        )
    for part in system if isinstance(system, tuple) else (system,):
        if not np.isfinite(part).all():
            raise UsageError(
                f"{name} holds a NaN or infinity. Leave out the users and tracks that have no vector."
            )


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
    """A number for each user; where there are very many, random crowds of equal size, whose means vary as
    theirs do.
    """
    if users <= MOST_GROUPS:
        return np.arange(users)
    return np.random.default_rng(random_seed).permutation(users) % MOST_GROUPS
