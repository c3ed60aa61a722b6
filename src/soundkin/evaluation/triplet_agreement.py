"""Agreement of systems with people's answers to triplet questions, compared with how far people agree.

A *question* is an anchor and two candidates, in either order; an *answer* is one person's: which is closer to
the anchor. A system answers by cosine; ties count a half, and every question has weight 1, however many
people answered it. How often a person agrees with the majority of the others, leave-one-out, is the usual
human ceiling, from few people and no bound: what most people mean can be known better than one answer shows.
The bound is the best fixed answer, the majority of all. A perfect system lies between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from pydantic import BaseModel

from soundkin.catalog.triplets_table import COLUMNS
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import (
    FEW_GROUPS,
    Compared,
    Interval,
    compare,
    interval_note,
    listed_means,
    not_shown_to_beat,
)
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.scaling import unit_length

MAJORITY_OF_OTHERS, ONE_OTHER, BEST_FIXED = "people: most others", "people: one other", "best fixed answer"
ALL, REPEATED = "all questions", "questions put to several people"
RESAMPLES = 2000
ANSWERS_AT_ONCE = 1 << 14
TIED_BELOW = 1e-9  # a difference of cosines

Scores = Float[np.ndarray, " answers"]


class AgreementScores(Compared, frozen=True):
    """Agreement of systems, and of people, with answers; `gains` are the first system minus each other one.

    `questions` says which ones; `annotators` is None where nobody is named. `groups` counts the anchors'
    artists (or the anchors, where these are not known).
    """

    questions: str
    judgements: int
    asked: int
    anchors: int
    annotators: int | None

    def score(self, system: str) -> Interval:
        """The agreement of one system, or of people."""
        return next(score for score in self.scores if score.system == system)

    def gain_over(self, system: str) -> Interval:
        """How far the first system is above another, or above people."""
        return next(gain for gain in self.gains if gain.system == system)


class TripletAgreement(BaseModel, frozen=True):
    """Systems compared with people on the same answers; the first system is ours.

    `repeated` looks only at questions that several people answered, where alone people can be compared.
    """

    title: ClassVar[str] = "triplet agreement"
    systems: tuple[str, ...]
    overall: AgreementScores | None
    repeated: AgreementScores | None
    left_out: int
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def verdict(self) -> str:
        """One line: how often ours agrees, whether that beats the others, and what people reach."""
        if self.overall is None:
            return "nothing measured: no triplet is about three of these tracks."
        ours, *others = self.overall.scores
        rivals = (*self.systems[1:], CHANCE)
        level = [system for system in self.overall.unbeaten if system in rivals]
        result = not_shown_to_beat(level) or f"above {' and '.join(rivals)}"
        ceiling = "no question was put to two people, so nobody knows how far people agree"
        if self.repeated is not None:
            there, people = self.repeated.score(ours.system).mean, self.repeated.score(MAJORITY_OF_OTHERS)
            gain = self.repeated.gain_over(MAJORITY_OF_OTHERS)
            ceiling = (
                f"where several were asked, a person agrees with most others in {people}, and {ours.system} "
                f"comes to {there:.2f} there ({gain:+.2f} compared with people)"
            )
        result = self.overall.too_few or result
        return (
            f"{result}: {ours.system} agrees with {ours} of answers against {listed_means(others)}; {ceiling}"
        )

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system: its agreement and how far ours is above it."""
        parts = [part for part in (self.overall, self.repeated) if part is not None]
        rows = {score.system: {"system": score.system} for part in parts[-1:] for score in part.scores}
        for part in parts:
            for score in part.scores:
                size = f"{part.judgements} ({part.groups} {part.unit})"
                rows[score.system] |= {part.questions: str(score), f"answers: {part.questions}": size}
            for gain in part.gains:
                rows[gain.system][f"{self.systems[0]} above it: {part.questions}"] = f"{gain:+.2f}"
        return list(rows.values())


def triplet_agreement(
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    track_ids: Sequence[str],
    triplets: pd.DataFrame,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
    artists: Int[np.ndarray, " tracks"] | None = None,
) -> TripletAgreement:
    """Compare systems and people with the answers in `triplets`, as `read_triplets` returns them.

    Row i of every system is the vector of `track_ids[i]`; only cosines count. Answers about other tracks are
    left out. `artists` numbers each track's artist. Intervals draw the anchors' artists, with all questions
    about anchors by them, since these are correlated; whole anchors where `artists` is None. With
    `FEW_GROUPS` annotators or more, all of them named, they draw whole annotators too, and the wider interval
    is given: other people would answer otherwise.
    """
    answers = _known_answers(track_ids, triplets, artists)
    overall = repeated = None
    notes = []
    if left_out := len(triplets) - len(answers):
        notes.append(f"{left_out} answers are about tracks that have no vector here, and were left out.")
    if len(answers):
        tracks, unit = answers[COLUMNS].to_numpy(), "anchors" if artists is None else "artists"
        scores = {name: agreement(vectors, tracks) for name, vectors in systems.items()}
        scores[CHANCE] = np.full(len(answers), 0.5)
        people = agreement_of_people(answers)
        best = {BEST_FIXED: people.pop(BEST_FIXED)}
        overall = _scores(ALL, scores | best, answers, unit, random_seed, resamples)
        if np.isfinite(people[ONE_OTHER]).any():
            repeated = _scores(REPEATED, scores | people | best, answers, unit, random_seed, resamples)
        notes += _notes(overall, repeated, answers, resamples)
    return TripletAgreement(
        systems=tuple(systems),
        overall=overall,
        repeated=repeated,
        left_out=left_out,
        notes=tuple(notes),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


@typechecked
def agreement(vectors: Float[np.ndarray, "tracks embedding"], tracks: Int[np.ndarray, "answers 3"]) -> Scores:
    """1 where cosine(anchor, closer) > cosine(anchor, farther), 0.5 where they are tied, else 0.

    `tracks` holds rows of `vectors`: anchor, closer, farther. Cosines that differ by less than a billionth
    are tied: that much comes of the order in which products are summed.
    """
    unit = unit_length(np.asarray(vectors, dtype=np.float64))
    advantage = np.empty(len(tracks))
    for start in range(0, len(tracks), ANSWERS_AT_ONCE):
        anchor, closer, farther = unit[tracks[start : start + ANSWERS_AT_ONCE]].transpose(1, 0, 2)
        advantage[start : start + ANSWERS_AT_ONCE] = np.sum(anchor * (closer - farther), axis=1)
    return _won(np.where(np.abs(advantage) < TIED_BELOW, 0.0, advantage))


def agreement_of_people(answers: pd.DataFrame) -> dict[str, Scores]:
    """How each answer agrees with most of the others', with one of them, and with the best fixed answer.

    NaN where nobody else answered the question. A person who answered it twice is no other person to
    themselves.
    """
    votes = answers.assign(first=answers["closer_id"] < answers["farther_id"])

    def count(*columns: str) -> Int[np.ndarray, " answers"]:
        return votes.groupby(list(columns))["anchor_id"].transform("size").to_numpy(int)

    asked, agreeing = count("question"), count("question", "first")
    others = asked - count("question", "person")
    others_agreeing = agreeing - count("question", "person", "first")
    return {
        MAJORITY_OF_OTHERS: np.where(others > 0, _won(2 * others_agreeing - others), np.nan),
        ONE_OTHER: np.divide(others_agreeing, others, out=np.full(len(others), np.nan), where=others > 0),
        BEST_FIXED: _won(2 * agreeing - asked),
    }


def _known_answers(
    track_ids: Sequence[str], triplets: pd.DataFrame, artists: Int[np.ndarray, " tracks"] | None
) -> pd.DataFrame:
    """Answers about known tracks: rows of the tracks in COLUMNS, numbers of the question, person and group.

    Whoever is not `named` is a person of their own. Every question's weights sum to 1.
    """
    rows = pd.Index(track_ids)
    answers = pd.DataFrame({column: rows.get_indexer(pd.Index(triplets[column])) for column in COLUMNS})
    nobody = pd.Series(None, index=triplets.index, dtype=object)
    people = pd.factorize(triplets.get("annotator_id", nobody).to_numpy(object))[0]
    answers["named"] = people >= 0
    answers["person"] = np.where(people >= 0, people, len(people) + np.arange(len(people)))
    answers = answers[(answers[COLUMNS] >= 0).all(axis=1)].reset_index(drop=True)
    candidates = np.sort(answers[COLUMNS[1:]].to_numpy(), axis=1)
    answers["question"] = answers.groupby([answers["anchor_id"], *candidates.T]).ngroup()
    answers["weight"] = 1.0 / answers.groupby("question")["person"].transform("size")
    answers["group"] = answers["anchor_id"] if artists is None else artists[answers["anchor_id"]]
    return answers


def _scores(
    part: str, scores: dict[str, Scores], answers: pd.DataFrame, unit: str, random_seed: int, resamples: int
) -> AgreementScores:
    groups, weights = answers["group"].to_numpy(), answers["weight"].to_numpy()
    measure = Measure("triplet agreement", part, "agreement", None, scores, groups, weights, unit)
    compared = [compare(measure, resamples, random_seed)]
    if _draws_annotators(answers) and not compared[0].too_few:
        by_person = replace(measure, groups=answers["person"].to_numpy())
        compared.append(compare(by_person, resamples, random_seed))
    asked = answers[measure.asked]
    return AgreementScores(
        questions=part,
        judgements=len(asked),
        asked=asked["question"].nunique(),
        anchors=asked["anchor_id"].nunique(),
        annotators=asked["person"].nunique() if answers["named"].all() else None,
        scores=_widest(*(by.scores for by in compared)),
        gains=_widest(*(by.gains for by in compared)),
        groups=compared[0].groups,
        unit=unit,
    )


def _draws_annotators(answers: pd.DataFrame) -> bool:
    return bool(answers["named"].all()) and answers["person"].nunique() >= FEW_GROUPS


def _widest(*intervals: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """Of each system's intervals the widest."""
    return tuple(
        max(same, key=lambda interval: (interval.high or 0) - (interval.low or 0))
        for same in zip(*intervals, strict=True)
    )


def _won(advantage: np.ndarray) -> Scores:
    """1 above zero, 0.5 at zero, 0 below."""
    return np.asarray((np.sign(advantage) + 1) / 2, dtype=np.float64)


def _notes(
    overall: AgreementScores, repeated: AgreementScores | None, answers: pd.DataFrame, resamples: int
) -> list[str]:
    drawn = f"They say nothing about other people: that needs {FEW_GROUPS} named annotators."
    if _draws_annotators(answers) and not overall.too_few:
        drawn = "Where draws of whole annotators make one wider, it is theirs."
    notes = [
        f"{overall.judgements} answers to {overall.asked} questions about {overall.anchors} anchors; every "
        f"question counts once. {interval_note(overall.groups, overall.unit, resamples)} {drawn}",
        f"{BEST_FIXED}: the majority's, the most that anything which answers a question in one way can agree "
        "with. Where a question was answered once it is that answer, so the bound means something where "
        "several were asked.",
        "Whoever picked the questions had a hand in the scores: a system does worse where it was asked "
        "because it was unsure.",
    ]
    if repeated is None:
        return [*notes, "No question was put to two people: how far people agree, the ceiling, is not known."]
    notes.append(
        f"{repeated.judgements} answers are to the {repeated.asked} questions put to several people, about "
        f"{repeated.anchors} anchors. {MAJORITY_OF_OTHERS}: each answer against the others' majority, an "
        f"even split counting a half; {ONE_OTHER}: against one of them. With few people to a question both "
        f"lie below what a perfect system would reach, and {BEST_FIXED} lies above it."
    )
    if repeated.too_few and not overall.too_few:
        notes.append(f"Of questions put to several people there are no intervals: {repeated.too_few}.")
    if unnamed := int((~answers["named"]).sum()):
        notes.append(f"{unnamed} answers name no annotator: each counts as another person's.")
    return notes
