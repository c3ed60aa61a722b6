"""One annotator: what they are asked, what their answers come to, and when they are stopped.

Somebody is suspended when the 95% interval of their share of right gold answers is below `lowest_reliability`
(a sequential test, after each gold answer), or after too many answers in a row that were faster than anybody
can listen. The answers of others play no part in it: to disagree with them is a taste and no fault.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
from pydantic import Field
from scipy.special import betaincinv

from soundkin.assess.answer_files import COLUMNS, AnswerKind, TripletAnswer
from soundkin.assess.triplet_questions import Clip, Key, Row, TripletQuestion, question_key
from soundkin.catalog.annotators import find_consensus
from soundkin.config import Config
from soundkin.statistics.bootstrap import LEVEL

DONE, FAILED = "done", "failed"  # besides TUTORIAL, QUALIFIER, MAIN and SUSPENDED: phases of a session
AHEAD = 2  # questions known at a time: the one asked, and the next, so that its audio can be loaded


class SessionConfig(Config):
    """How people are introduced, let in, checked and compared."""

    tutorial: int = Field(3, ge=0)
    qualifier: int = Field(6, ge=0)  # questions
    qualifier_right: int = Field(5, ge=0)  # of them
    qualifier_tries: int = Field(2, ge=1)
    gold_every: int = Field(4, ge=1)  # one of so many questions is gold
    repeat_share: float = Field(0.08, ge=0, lt=1)  # of the others: asked of the same person again
    repeat_after: int = Field(10, ge=AHEAD)  # questions, at the earliest
    judges: int = Field(3, ge=1)  # people who answer a shared question
    most_skips: int = Field(2, ge=1)  # people who cannot tell before a question is dropped
    lowest_reliability: float = Field(0.8, gt=0, lt=1)
    listen_seconds: float = Field(2.0, ge=0)  # of each of the three, before one may choose
    fast_seconds: float = Field(7.0, ge=0)
    most_fast: int = Field(8, ge=1)  # answers in a row faster than that

    @property
    def gold_needed(self) -> int:
        """The least number of gold questions that makes sense."""
        return self.tutorial + self.qualifier + 1


@dataclass(frozen=True)
class Asked:
    """A question as it is put to one person."""

    question_id: str
    kind: AnswerKind
    anchor: Clip
    left: Clip
    right: Clip
    gold: TripletQuestion | None = None

    @property
    def closer(self) -> Clip | None:
        """The candidate that is known to be closer."""
        return self.gold.candidates[0] if self.gold else None

    @property
    def key(self) -> Key:
        """As `TripletQuestion.key`."""
        return question_key(self.anchor.track_id, self.left.track_id, self.right.track_id)

    @property
    def clips(self) -> tuple[Clip, Clip, Clip]:
        """What it plays."""
        return self.anchor, self.left, self.right


@dataclass
class Annotator:
    """What somebody's answers come to."""

    annotator_id: str
    config: SessionConfig
    tutorial: int = 0  # answers
    qualifier: list[bool] = field(default_factory=list)
    gold_hits: int = 0
    gold_answers: int = 0
    steps: int = 0  # answers in the main part, of any kind
    fast: int = 0  # in a row, up to now
    suspended: str = ""  # why, if they are
    last_time: float = 0.0
    main: dict[Key, tuple[int, str]] = field(
        default_factory=dict
    )  # the step of each answer, and the closer track
    skipped: set[Key] = field(default_factory=set)
    repeated: set[Key] = field(default_factory=set)
    gold_had: Counter[Key] = field(default_factory=Counter)
    queue: list[Asked] = field(default_factory=list)
    since: float | None = None  # when the first of the queue was handed out

    @property
    def part(self) -> str:
        """TUTORIAL, QUALIFIER, MAIN, FAILED or SUSPENDED, by their own answers."""
        if self.suspended:
            return AnswerKind.SUSPENDED
        if self.steps:
            return AnswerKind.MAIN
        if self.tutorial < self.config.tutorial:
            return AnswerKind.TUTORIAL
        size = self.config.qualifier
        tries = [
            self.qualifier[start : start + size] for start in range(0, len(self.qualifier), max(size, 1))
        ]
        if size == 0 or any(
            len(answers) == size and sum(answers) >= self.config.qualifier_right for answers in tries
        ):
            return AnswerKind.MAIN
        return AnswerKind.QUALIFIER if self.tries_left else FAILED

    @property
    def left_in_part(self) -> int | None:
        """Questions left in the tutorial or in this try of the qualifier; None in other parts."""
        if self.part == AnswerKind.TUTORIAL:
            return self.config.tutorial - self.tutorial
        size = self.config.qualifier
        return size - len(self.qualifier) % size if self.part == AnswerKind.QUALIFIER else None

    @property
    def tries_left(self) -> int:
        """How often the qualifier may still be tried, the present try included."""
        return self.config.qualifier_tries - len(self.qualifier) // max(self.config.qualifier, 1)

    def count(self, answer: TripletAnswer) -> None:
        """Take one answer into account."""
        self.last_time = max(self.last_time, answer.timestamp)
        if answer.kind in (AnswerKind.TUTORIAL, AnswerKind.QUALIFIER, AnswerKind.GOLD):
            self.gold_had[answer.key] += 1
        if answer.kind == AnswerKind.TUTORIAL:
            self.tutorial += 1
            return
        if answer.kind == AnswerKind.QUALIFIER:
            self.qualifier.append(bool(answer.right))
            return
        if answer.kind == AnswerKind.GOLD and answer.right is not None:
            self.gold_answers += 1
            self.gold_hits += answer.right
        elif answer.kind == AnswerKind.REPEAT:
            self.repeated.add(answer.key)
        elif answer.kind == AnswerKind.SKIPPED:
            self.skipped.add(answer.key)
        elif answer.kind in (AnswerKind.MAIN, AnswerKind.SUSPENDED):
            self.main[answer.key] = (self.steps, answer.closer_id)
        self.steps += 1

    def reason_to_suspend(self, answer: TripletAnswer) -> str:
        """Why they are to be suspended after `answer`; empty if they are not."""
        if answer.kind in (AnswerKind.TUTORIAL, AnswerKind.SKIPPED):
            return ""
        self.fast = self.fast + 1 if answer.seconds_taken < self.config.fast_seconds else 0
        if self.fast >= self.config.most_fast:
            return f"{self.fast} answers in a row took less than {self.config.fast_seconds:g} s"
        if highest_reliability(self.gold_hits, self.gold_answers) < self.config.lowest_reliability:
            return f"{self.gold_hits} of {self.gold_answers} gold answers are right"
        return ""


def highest_reliability(hits: int, answers: int) -> float:
    """Upper end of the 95% interval of a share of right answers, with a flat prior."""
    return float(betaincinv(1 + hits, 1 + answers - hits, (1 + LEVEL) / 2))


def gold_row(question: TripletQuestion) -> Row:
    """A gold question as a row of a triplets file, by nobody."""
    anchor, closer, farther = (clip.track_id for clip in question.clips)
    return anchor, closer, farther, ""


def reliabilities(answers: Sequence[Row], gold: Sequence[Row] = ()) -> dict[str, float]:
    """How likely each annotator is right, by gold, the others' answers and their own second answers (by EM).

    `gold` has the known answers (whoever is named there); `answers` includes those given to gold questions.
    """
    if not answers:
        return {}
    given, known = (pd.DataFrame(rows, columns=list(COLUMNS[:4])) for rows in (answers, gold))
    consensus = find_consensus(given, known if len(known) else None)
    return dict(zip(consensus.judgements.annotator_ids, map(float, consensus.reliability), strict=True))
