"""How far each annotator can be trusted, and whether that changes: from judgements of the same questions by
several.

The reliability itself comes from `catalog.annotators`, and says how often somebody agrees with what is likely
to be true. Its interval holds the probability 0.95 given what the *others* say: answers to questions that
nobody else answered tell nothing, however many there are. It takes the others' reliabilities as they are
estimated, so with two or three annotators it is narrower than it should be.

What cannot be told: whether somebody prefers the left or the right of two buttons, since the file says closer
and farther only; and whether all are wrong together, except by gold questions.
"""

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.special import betaincinv

from soundkin.catalog.annotators import PRIOR_HITS, PRIOR_MISSES, Consensus, find_consensus, training_weights
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import LEVEL, Interval

ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
GRID = (np.arange(1000) + 0.5) / 1000  # reliabilities at which posteriors are computed
EVIDENCE_STEPS = 400
FEW_SHARED = 10  # answers to questions that others answered too; below this, hardly anything is known
FEW_TIMED = 30  # answers with a time; below this, thirds of them say nothing
FEW_REPEATED = 5
CONSISTENT = 0.75
OUTLYING = 3.5  # modified z-score: B. Iglewicz and D. Hoaglin, "How to Detect and Handle Outliers", 1993
MAD_TO_DEVIATION = 1.4826  # of a normal distribution
OFTEN_OUTLYING = 0.1
SHORTEST_SECONDS = 1e-3
ROUNDING = 1e-9  # what others say is less than this where nobody else speaks


class AnnotatorReliability(BaseModel, frozen=True):
    """One annotator.

    `shared` of the `answers` are to questions that somebody else, gold or a hint speaks of too. `weight` is
    what a judgement counts in training: 1 for somebody unknown, 0 at chance and below. `thirds` are the
    reliabilities in the first, middle and last third of the timed answers and `change` is the last less the
    first: the linear trend of the three. `consistency` is the share of the `repeated` pairs of answers to one
    question that are the same. `fast` and `slow` are the shares of answers given in far less or more time
    than usual.
    """

    annotator_id: str
    reliability: Interval
    answers: int
    shared: int
    weight: float
    thirds: tuple[Interval, ...] = ()
    change: Interval | None = None
    repeated: int = 0
    consistency: float | None = None
    fast: float | None = None
    slow: float | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """What to look at, in a few words each."""
        low, high = self.reliability.low or 0.0, self.reliability.high or 1.0
        change_low, change_high = (
            (self.change.low or 0.0, self.change.high or 0.0) if self.change else (0.0, 0.0)
        )
        found = {
            "few shared answers": self.shared < FEW_SHARED,
            "below chance": high < 0.5,
            "not above chance": self.shared >= FEW_SHARED and low <= 0.5 <= high,
            "became worse": change_high < 0,
            "became better": change_low > 0,
            "inconsistent": self._is_inconsistent(),
            "too fast": (self.fast or 0.0) > OFTEN_OUTLYING,
            "slow": (self.slow or 0.0) > OFTEN_OUTLYING,
        }
        return tuple(flag for flag, holds in found.items() if holds)

    def _is_inconsistent(self) -> bool:
        """Whether it is all but sure that less than CONSISTENT of repeated answers would be the same."""
        if self.consistency is None or self.repeated < FEW_REPEATED:
            return False
        same = self.consistency * self.repeated
        return bool(betaincinv(1 + same, 1 + self.repeated - same, ENDS[1]) < CONSISTENT)


def annotator_reliabilities(
    triplets: pd.DataFrame, gold: pd.DataFrame | None = None, expected: pd.DataFrame | None = None
) -> tuple[AnnotatorReliability, ...]:
    """Everybody named in `triplets`, in the order of their ids.

    Columns: anchor_id, closer_id, farther_id; annotator_id; where known timestamp (drift) and seconds_taken
    (haste). `gold` and `expected` are those of `catalog.annotators.find_consensus`, and raise as there.
    """
    consensus = find_consensus(triplets, gold, expected)
    judgements = consensus.judgements
    weights = training_weights(consensus.reliability)
    times = _numbers(triplets, "timestamp")
    haste = _haste(_numbers(triplets, "seconds_taken"))
    order = np.argsort(judgements.annotators, kind="stable")
    everybody = np.arange(len(judgements.annotator_ids))
    starts = np.searchsorted(judgements.annotators[order], np.append(everybody, len(everybody)))
    found = []
    for number, (name, start, end) in enumerate(
        zip(judgements.annotator_ids, starts[:-1], starts[1:], strict=True)
    ):
        own = order[start:end]
        evidence, shares = consensus.others[own], judgements.shares[own]
        repeated, consistency = _consistency(consensus, own)
        thirds, change = _drift(name, evidence, shares, times[own])
        known = haste[own][~np.isnan(haste[own])]
        found.append(
            AnnotatorReliability(
                annotator_id=name,
                reliability=_interval(name, _belief(evidence, shares), float(consensus.reliability[number])),
                answers=len(own),
                shared=int((np.abs(evidence) > ROUNDING).sum()),
                weight=float(weights[number]),
                thirds=thirds,
                change=change,
                repeated=repeated,
                consistency=consistency,
                fast=float((known < -OUTLYING).mean()) if len(known) else None,
                slow=float((known > OUTLYING).mean()) if len(known) else None,
            )
        )
    return tuple(found)


@typechecked
def _belief(
    evidence: Float[np.ndarray, " answers"], shares: Float[np.ndarray, " answers"]
) -> Float[np.ndarray, " grid"]:
    """Posterior of a reliability at each of GRID, summing to 1.

    An answer that the others hold to be right with (1 + evidence) / 2 has the likelihood (1 + evidence (2p -
    1)) / 2.
    """
    steps = np.round((evidence + 1) / 2 * EVIDENCE_STEPS).astype(np.int64)
    counts = np.bincount(steps, shares, minlength=EVIDENCE_STEPS + 1)
    met = np.flatnonzero(counts)
    levels = 2 * met / EVIDENCE_STEPS - 1
    prior = (PRIOR_HITS - 1) * np.log(GRID) + (PRIOR_MISSES - 1) * np.log1p(-GRID)
    log = prior + counts[met] @ np.log1p(levels[:, None] * (2 * GRID - 1))
    density = np.exp(log - log.max())
    return np.asarray(density / density.sum())


def _interval(name: str, belief: Float[np.ndarray, " grid"], mean: float | None = None) -> Interval:
    low, high = _quantiles(belief, GRID)
    return Interval(system=name, mean=float(belief @ GRID) if mean is None else mean, low=low, high=high)


def _quantiles(
    belief: Float[np.ndarray, " values"], values: Float[np.ndarray, " values"]
) -> tuple[float, float]:
    places = np.searchsorted(np.cumsum(belief), ENDS)
    low, high = values[np.minimum(places, len(values) - 1)]
    return float(low), float(high)


def _drift(
    name: str,
    evidence: Float[np.ndarray, " answers"],
    shares: Float[np.ndarray, " answers"],
    times: Float[np.ndarray, " answers"],
) -> tuple[tuple[Interval, ...], Interval | None]:
    """Reliability by thirds of the timed answers, and the last less the first; nothing where there are few."""
    timed = np.flatnonzero(~np.isnan(times))
    if len(timed) < FEW_TIMED:
        return (), None
    thirds = np.array_split(timed[np.argsort(times[timed], kind="stable")], 3)
    beliefs = [_belief(evidence[third], shares[third]) for third in thirds]
    difference = np.convolve(beliefs[-1], beliefs[0][::-1])
    differences = np.arange(-len(GRID) + 1, len(GRID)) / len(GRID)
    low, high = _quantiles(difference, differences)
    change = Interval(system=name, mean=float(difference @ differences), low=low, high=high)
    return tuple(_interval(name, belief) for belief in beliefs), change


def _consistency(consensus: Consensus, own: Int[np.ndarray, " answers"]) -> tuple[int, float | None]:
    """How many pairs of one person's answers are to the same question, and which share of these are the same."""
    judgements = consensus.judgements
    _, first, times = np.unique(judgements.questions[own], return_index=True, return_counts=True)
    one = times * (1 + judgements.own[own][first]) / 2
    pairs = int((times * (times - 1) // 2).sum())
    same = (one * (one - 1) + (times - one) * (times - one - 1)).sum() / 2
    return pairs, float(same / pairs) if pairs else None


def _haste(seconds: Float[np.ndarray, " judgements"]) -> Float[np.ndarray, " judgements"]:
    """Modified z-score of the log of the time each answer took; NaN where it is not known, or all took the
    same.
    """
    logs = np.log(np.maximum(seconds, SHORTEST_SECONDS))
    unknown = np.full(len(seconds), np.nan)
    if np.isnan(logs).all():
        return unknown
    centred = logs - np.nanmedian(logs)
    spread = MAD_TO_DEVIATION * float(np.nanmedian(np.abs(centred)))
    return np.asarray(centred / spread) if spread > 0 else unknown


def _numbers(triplets: pd.DataFrame, column: str) -> Float[np.ndarray, " judgements"]:
    if column not in triplets:
        return np.full(len(triplets), np.nan)
    numbers: Float[np.ndarray, " judgements"] = triplets[column].to_numpy(np.float64, na_value=np.nan)
    return numbers
