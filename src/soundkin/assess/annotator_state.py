"""One annotator: what they are asked, what their answers come to, and when they are stopped.

Somebody is suspended when the 95% interval of their share of right gold answers lies below
`lowest_reliability` altogether (a sequential test, asked after each gold answer), or after too many answers
in a row that were faster than anybody can listen. What others answered plays no part in it.
"""

from collections import Counter
from dataclasses import dataclass, field

from pydantic import Field

from soundkin.assess.annotator_quality import Posterior, posterior
from soundkin.assess.answer_files import GOLD, MAIN, QUALIFIER, REPEAT, SKIPPED, SUSPENDED, TUTORIAL, Answer
from soundkin.assess.gold_questions import Gold
from soundkin.assess.triplet_questions import Clip, Key, question_key
from soundkin.config import Config

DONE, FAILED = "done", "failed"  # beside TUTORIAL, QUALIFIER, MAIN and SUSPENDED: where somebody stands
AHEAD = 2  # questions known at a time: the one asked, and the next, so that its audio can be loaded


class SessionConfig(Config):
    """How people are taught, let in, checked and compared."""

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
    kind: str
    anchor: Clip
    left: Clip
    right: Clip
    gold: Gold | None = None

    @property
    def key(self) -> Key:
        """As `TripletQuestion.key`."""
        return question_key(self.anchor.track_id, self.left.track_id, self.right.track_id)

    @property
    def clips(self) -> tuple[Clip, Clip, Clip]:
        """All that has to be audible."""
        return self.anchor, self.left, self.right


@dataclass
class Annotator:
    """What somebody's answers come to."""

    annotator_id: str
    tutorial: int = 0
    qualifier: list[bool] = field(default_factory=list)
    gold_hits: int = 0
    gold_answers: int = 0
    steps: int = 0  # answers in the main part, of any kind
    fast: int = 0  # in a row, up to now
    suspended: str = ""  # why, if they are
    last_time: float = 0.0
    main: dict[Key, tuple[int, str]] = field(
        default_factory=dict
    )  # the step of each answer, and who was closer
    skipped: set[Key] = field(default_factory=set)
    repeated: set[Key] = field(default_factory=set)
    gold_had: Counter[Key] = field(default_factory=Counter)
    queue: list[Asked] = field(default_factory=list)
    since: float | None = None  # when the first of the queue was handed out

    @property
    def quality(self) -> Posterior:
        """What is known of their share of right gold answers."""
        return posterior(self.gold_hits, self.gold_answers)

    def in_part(self, config: SessionConfig) -> str:
        """TUTORIAL, QUALIFIER, MAIN, FAILED or SUSPENDED, as far as their own answers tell."""
        if self.suspended:
            return SUSPENDED
        if self.steps:
            return MAIN
        if self.tutorial < config.tutorial:
            return TUTORIAL
        if self._qualified(config):
            return MAIN
        return QUALIFIER if self.tries_left(config) else FAILED

    def left_in_part(self, config: SessionConfig) -> int | None:
        """How many questions are left in the tutorial or in this try of the qualifier; None in other parts."""
        part = self.in_part(config)
        if part == TUTORIAL:
            return config.tutorial - self.tutorial
        return config.qualifier - len(self.qualifier) % config.qualifier if part == QUALIFIER else None

    def tries_left(self, config: SessionConfig) -> int:
        """How often the qualifier may still be tried, the present try included."""
        return config.qualifier_tries - len(self.qualifier) // max(config.qualifier, 1)

    def count(self, answer: Answer) -> None:
        """Take one answer into account."""
        self.last_time = max(self.last_time, answer.timestamp)
        if answer.kind in (TUTORIAL, QUALIFIER, GOLD):
            self.gold_had[answer.key] += 1
        if answer.kind == TUTORIAL:
            self.tutorial += 1
        elif answer.kind == QUALIFIER:
            self.qualifier.append(bool(answer.right))
        else:
            self._count_in_main(answer)
            self.steps += 1

    def judge(self, answer: Answer, config: SessionConfig) -> str:
        """Why they are to be suspended after `answer`; empty if they are not."""
        if answer.kind in (TUTORIAL, SKIPPED):
            return ""
        self.fast = self.fast + 1 if answer.seconds_taken < config.fast_seconds else 0
        if self.fast >= config.most_fast:
            return f"{self.fast} answers in a row took less than {config.fast_seconds:g} s"
        if self.quality.high < config.lowest_reliability:
            return f"{self.gold_hits} of {self.gold_answers} gold answers are right"
        return ""

    def _count_in_main(self, answer: Answer) -> None:
        if answer.kind == GOLD and answer.right is not None:
            self.gold_answers += 1
            self.gold_hits += answer.right
        elif answer.kind == REPEAT:
            self.repeated.add(answer.key)
        elif answer.kind == SKIPPED:
            self.skipped.add(answer.key)
        elif answer.kind in (MAIN, SUSPENDED):
            self.main[answer.key] = (self.steps, answer.closer_id)

    def _qualified(self, config: SessionConfig) -> bool:
        size = config.qualifier
        tries = [
            self.qualifier[start : start + size] for start in range(0, len(self.qualifier), max(size, 1))
        ]
        return size == 0 or any(len(one) == size and sum(one) >= config.qualifier_right for one in tries)
