"""Whether users are offered what they go on to play, of tracks that nobody had played before: the cold start.

Every user ranks all held-out tracks, and the right ones are those they played, as in van den Oord, Dieleman &
Schrauwen (2013); `user_rankings` says how a ranking is scored. Beside the systems stand what they have to
beat and what bounds them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.errors import UsageError
from soundkin.evaluation.user_rankings import LONG as LONG
from soundkin.evaluation.user_rankings import METRICS, Metric, System, ask, binary, without_known
from soundkin.evaluation.user_rankings import Factors as Factors
from soundkin.shapes import Float
from soundkin.statistics.bootstrap import LEVEL, Compared, Interval, compare, drawn_means, interval_of
from soundkin.statistics.measure import CHANCE, Measure

SHUFFLED, POPULARITY, BOUND = "shuffled", "popularity (oracle)", "upper bound"
KNOWN_POPULARITY = "popularity before"
CONTROLS = (SHUFFLED, KNOWN_POPULARITY, POPULARITY, BOUND, CHANCE)  # what is no system of anybody's
SHUFFLES = 5  # one order of tracks would be luck that no interval over users shows
RESAMPLES = 2000


class RecommendationRow(Compared, frozen=True):
    """One metric of all systems, on draws of users."""

    metric: str
    users: int


class ColdStart(BaseModel, frozen=True):
    """Systems side by side on the same users and tracks; the first one is ours.

    `offered` says which tracks. `shares` are each system's score by the first metric over the upper bound's;
    there are none where the bound itself finds nothing.
    """

    offered: str = "held-out tracks"
    systems: tuple[str, ...]
    users: int
    tracks: int
    plays: int
    rows: tuple[RecommendationRow, ...]
    shares: tuple[Interval, ...]
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def title(self) -> str:
        """What the table is about."""
        return f"cold start: {self.offered}"

    @property
    def headline(self) -> RecommendationRow:
        """The first metric: recall."""
        return self.rows[0]

    @property
    def unbeaten(self) -> list[str]:
        """The other systems, controls aside, that ours is not shown to be above."""
        return [system for system in self.headline.unbeaten if system not in CONTROLS]

    @property
    def verdict(self) -> str:
        """One line: how much of what can be known of a track was heard."""
        ours, *others = self.headline.scores
        share = next((f", {share:.0%} of the {BOUND}" for share in self.shares), "")
        against = ", ".join(f"{other.system} {other.mean:.3f}" for other in others)
        few = f"{self.headline.too_few}: " if self.headline.too_few else ""
        return f"{few}{ours.system}: {self.headline.metric} {ours:.3f}{share}; {against}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system: each metric with its interval, and the share of the upper bound."""
        cells = {name: {"system": name, "users": str(self.users)} for name in self.systems}
        for row in self.rows:
            for score in row.scores:
                cells[score.system][row.metric] = f"{score:.3f}"  # mAP of a cold start is small
        for share in self.shares:
            cells[share.system][f"{self.headline.metric} of the bound"] = f"{share:.0%}"
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
    metrics: Mapping[str, Metric] = METRICS,
) -> ColdStart:
    """Judge what `systems` foretell of held-out tracks by the plays that users came to give them.

    `systems` are vectors of users, and of tracks by their sound alone; `bound` those that a factorisation of
    all plays, the held-out ones too, finds (or that were planted). `plays`, [users, held-out tracks], stores
    what was played. Beside them stand the first system with its tracks shuffled; chance; and popularity
    (oracle). Of a track that nobody has played no popularity is known, so that row counts the held-out plays
    themselves: a control that cheats.

    Raises:
        UsageError: vectors and plays do not match, vectors hold a NaN or infinity, or nobody played any of
            the tracks.
    """
    asked = ask_with_controls(systems, bound, plays, random_seed, metrics=metrics)
    return summarised(asked, plays.shape[1], binary(plays).nnz, random_seed, resamples)


def ask_with_controls(
    systems: Mapping[str, Factors],
    bound: Factors,
    plays: csr_matrix,
    random_seed: int = 0,
    known: csr_matrix | None = None,
    known_popularity: Float[np.ndarray, " tracks"] | None = None,
    metrics: Mapping[str, Metric] = METRICS,
) -> list[Measure]:
    """Score users' rankings by the systems, and by what stands beside them in every table: a `Measure` a
    metric.

    `known`, [users, tracks], stores what is not offered to a user, and `known_popularity` how often the
    tracks had been played when they were offered: a row that, unlike popularity (oracle), cheats nobody.

    Raises:
        UsageError: as `cold_start`.
    """
    if not systems:
        raise UsageError("no system to judge: give the vectors of one at least.")
    plays = without_known(plays, known)
    controls = _shuffled(systems[next(iter(systems))], random_seed)
    controls |= {} if known_popularity is None else {KNOWN_POPULARITY: known_popularity}
    controls |= {POPULARITY: np.asarray(plays.sum(axis=0), float).ravel()}
    found = ask({**systems, **controls, BOUND: bound}, plays, random_seed, known, metrics)
    measures = [_shuffles_averaged(one) for one in found]
    measures = [measure for measure in measures if measure.asked.any()]
    if not measures:
        raise UsageError(
            f"nobody has played any of the {plays.shape[1]} held-out tracks, so there is nothing to judge by. "
            "Hold out tracks that are played, or give ratings of more users."
        )
    return measures


def summarised(
    measures: Sequence[Measure], tracks: int, plays: int, random_seed: int = 0, resamples: int = RESAMPLES
) -> ColdStart:
    """What the measures of `ask_with_controls` come to, when so many tracks were offered and so many plays
    foretold.
    """
    headline = measures[0]
    first = next(iter(headline.scores))
    shares = [
        share_of_bound(headline, name, resamples, random_seed) for name in headline.scores if name != BOUND
    ]
    before = f"{KNOWN_POPULARITY}: plays before the cutoff counted, which anybody could. "
    return ColdStart(
        systems=tuple(headline.scores),
        users=int(headline.asked.sum()),
        tracks=tracks,
        plays=plays,
        rows=tuple(_row(measure, resamples, random_seed) for measure in measures),
        shares=tuple(share for share in shares if share is not None),
        notes=(
            f"Intervals are {LEVEL:.0%} percentiles of {resamples} draws of users. The tracks stay fixed.",
            f"{SHUFFLED}: {first} with its tracks' vectors in each other's places, the mean over {SHUFFLES} orders. "
            f"{before if KNOWN_POPULARITY in headline.scores else ''}"
            f"{POPULARITY}: the held-out plays counted, which nobody knows of a new track. "
            f"{BOUND}: vectors made with the held-out plays known. {CHANCE}: what a random order is expected to score.",
        ),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


def share_of_bound(measure: Measure, system: str, resamples: int, random_seed: int) -> Interval | None:
    """A system's mean score over the upper bound's, with its interval on paired draws of users; None if that
    is 0.
    """
    asked = measure.asked
    scores = np.stack([measure.scores[name][asked] for name in (system, BOUND)], axis=1)
    ours, bound = drawn_means(scores, np.ones(len(scores)), measure.groups[asked], resamples, random_seed).T
    if not bound[:1].any():
        return None
    return interval_of(system, ours[bound > 0] / bound[bound > 0])


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


def _row(measure: Measure, resamples: int, random_seed: int) -> RecommendationRow:
    return RecommendationRow(
        metric=measure.metric,
        users=int(measure.asked.sum()),
        **dict(compare(measure, resamples, random_seed)),
    )
