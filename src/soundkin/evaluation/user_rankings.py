"""Scores of users' rankings of held-out tracks, compared with controls and with an upper bound.

A user's score of a track is the dot product of their vectors; every user ranks all candidates, and relevant
are the tracks they played, as in van den Oord, Dieleman & Schrauwen (2013). mAP@500 is the mean over users of
the average precision truncated at 500 and divided by min(plays, 500): McFee, Bertin-Mahieux, Ellis &
Lanckriet (2012), "The Million Song Dataset Challenge". Ties count as their expectation over all orders.
Tracks *known* to a user, from plays before a cutoff, are no candidates.

Systems without user vectors get *profiles*: ridge regressions of what users like (1, or 0 for every other
track) on the vectors of the training tracks, u = (Y'Y / n + strength I)^-1 Y' p, with Y standardised and at
unit length: the half-step of Hu, Koren & Volinsky (2008) with equal confidence. An infinite strength leaves
the direction of the mean of the liked tracks, which suits noisy vectors; a small one suits clear vectors. It
is chosen on held-out training artists, for every system.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.errors import UsageError
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics import ranking_metrics as ranking
from soundkin.statistics.bootstrap import (
    LEVEL,
    Compared,
    Interval,
    compare,
    drawn_means,
    interval_of,
    listed_means,
)
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.ranking_metrics import Scores, random_order, runs_of
from soundkin.statistics.scaling import standardise, unit_length

SHORT, LONG = (
    20,
    500,
)  # how many recommendations people look at; the cutoff of the Million Song Dataset Challenge
SCORES_AT_ONCE = 1 << 22
MOST_GROUPS = 50_000  # that intervals are drawn over
SHUFFLED, POPULARITY, BOUND = "shuffled", "popularity (oracle)", "upper bound"
KNOWN_POPULARITY = "popularity before"
CONTROLS = (SHUFFLED, KNOWN_POPULARITY, POPULARITY, BOUND, CHANCE)
SHUFFLES = 5  # one order of tracks would be luck that no interval over users shows
RESAMPLES = 2000
MEAN = float("inf")
STRENGTHS = (MEAN, 10.0, 1.0, 0.1, 0.01)  # times the mean variance of the vectors' dimensions
CHOSEN_BY = f"mAP@{LONG}"
VALIDATION_SHARE = 0.2  # of the training artists
MOST_VALIDATION_USERS = 1000

Vectors = Float[np.ndarray, "tracks embedding"]
Artists = Int[np.ndarray, " tracks"]
Factors = tuple[Float[np.ndarray, "users factors"], Float[np.ndarray, "tracks factors"]]
RankingSystem = Factors | Float[np.ndarray, " tracks"]  # one score a track ranks alike for all users
Metric = tuple[Callable[..., Scores], int | None]


def metrics_at(short: int = SHORT, long: int = LONG) -> dict[str, Metric]:
    """Each metric's score of a ranking, and its cutoff (None: all ranks)."""
    return {
        f"recall@{short}": (ranking.recall, short),
        f"nDCG@{short}": (ranking.ndcg, short),
        f"mAP@{long}": (ranking.average_precision, long),
        "AUC": (ranking.auc, None),
    }


METRICS = metrics_at()


class UserRankingRow(Compared, frozen=True):
    """One metric of all systems, on draws of users."""

    metric: str
    users: int


class UserRankings(BaseModel, frozen=True):
    """Systems compared on the same users and held-out tracks; the first one is ours.

    `offered` says which tracks. `shares` are each system's first metric over the upper bound's; empty where
    the bound itself finds nothing.
    """

    offered: str = "held-out tracks"
    systems: tuple[str, ...]
    users: int
    tracks: int
    plays: int
    rows: tuple[UserRankingRow, ...]
    shares: tuple[Interval, ...]
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def headline(self) -> UserRankingRow:
        """The first metric: recall."""
        return self.rows[0]

    @property
    def unbeaten(self) -> list[str]:
        """The other systems, controls aside, that ours is not shown to be above."""
        return [system for system in self.headline.unbeaten if system not in CONTROLS]

    @property
    def verdict(self) -> str:
        """One line: our recall, its share of the upper bound, and the other systems' recall."""
        ours, *others = self.headline.scores
        share = next((f", {share:.0%} of the {BOUND}" for share in self.shares), "")
        few = f"{self.headline.too_few}: " if self.headline.too_few else ""
        return f"{few}{ours.system}: {self.headline.metric} {ours:.3f}{share}; {listed_means(others, '.3f')}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system: each metric with its interval, and the share of the upper bound."""
        cells = {name: {"system": name, "users": str(self.users)} for name in self.systems}
        for row in self.rows:
            for score in row.scores:
                cells[score.system][row.metric] = f"{score:.3f}"  # mAP of a cold start is small
        for share in self.shares:
            cells[share.system][f"{self.headline.metric} of the bound"] = f"{share:.0%}"
        return list(cells.values())


def user_rankings(
    systems: Mapping[str, Factors],
    bound: Factors,
    plays: csr_matrix,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
    known: csr_matrix | None = None,
    known_popularity: Float[np.ndarray, " tracks"] | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> tuple[UserRankings, list[Measure]]:
    """Score users' rankings by `systems`, ours first, and by controls, against plays of held-out tracks.

    `systems` are vectors of users, and of tracks by their sound alone; `bound` those of a factorisation of
    all plays, the held-out ones too (or those that were planted). `plays` [users, held-out tracks] stores
    what was played, `known` what is no candidate of a user, and `known_popularity` how often tracks had been
    played by the cutoff. Controls are the first system with its tracks shuffled, chance, and popularity
    (oracle): nothing is known of how popular a new track is, so that one counts the held-out plays
    themselves.

    Returns the table, and the users' scores behind it, a `Measure` a metric.

    Raises:
        UsageError: vectors and plays do not match, vectors hold a NaN or infinity, or nobody played any
            track.
    """
    if not systems:
        raise UsageError("no system to judge: give the vectors of one at least.")
    plays = without_known(plays, known)
    first, (users, tracks) = next(iter(systems.items()))
    rng = np.random.default_rng(random_seed)
    shuffled: dict[str, RankingSystem] = {
        f"{SHUFFLED} {order}": (users, tracks[rng.permutation(len(tracks))]) for order in range(SHUFFLES)
    }
    before = {} if known_popularity is None else {KNOWN_POPULARITY: known_popularity}
    oracle = {POPULARITY: np.asarray(plays.sum(axis=0), float).ravel()}
    asked = ask({**systems, **shuffled, **before, **oracle, BOUND: bound}, plays, random_seed, known, metrics)
    measures = [_mean_over_shuffles(measure, list(shuffled)) for measure in asked if measure.asked.any()]
    if not measures:
        raise UsageError(
            f"nobody has played any of the {plays.shape[1]} held-out tracks, so there is nothing to judge "
            "by. Hold out tracks that are played, or give ratings of more users."
        )
    names = list(measures[0].scores)
    shares = [share_of_bound(measures[0], name, resamples, random_seed) for name in names if name != BOUND]
    counted_before = (
        f"{KNOWN_POPULARITY}: plays before the cutoff counted, which anybody could. " if before else ""
    )
    table = UserRankings(
        systems=tuple(names),
        users=int(measures[0].asked.sum()),
        tracks=plays.shape[1],
        plays=plays.nnz,
        rows=tuple(
            UserRankingRow(
                metric=measure.metric,
                users=int(measure.asked.sum()),
                **dict(compare(measure, resamples, random_seed)),
            )
            for measure in measures
        ),
        shares=tuple(share for share in shares if share is not None),
        notes=(
            f"Intervals are {LEVEL:.0%} percentiles of {resamples} draws of users. The tracks stay fixed.",
            f"{SHUFFLED}: {first} with its tracks' vectors in each other's places, the mean over {SHUFFLES} "
            f"orders. {counted_before}{POPULARITY}: the held-out plays counted, which nobody knows of a new "
            f"track. {BOUND}: vectors made with the held-out plays known. {CHANCE}: what a random order is "
            "expected to score.",
        ),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )
    return table, measures


def ask(
    systems: Mapping[str, RankingSystem],
    plays: csr_matrix,
    random_seed: int = 0,
    known: csr_matrix | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Measure]:
    """Score users' rankings of the tracks by each system, and random ones: a `Measure` over users a metric.

    `plays` [users, tracks] stores the relevant tracks of each user, and `known` those that are no candidates.
    Users are taken a block at a time, so that memory stays bounded. Scores are summed in float64 and compared
    in float32: tracks of equal vectors stay tied, in whatever order their products were added up.

    Raises:
        UsageError: vectors and plays do not match, or hold a NaN or infinity.
    """
    plays, known = without_known(plays, known), binary(csr_matrix(plays.shape) if known is None else known)
    users, tracks = plays.shape
    factors = {name: _checked_factors(name, system, users, tracks) for name, system in systems.items()}
    relevant, candidates = np.diff(plays.indptr).astype(int), tracks - np.diff(known.indptr).astype(int)
    scores = {metric: {name: np.full(users, np.nan) for name in [*systems, CHANCE]} for metric in metrics}
    asked, size = np.flatnonzero(relevant), max(1, SCORES_AT_ONCE // max(tracks, LONG))
    for start in range(0, len(asked), size):
        rows = asked[start : start + size]
        excluded = known[rows].nonzero()
        ranked = {CHANCE: random_order(candidates[rows], relevant[rows])}
        for name, (of_users, of_tracks) in factors.items():
            block = np.asarray(of_users[rows].astype(np.float64) @ of_tracks.T, np.float32)
            block[excluded] = -np.inf  # behind all candidates
            ranked[name] = runs_of(block, plays[rows])
        for metric, (score, k) in metrics.items():
            for name, runs in ranked.items():
                scores[metric][name][rows] = score(runs, relevant[rows], k or candidates[rows])
    groups, unit = np.arange(users), "users"
    if users > MOST_GROUPS:  # random crowds of equal size, whose means vary as the users' do
        groups, unit = np.random.default_rng(random_seed).permutation(users) % MOST_GROUPS, "crowds of users"
    return [
        Measure("recommendation", "plays", metric, None, by_system, groups, unit=unit)
        for metric, by_system in scores.items()
    ]


def share_of_bound(measure: Measure, system: str, resamples: int, random_seed: int) -> Interval | None:
    """A system's mean score over the upper bound's, on paired draws of users; None if the bound's is 0."""
    asked = measure.asked
    scores = np.stack([measure.scores[name][asked] for name in (system, BOUND)], axis=1)
    weights = np.ones(len(scores))
    ours, bound = drawn_means(scores, weights, measure.groups[asked], resamples, random_seed).T
    return interval_of(system, ours[bound > 0] / bound[bound > 0]) if bound[0] else None


def binary(plays: csr_matrix) -> csr_matrix:
    """A one for every value above 0, once each, in order of track."""
    marked = csr_matrix(plays > 0, dtype=np.float32)
    marked.sum_duplicates()
    return marked


def without_known(plays: csr_matrix, known: csr_matrix | None) -> csr_matrix:
    """The plays of tracks that are candidates, a one each."""
    plays = binary(plays)
    return plays if known is None else binary(plays - plays.multiply(binary(known)))


def fit_profiles(
    training: Vectors, held_out: Vectors, liked: csr_matrix, artists: Artists, random_seed: int = 0
) -> tuple[Factors, float]:
    """Fold users in over the vectors of training tracks, into one space with the held-out tracks.

    `liked` [users, training tracks] stores what each user likes; `artists` numbers the training tracks'
    artists. Returns vectors of users and of held-out tracks, and the strength of regularisation that was
    chosen.
    """
    training, liked = training.astype(np.float64), csr_matrix(liked)
    known = unit_length(standardise(training))
    strength = _chosen_strength(known, liked, artists, random_seed)
    users = fold_in_users(known, liked, [strength])[0]
    return (users, unit_length(standardise(held_out.astype(np.float64), over=training))), strength


@typechecked
def fold_in_users(
    vectors: Vectors, liked: csr_matrix, strengths: list[float]
) -> list[Float[np.ndarray, "users embedding"]]:
    """The users' profiles at each strength of regularisation; only their directions matter."""
    variances, directions = np.linalg.eigh(vectors.T @ vectors / max(len(vectors), 1))
    shrinking = np.maximum(variances, 0) / max(float(variances.mean()), np.finfo(float).tiny)
    sums = (liked @ vectors) @ directions
    return [sums / (1 + shrinking / strength) @ directions.T for strength in strengths]


def _chosen_strength(known: Vectors, liked: csr_matrix, artists: Artists, random_seed: int) -> float:
    """The strength that predicts best what users like by held-out artists; the first if no user tells."""
    rng = np.random.default_rng(random_seed)
    names = rng.permutation(np.unique(artists))
    held_out = np.isin(artists, names[: round(VALIDATION_SHARE * len(names))])
    fitted, asked = liked[:, ~held_out], liked[:, held_out]
    users = rng.permutation(np.flatnonzero((np.diff(fitted.indptr) > 0) & (np.diff(asked.indptr) > 0)))
    users = users[:MOST_VALIDATION_USERS]
    if not len(users):
        return STRENGTHS[0]
    vectors = fold_in_users(known[~held_out], fitted[users], list(STRENGTHS))
    systems = {
        str(strength): (of_users, known[held_out])
        for strength, of_users in zip(STRENGTHS, vectors, strict=True)
    }
    [measure] = ask(systems, asked[users], metrics={CHOSEN_BY: METRICS[CHOSEN_BY]})
    return max(STRENGTHS, key=lambda strength: float(np.nanmean(measure.scores[str(strength)])))


def _checked_factors(name: str, system: RankingSystem, users: int, tracks: int) -> Factors:
    """Vectors of users and of tracks (float64); one score a track is a vector of one number."""
    of_users, of_tracks = system if isinstance(system, tuple) else (np.ones((users, 1)), system[:, None])
    if of_users.shape != (users, of_tracks.shape[1]) or len(of_tracks) != tracks:
        raise UsageError(
            f"{name} has vectors of users {of_users.shape} and of tracks {of_tracks.shape} for plays of "
            f"{users} users and {tracks} tracks. Give one a user and one a track, of equal length."
        )
    if not (np.isfinite(of_users).all() and np.isfinite(of_tracks).all()):
        raise UsageError(
            f"{name} holds a NaN or infinity. Leave out the users and tracks that have no vector."
        )
    return of_users, of_tracks.astype(np.float64)


def _mean_over_shuffles(measure: Measure, orders: Sequence[str]) -> Measure:
    """The orders of shuffled tracks as one system, in their place."""
    mean = np.mean([measure.scores[name] for name in orders], axis=0)
    scores = {SHUFFLED if name in orders else name: score for name, score in measure.scores.items()}
    return replace(measure, scores={**scores, SHUFFLED: mean})
