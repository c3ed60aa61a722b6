"""How reliable each annotator is, whether that changes, and how much their answers weigh in training.

Reliability is how often somebody agrees with what is likely to be true (`catalog.annotators`). Its interval
holds the probability 0.95 given the *others'* answers: answers to questions that nobody else answered say
nothing. It takes the others' reliabilities as estimated, so with two or three annotators it is too narrow.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.special import betaincinv, softmax
from scipy.stats import median_abs_deviation

from soundkin.catalog.annotators import (
    PRIOR_HITS,
    PRIOR_MISSES,
    PRIOR_RELIABILITY,
    UNKNOWN,
    find_consensus,
    training_weights,
)
from soundkin.catalog.table_io import write_rows
from soundkin.shapes import Float
from soundkin.statistics.bootstrap import LEVEL, Interval

ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
GRID = (np.arange(1000) + 0.5) / 1000  # reliabilities at which posteriors are computed
EVIDENCE_STEPS = 400
FEW_SHARED = 10  # answers to questions that others answered too; with fewer, hardly anything is known
FEW_TIMED = 30  # answers with a time; of fewer, thirds say nothing
FEW_REPEATED = 5
CONSISTENT = 0.75
OUTLYING = 3.5  # modified z-score: B. Iglewicz and D. Hoaglin, "How to Detect and Handle Outliers", 1993
OFTEN_OUTLYING = 0.1
SHORTEST_SECONDS = 1e-3
ROUNDING = 1e-9  # evidence below this is none
FEW = "few shared answers"
FILE_DIGITS = 4
ANNOTATOR_COLUMNS = ["annotator_id", "reliability", "low", "high", "answers", "weight", "flags"]


class AnnotatorReliability(BaseModel, frozen=True):
    """One annotator.

    `shared` of the `answers` are to questions that somebody else or gold answers too. `weight` is what an
    answer counts in training: 1 for somebody unknown, 0 at chance and below. `thirds` are the reliabilities
    in the first, middle and last third of the timed answers, `change` the last less the first. `consistency`
    is the share of the `repeated` pairs of answers to one question that are equal. `fast` and `slow` are the
    shares of answers given in far less or more time than usual.
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
        change = self.change
        flags = {
            FEW: self.shared < FEW_SHARED,
            "below chance": high < 0.5,
            "not above chance": self.shared >= FEW_SHARED and low <= 0.5 <= high,
            "became worse": change is not None and (change.high or 0.0) < 0,
            "became better": change is not None and (change.low or 0.0) > 0,
            "inconsistent": self._is_inconsistent(),
            "too fast": (self.fast or 0.0) > OFTEN_OUTLYING,
            "slow": (self.slow or 0.0) > OFTEN_OUTLYING,
        }
        return tuple(flag for flag, holds in flags.items() if holds)

    def _is_inconsistent(self) -> bool:
        """Whether it is all but sure that less than CONSISTENT of repeated answers would be equal."""
        if self.consistency is None or self.repeated < FEW_REPEATED:
            return False
        same = self.consistency * self.repeated
        return bool(betaincinv(1 + same, 1 + self.repeated - same, ENDS[1]) < CONSISTENT)


class AnnotatorAudit(BaseModel, frozen=True):
    """How reliable each annotator is; `unnamed` of the `judgements` (answers) name nobody."""

    title: ClassVar[str] = "Reliability of annotators"
    annotators: tuple[AnnotatorReliability, ...]
    judgements: int
    unnamed: int

    @property
    def verdict(self) -> str:
        """One line."""
        if not self.judgements:
            return "No triplets were given."
        if not self.annotators:
            return "No answer names its annotator, so nobody's reliability is known. Fill in annotator_id."
        if not any(person.shared for person in self.annotators):
            return "No question has two answers: nobody's reliability is known. Ask several people the same."
        known = [person.reliability.mean for person in self.annotators if FEW not in person.flags]
        few = len(self.annotators) - len(known)
        spread = f"reliability from {min(known):.2f} to {max(known):.2f}" if known else "nobody is known well"
        flagged = sum(bool(set(person.flags) - {FEW}) for person in self.annotators)
        unknown = f", {few} answered too little that others did" if few else ""
        return f"{len(self.annotators)} annotators: {spread}; {flagged} to look at{unknown}."

    def table(self) -> list[dict[str, str]]:
        """A row for each annotator, the least reliable first."""
        return [
            {
                "annotator_id": person.annotator_id,
                "reliability": str(person.reliability),
                "weight": f"{person.weight:.2f}",
                "answers": str(person.answers),
                "shared": str(person.shared),
                "thirds": " ".join(f"{third.mean:.2f}" for third in person.thirds),
                "change": "" if person.change is None else f"{person.change:+.2f}",
                "same answer again": _share(person.consistency, f" of {person.repeated}"),
                "fast": _share(person.fast),
                "slow": _share(person.slow),
                "flags": "; ".join(person.flags),
            }
            for person in sorted(self.annotators, key=lambda by: (by.reliability.mean, by.annotator_id))
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before relying on it."""
        if not self.annotators:
            return ()
        notes = [
            "Reliability is how often somebody says what is likely to be true, as judged by the others' "
            "answers and gold questions; what all get wrong together, only gold questions can tell.",
            f"Who answered little is held to be nearer to {PRIOR_RELIABILITY}. Answers to questions that "
            "nobody else answered do not narrow the interval.",
            "A weight of 1 is that of somebody unknown. Answers of people below chance weigh nothing: "
            "they could be read the other way round, but nobody can say that they stay so.",
            "A preference for one side of the page cannot be seen: the file says closer and farther only.",
            "Change is the last third of the answers less the first; 1 in 20 who do not change is flagged."
            if any(person.change for person in self.annotators)
            else "Change over time needs a timestamp on thirty answers of a person.",
        ]
        if all(person.fast is None for person in self.annotators):
            notes.append("Haste needs seconds_taken.")
        if self.unnamed:
            notes.append(
                f"{self.unnamed} of {self.judgements} answers name nobody, and count as by strangers."
            )
        return tuple(notes)


def _share(share: float | None, rest: str = "") -> str:
    return "" if share is None else f"{share:.0%}{rest}"


def write_annotators(audit: AnnotatorAudit, path: Path) -> None:
    """Write ANNOTATOR_COLUMNS as CSV or Parquet, in the order of ids; flags are separated by `;`."""
    rows = [
        (person.annotator_id, rate.mean, rate.low, rate.high, person.answers, person.weight)
        for person in audit.annotators
        for rate in [person.reliability]
    ]
    table = pd.DataFrame(rows, columns=ANNOTATOR_COLUMNS[:-1]).round(FILE_DIGITS)
    write_rows(table.assign(flags=[";".join(person.flags) for person in audit.annotators]), path)


def audit_annotators(triplets: pd.DataFrame | None, gold: pd.DataFrame | None = None) -> AnnotatorAudit:
    """Audit everybody named in `triplets`, in the order of their ids; `gold` holds the known answers.

    Columns: anchor_id, closer_id, farther_id, annotator_id; where known timestamp and seconds_taken.
    """
    if triplets is None or triplets.empty:
        return AnnotatorAudit(annotators=(), judgements=0, unnamed=0)
    consensus = find_consensus(triplets, gold)
    judgements = consensus.judgements
    answers = pd.DataFrame(
        {
            "annotator": judgements.annotators,
            "question": judgements.questions,
            "mean_answer": judgements.own,
            "share": judgements.shares,
            "evidence": consensus.others,
            "time": _numbers(triplets, "timestamp"),
            "haste": _haste(_numbers(triplets, "seconds_taken")),
        }
    )
    named = answers[answers["annotator"] != UNKNOWN]
    people = zip(
        judgements.annotator_ids,
        consensus.reliability.tolist(),
        training_weights(consensus.reliability).tolist(),
        [own for _, own in named.groupby("annotator")],
        strict=True,
    )
    return AnnotatorAudit(
        annotators=tuple(_annotator(*person) for person in people),
        judgements=len(triplets),
        unnamed=len(answers) - len(named),
    )


def _annotator(name: str, mean: float, weight: float, own: pd.DataFrame) -> AnnotatorReliability:
    """One person; `own` holds their answers."""
    repeated, consistency = _consistency(own)
    timed = own[own["time"].notna()].sort_values("time", kind="stable")
    parts = np.array_split(np.arange(len(timed)), 3) if len(timed) >= FEW_TIMED else []
    thirds = [_posterior(timed.iloc[rows]) for rows in parts]
    change = None
    if thirds:
        differences = np.arange(1 - len(GRID), len(GRID)) / len(GRID)
        change = _interval(name, np.convolve(thirds[-1], thirds[0][::-1]), differences)
    haste = own["haste"].dropna()
    return AnnotatorReliability(
        annotator_id=name,
        reliability=_interval(name, _posterior(own), GRID).model_copy(update={"mean": mean}),
        answers=len(own),
        shared=int((own["evidence"].abs() > ROUNDING).sum()),
        weight=weight,
        thirds=tuple(_interval(name, third, GRID) for third in thirds),
        change=change,
        repeated=repeated,
        consistency=consistency,
        fast=float((haste < -OUTLYING).mean()) if len(haste) else None,
        slow=float((haste > OUTLYING).mean()) if len(haste) else None,
    )


def _posterior(answers: pd.DataFrame) -> Float[np.ndarray, " grid"]:
    """Probability of a reliability p at each of GRID.

    An answer that is right with (1 + evidence) / 2, by the others, has the likelihood 1 + evidence (2 p - 1).
    """
    steps = np.round((answers["evidence"] + 1) / 2 * EVIDENCE_STEPS).astype(int)
    counts = answers["share"].groupby(steps).sum()
    levels = 2 * counts.index.to_numpy() / EVIDENCE_STEPS - 1
    prior = (PRIOR_HITS - 1) * np.log(GRID) + (PRIOR_MISSES - 1) * np.log1p(-GRID)
    log = prior + counts.to_numpy() @ np.log1p(levels[:, None] * (2 * GRID - 1))
    return np.asarray(softmax(log))


def _interval(
    name: str, probability: Float[np.ndarray, " values"], values: Float[np.ndarray, " values"]
) -> Interval:
    places = np.searchsorted(np.cumsum(probability), ENDS)
    low, high = values[np.minimum(places, len(values) - 1)].tolist()
    return Interval(system=name, mean=float(probability @ values), low=low, high=high)


def _consistency(own: pd.DataFrame) -> tuple[int, float | None]:
    """How many pairs of one person's answers are to the same question, and which share of these are equal."""
    by_question = own.groupby("question")["mean_answer"]
    times = by_question.size()
    first = times * (1 + by_question.first()) / 2  # answers for the track whose id comes first
    pairs = int((times * (times - 1) // 2).sum())
    equal = (first * (first - 1) + (times - first) * (times - first - 1)).sum() / 2
    return pairs, float(equal / pairs) if pairs else None


def _haste(seconds: Float[np.ndarray, " judgements"]) -> Float[np.ndarray, " judgements"]:
    """Modified z-score of the log of each time; NaN where it is unknown, or where all times are the same."""
    logs = np.log(np.maximum(seconds, SHORTEST_SECONDS))
    if np.isnan(logs).all():
        return np.asarray(logs)
    spread = median_abs_deviation(logs, scale="normal", nan_policy="omit")
    return np.asarray((logs - np.nanmedian(logs)) / (spread or np.nan))


def _numbers(triplets: pd.DataFrame, column: str) -> Float[np.ndarray, " judgements"]:
    if column not in triplets:
        return np.full(len(triplets), np.nan)
    return np.asarray(triplets[column].to_numpy(np.float64, na_value=np.nan))
