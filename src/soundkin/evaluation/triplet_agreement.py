"""Whether systems hear as people do: agreement with triplets, and beside it how far people agree with each
other.

A *question* is an anchor and two tracks, in either order; a *judgement* is one person's answer: which is
closer to the anchor. A system answers by cosine; level cosines count a half. Every question counts once,
however many people it was put to. Where several people judged a question, leave-one-out says how often a
person agrees with the others:

- with the majority of them (an even split counts a half), the usual human ceiling;
- with one of them, picked blindly.

Both are estimates from few people, and not a bound: what most people mean can be known better than one
person's answer shows. The bound is the best fixed answer, the majority of all: no system that answers a
question in one way can agree with more judgements, since judgements contradict each other. A perfect listener
reaches a place between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from soundkin.catalog.triplets_table import COLUMNS
from soundkin.evaluation.systems import check_systems
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import FEW_GROUPS, Compared, Interval, compare, interval_note
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.scaling import unit_length

MAJORITY_OF_OTHERS, ONE_OTHER, BEST_FIXED = "people: most others", "people: one other", "best fixed answer"
ALL, REPEATED = "all questions", "questions put to several people"
RESAMPLES = 2000
JUDGEMENTS_AT_ONCE = 1 << 14
LEVEL_BELOW = 1e-9  # a difference of cosines

Scores = Float[np.ndarray, " judgements"]


class Agreement(Compared, frozen=True):
    """Agreement of systems, and of people, with judgements; `gains` are the first system minus each other
    one.

    `questions` says of which judgements; `annotators` is None where nobody is named. `groups` counts the
    anchors' artists (or the anchors, where these are not known).
    """

    questions: str
    judgements: int
    asked: int
    anchors: int
    annotators: int | None

    def of(self, system: str) -> Interval:
        """The agreement of one system, or of people."""
        return next(score for score in self.scores if score.system == system)

    def gain_over(self, system: str) -> Interval:
        """How far the first system is above another, or above people."""
        return next(gain for gain in self.gains if gain.system == system)


class TripletAgreement(BaseModel, frozen=True):
    """Systems beside people on the same judgements; the first system is ours.

    `repeated` looks only at questions that several people judged, where alone people can be compared; None
    without any.
    """

    title: ClassVar[str] = "assessors"
    systems: tuple[str, ...]
    overall: Agreement | None
    repeated: Agreement | None
    left_out: int
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def verdict(self) -> str:
        """One line: how often ours agrees, whether that beats the others, and what people reach."""
        if self.overall is None:
            return "nothing measured: no judgement is about three of these tracks."
        ours, *others = self.overall.scores
        rivals = (*self.systems[1:], CHANCE)
        unbeaten = [
            gain.system
            for gain in self.overall.gains
            if gain.system in rivals and (gain.low is None or gain.low <= 0)
        ]
        found = f"not shown to beat {' or '.join(unbeaten)}" if unbeaten else f"above {' and '.join(rivals)}"
        found = self.overall.too_few or found
        against = ", ".join(f"{other.system} {other.mean:.2f}" for other in others)
        return f"{found}: {ours.system} agrees with {ours} of judgements against {against}; {self._ceiling()}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system: its agreement and how far ours is above it, on all questions and on
        repeated.
        """
        agreements = [agreement for agreement in (self.overall, self.repeated) if agreement is not None]
        rows = {
            score.system: {"system": score.system}
            for agreement in agreements[-1:]
            for score in agreement.scores
        }
        for agreement in agreements:
            for score in agreement.scores:
                made_of = f"{agreement.judgements} ({agreement.groups} {agreement.unit})"
                rows[score.system][agreement.questions] = str(score)
                rows[score.system][f"judgements: {agreement.questions}"] = made_of
            for gain in agreement.gains:
                rows[gain.system][f"{self.systems[0]} above it: {agreement.questions}"] = f"{gain:+.2f}"
        return list(rows.values())

    def _ceiling(self) -> str:
        if self.repeated is None:
            return "no question was put to two people, so nobody knows how far people agree"
        people, gain = self.repeated.of(MAJORITY_OF_OTHERS), self.repeated.gain_over(MAJORITY_OF_OTHERS)
        ours = f"{self.systems[0]} comes to {self.repeated.of(self.systems[0]).mean:.2f} there ({gain:+.2f} beside people)"
        return f"where several were asked, a person agrees with most others in {people}, and {ours}"


@dataclass(frozen=True)
class Judged:
    """Judgements about known tracks: `tracks` are rows of the systems, as anchor, closer, farther.

    `question` and `annotator` number what was asked and who answered; whoever is not named is a person of
    their own.
    """

    tracks: Int[np.ndarray, "judgements 3"]
    question: Int[np.ndarray, " judgements"]
    annotator: Int[np.ndarray, " judgements"]
    named: int
    unnamed: int
    groups: Int[np.ndarray, " judgements"]
    unit: str

    @property
    def weights(self) -> Scores:
        """One over how many judgements a question has."""
        return np.asarray(1.0 / np.bincount(self.question)[self.question])


def judge_triplets(
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    track_ids: Sequence[str],
    triplets: pd.DataFrame,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
    artists: Int[np.ndarray, " tracks"] | None = None,
) -> TripletAgreement:
    """Hold systems and people to the judgements in `triplets`: `anchor_id, closer_id, farther_id[,
    annotator_id]`.

    Row i of every system is the vector of `track_ids[i]`; only cosines count. Judgements about other tracks
    are left out. `artists` numbers each track's artist. Intervals draw the anchors' artists, with all
    questions about anchors by them, since these rise and fall together; whole anchors where nobody says by
    whom these are. With `FEW_GROUPS` annotators or more, and all of them named, they draw whole annotators
    too, and the wider interval is given: other people would answer otherwise.

    Raises:
        UsageError: vectors and ids do not match, or vectors hold a NaN or infinity.
    """
    check_systems(systems, track_ids)
    judged = _judged(track_ids, triplets, artists)
    left_out = len(triplets) - len(judged.tracks)
    overall = repeated = None
    if len(judged.tracks):
        answers = {name: agreement(vectors, judged.tracks) for name, vectors in systems.items()}
        answers[CHANCE] = np.full(len(judged.tracks), 0.5)
        people = agreement_of_people(judged)
        best = people.pop(BEST_FIXED)
        overall = _compared(ALL, {**answers, BEST_FIXED: best}, judged, random_seed, resamples)
        if np.isfinite(people[ONE_OTHER]).any():
            repeated = _compared(
                REPEATED, {**answers, **people, BEST_FIXED: best}, judged, random_seed, resamples
            )
    return TripletAgreement(
        systems=tuple(systems),
        overall=overall,
        repeated=repeated,
        left_out=left_out,
        notes=tuple(_notes(overall, repeated, judged, left_out, resamples)),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


@typechecked
def agreement(
    vectors: Float[np.ndarray, "tracks embedding"], tracks: Int[np.ndarray, "judgements 3"]
) -> Scores:
    """1 where cosine(anchor, closer) > cosine(anchor, farther), 0.5 where they are level, else 0.

    Cosines that differ by less than a billionth are level: that much comes of the order in which products are
    summed.
    """
    unit = unit_length(np.asarray(vectors, dtype=np.float64))
    advantage = np.empty(len(tracks))
    for start in range(0, len(tracks), JUDGEMENTS_AT_ONCE):
        anchor, closer, farther = unit[tracks[start : start + JUDGEMENTS_AT_ONCE]].transpose(1, 0, 2)
        advantage[start : start + JUDGEMENTS_AT_ONCE] = np.sum(anchor * (closer - farther), axis=1)
    return _won(np.where(np.abs(advantage) < LEVEL_BELOW, 0.0, advantage))


def agreement_of_people(judged: Judged) -> dict[str, Scores]:
    """How each judgement agrees with most of the other people's, with one of them, and with the best fixed
    answer.

    NaN where nobody else judged the question. A person who answered it twice is no other person to
    themselves.
    """
    takes_first = judged.tracks[:, 1] < judged.tracks[:, 2]
    votes = pd.DataFrame({"question": judged.question, "annotator": judged.annotator, "answer": takes_first})
    asked, agreeing = _counts(votes, ["question"]), _counts(votes, ["question", "answer"])
    others = asked - _counts(votes, ["question", "annotator"])
    others_agreeing = agreeing - _counts(votes, ["question", "annotator", "answer"])
    return {
        MAJORITY_OF_OTHERS: np.where(others > 0, _won(2 * others_agreeing - others), np.nan),
        ONE_OTHER: np.divide(others_agreeing, others, out=np.full(len(others), np.nan), where=others > 0),
        BEST_FIXED: _won(2 * agreeing - asked),
    }


def _judged(
    track_ids: Sequence[str], triplets: pd.DataFrame, artists: Int[np.ndarray, " tracks"] | None
) -> Judged:
    places = pd.Index(track_ids)
    tracks = np.stack([places.get_indexer(pd.Index(triplets[column])) for column in COLUMNS], axis=1).astype(
        int
    )
    known = (tracks >= 0).all(axis=1)
    tracks = tracks[known]
    asked = np.column_stack([tracks[:, 0], np.sort(tracks[:, 1:], axis=1)])
    question = np.unique(asked, axis=0, return_inverse=True)[1].reshape(-1)
    nobody = np.full(len(triplets), None, dtype=object)
    people = triplets["annotator_id"].to_numpy(object) if "annotator_id" in triplets else nobody
    annotator, names = pd.factorize(people[known])
    unnamed = annotator < 0
    annotator[unnamed] = len(names) + np.arange(unnamed.sum())
    groups, unit = (tracks[:, 0], "anchors") if artists is None else (artists[tracks[:, 0]], "artists")
    return Judged(tracks, question, annotator.astype(int), len(names), int(unnamed.sum()), groups, unit)


def _counts(votes: pd.DataFrame, columns: list[str]) -> Int[np.ndarray, " judgements"]:
    """How many judgements share these columns with each."""
    return votes.groupby(columns)["answer"].transform("size").to_numpy(int)


def _won(advantage: np.ndarray) -> Scores:
    """1 above zero, 0.5 at zero, 0 below."""
    return np.asarray((np.sign(advantage) + 1) / 2, dtype=np.float64)


def _compared(
    questions: str, scores: dict[str, Scores], judged: Judged, random_seed: int, resamples: int
) -> Agreement:
    anchors = judged.tracks[:, 0]
    measure = Measure(
        "assessors", questions, "agreement", None, scores, judged.groups, judged.weights, judged.unit
    )
    asked = measure.asked
    found = [compare(measure, resamples, random_seed)]
    if _draws_annotators(judged) and not found[0].too_few:
        found.append(compare(replace(measure, groups=judged.annotator), resamples, random_seed))
    return Agreement(
        questions=questions,
        judgements=int(asked.sum()),
        asked=len(np.unique(judged.question[asked])),
        anchors=len(np.unique(anchors[asked])),
        annotators=len(np.unique(judged.annotator[asked])) if judged.named and not judged.unnamed else None,
        scores=_widest([of.scores for of in found]),
        gains=_widest([of.gains for of in found]),
        groups=found[0].groups,
        unit=judged.unit,
    )


def _draws_annotators(judged: Judged) -> bool:
    return judged.named >= FEW_GROUPS and judged.unnamed == 0


def _widest(found: Sequence[tuple[Interval, ...]]) -> tuple[Interval, ...]:
    """Of the intervals of each system, the widest."""
    return tuple(max(of_system, key=_width) for of_system in zip(*found, strict=True))


def _width(interval: Interval) -> float:
    return -1.0 if interval.low is None or interval.high is None else interval.high - interval.low


def _notes(
    overall: Agreement | None, repeated: Agreement | None, judged: Judged, left_out: int, resamples: int
) -> list[str]:
    """What a reader has to know before believing the table."""
    notes = []
    if left_out:
        notes.append(f"{left_out} judgements are about tracks that have no vector here, and were left out.")
    if overall is None:
        return notes
    drawn = (
        "Where draws of whole annotators make one wider, it is theirs."
        if _draws_annotators(judged) and not overall.too_few
        else f"They say nothing about other people: that needs {FEW_GROUPS} named annotators."
    )
    notes += [
        f"{overall.judgements} judgements of {overall.asked} questions about {overall.anchors} anchors; every question "
        f"counts once. {interval_note(overall.groups, overall.unit, resamples)} {drawn}",
        f"{BEST_FIXED}: the majority's, the most that anything which answers a question in one way can agree with. "
        "Where a question was judged once it is that answer, so the bound means something where several were asked.",
        "Whoever picked the questions had a hand in the scores: a system does worse where it was asked because it was "
        "unsure.",
    ]
    if repeated is None:
        return [*notes, "No question was put to two people: how far people agree, the ceiling, is not known."]
    notes.append(
        f"{repeated.judgements} judgements are of the {repeated.asked} questions put to several people, about "
        f"{repeated.anchors} anchors. {MAJORITY_OF_OTHERS}: each judgement against the others' majority, an even split "
        f"counting a half; {ONE_OTHER}: against one of them. With few people to a question both lie below what a "
        f"perfect listener would reach, and {BEST_FIXED} lies above it."
    )
    if repeated.too_few and not overall.too_few:
        notes.append(f"Of questions put to several people there are no intervals: {repeated.too_few}.")
    if judged.unnamed:
        notes.append(f"{judged.unnamed} judgements name no annotator: each counts as another person's.")
    return notes
