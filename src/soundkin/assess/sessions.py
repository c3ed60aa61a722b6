"""What each annotator is asked next, and when we stop asking.

An annotator goes through a *tutorial* (examples with feedback), a *qualifier* (gold questions, enough of
which have to be right) and then the *main* part, where answers count. In it, one question of every few is
gold, and some are asked a second time. Which side a candidate is on is drawn anew for every question.

All of this follows from the answers given so far, their order and a random seed: after a restart, taking the
recorded answers again leads to the same state and the same question.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from soundkin.assess.annotator_state import AHEAD, DONE, Annotator, Asked, SessionConfig
from soundkin.assess.answer_files import AnswerKind, TripletAnswer
from soundkin.assess.triplet_questions import Clip, Key, TripletQuestion
from soundkin.errors import UsageError

LEFT, RIGHT, SKIP = "left", "right", "skip"
CHOICES = (LEFT, RIGHT, SKIP)


class NotAskedError(UsageError):
    """An answer to a question that this person is not being asked."""


class Sessions:
    """All annotators, and the questions for them."""

    def __init__(
        self,
        questions: Sequence[TripletQuestion],
        gold: Sequence[TripletQuestion],
        config: SessionConfig | None = None,
        random_seed: int = 0,
    ) -> None:
        self.config = config or SessionConfig()
        self.questions = list(questions)
        self.gold = list(gold)
        self.random_seed = random_seed
        self.annotators: dict[str, Annotator] = {}
        self._answered: dict[Key, set[str]] = defaultdict(set)
        self._skipped: dict[Key, set[str]] = defaultdict(set)

    def annotator(self, annotator_id: str) -> Annotator:
        """Somebody's state; a new one for somebody new."""
        return self.annotators.setdefault(annotator_id, Annotator(annotator_id, self.config))

    def take(self, answer: TripletAnswer) -> Annotator:
        """Count one answer, just given or recorded earlier; returns the annotator whose state it changed."""
        annotator = self.annotator(answer.annotator_id)
        before = self.phase(answer.annotator_id)
        annotator.count(answer)
        if answer.kind in (AnswerKind.MAIN, AnswerKind.SUSPENDED) and not annotator.suspended:
            self._answered[answer.key].add(answer.annotator_id)
        elif answer.kind == AnswerKind.SKIPPED:
            self._skipped[answer.key].add(answer.annotator_id)
        if reason := annotator.reason_to_suspend(answer):
            self.suspend(annotator, reason)
        was_asked = bool(annotator.queue) and annotator.queue[0].key == answer.key
        goes_on = self.phase(answer.annotator_id) == before
        annotator.queue = annotator.queue[1:] if was_asked and goes_on else []
        annotator.since = None
        return annotator

    def suspend(self, annotator: Annotator, reason: str) -> None:
        """Ask them nothing any more, and their questions of others."""
        annotator.suspended = annotator.suspended or reason
        for answered_by in self._answered.values():
            answered_by.discard(annotator.annotator_id)

    def phase(self, annotator_id: str) -> str:
        """TUTORIAL, QUALIFIER, MAIN, DONE, FAILED or SUSPENDED."""
        annotator = self.annotator(annotator_id)
        part = annotator.part
        if part == AnswerKind.MAIN and not any(self._is_open(q, annotator) for q in self.questions):
            return DONE
        return part

    def asked(self, annotator_id: str, now: float) -> list[Asked]:
        """The question to answer, and the next one as far as it is known; none when nothing is left.

        `now` (Unix seconds) is when the first of them is handed out, unless it was before.
        """
        annotator = self.annotator(annotator_id)
        self._fill_queue(annotator)
        if annotator.queue and annotator.since is None:
            annotator.since = now
        return list(annotator.queue)

    def answer(
        self, annotator_id: str, question_id: str, choice: str, session_id: str, seconds: float, now: float
    ) -> TripletAnswer:
        """The answer to the question being asked, as it is to be recorded and then taken.

        `seconds`, by the page's clock, cannot be more than since we handed it out, unless that was before a
        restart.
        """
        annotator = self.annotator(annotator_id)
        if choice not in CHOICES:
            raise UsageError(f"choice={choice} is unknown. Choose {', '.join(CHOICES)}.")
        self._fill_queue(annotator)
        if not annotator.queue or annotator.queue[0].question_id != question_id:
            raise NotAskedError(
                f"question {question_id} is not the one being asked. Ask for the state, and go on there."
            )
        asked = annotator.queue[0]
        closer, farther = (asked.right, asked.left) if choice == RIGHT else (asked.left, asked.right)
        kind, right = asked.kind, None
        if choice == SKIP:
            kind, right = (
                AnswerKind.SKIPPED if kind == AnswerKind.MAIN else kind,
                False if kind == AnswerKind.QUALIFIER else None,
            )
        elif asked.gold:
            right = closer == asked.closer
        elif kind == AnswerKind.REPEAT:
            right = annotator.main[asked.key][1] == closer.track_id
        elapsed = math.inf if annotator.since is None else max(0.0, now - annotator.since)
        return TripletAnswer(
            anchor_id=asked.anchor.track_id,
            closer_id=closer.track_id,
            farther_id=farther.track_id,
            annotator_id=annotator_id,
            timestamp=max(round(now, 3), round(annotator.last_time + 0.001, 3)),
            session_id=session_id,
            seconds_taken=round(min(max(0.0, seconds), elapsed), 2),
            kind=kind,
            right=right,
        )

    def leave_out(self, clip: Clip) -> None:
        """Ask no question that plays `clip`: it cannot be played."""
        self.questions = [asked for asked in self.questions if clip not in asked.clips]
        self.gold = [gold for gold in self.gold if clip not in gold.clips]
        for annotator in self.annotators.values():
            lost = [place for place, asked in enumerate(annotator.queue) if clip in asked.clips]
            if lost:
                annotator.queue = annotator.queue[: lost[0]]
                annotator.since = annotator.since if annotator.queue else None

    def progress(self, annotator_id: str) -> tuple[int, int]:
        """Answers given in the present part, and about how many there will be in all."""
        annotator, config = self.annotator(annotator_id), self.config
        left = annotator.left_in_part
        if left is not None:
            total = config.tutorial if annotator.part == AnswerKind.TUTORIAL else config.qualifier
            return total - left, total
        still_open = sum(self._is_open(question, annotator) for question in self.questions)
        ordinary = (1 - 1 / config.gold_every) * (1 - config.repeat_share)
        return annotator.steps, annotator.steps + round(still_open / max(ordinary, 0.1))

    def _fill_queue(self, annotator: Annotator) -> None:
        left = annotator.left_in_part
        most = (
            min(AHEAD, left)
            if left is not None
            else AHEAD * (self.phase(annotator.annotator_id) == AnswerKind.MAIN)
        )
        while len(annotator.queue) < most and (following := self._next(annotator)):
            annotator.queue.append(following)

    def _next(self, annotator: Annotator) -> Asked | None:
        """The question after those that wait in the queue; None when there is nothing left to ask."""
        ahead = len(annotator.queue)
        if annotator.part in (AnswerKind.TUTORIAL, AnswerKind.QUALIFIER):
            given = annotator.tutorial if annotator.part == AnswerKind.TUTORIAL else len(annotator.qualifier)
            return self._ask_gold(annotator, AnswerKind(annotator.part), given + ahead)
        step = annotator.steps + ahead
        ordinary = self._ordinary(annotator, step)
        if ordinary is None:
            return None
        block, place = divmod(step, self.config.gold_every)
        if self.gold and self._random(annotator, "gold", block).integers(self.config.gold_every) == place:
            return self._ask_gold(annotator, AnswerKind.GOLD, step)
        again = self._again(annotator, step)
        kind, question = (AnswerKind.MAIN, ordinary) if again is None else (AnswerKind.REPEAT, again)
        return self._put(annotator, kind, step, question)

    def _ask_gold(self, annotator: Annotator, kind: AnswerKind, number: int) -> Asked:
        if not self.gold:
            raise UsageError(
                "no gold question is left whose audio can be played. Give others: --gold gold.csv"
            )
        had = annotator.gold_had + Counter(asked.gold.key for asked in annotator.queue if asked.gold)
        order = self._random(annotator, "gold order").permutation(len(self.gold))
        gold = min((self.gold[row] for row in order), key=lambda question: had[question.key])
        return self._put(annotator, kind, number, gold)

    def _again(self, annotator: Annotator, step: int) -> TripletQuestion | None:
        """A question to ask a second time, now and then."""
        random = self._random(annotator, "again", step)
        if random.random() >= self.config.repeat_share:
            return None
        latest = step - self.config.repeat_after
        long_ago = {key for key, (answered, _) in annotator.main.items() if answered <= latest}
        long_ago -= annotator.repeated | {asked.key for asked in annotator.queue}
        candidates = [question for question in self.questions if question.key in long_ago]
        return candidates[random.integers(len(candidates))] if candidates else None

    def _ordinary(self, annotator: Annotator, step: int) -> TripletQuestion | None:
        """Shared questions in the same order for all, so that answers meet; others in an order of their own.

        Several people at one question at the same time may give it an answer or two more than it needs.
        """
        waiting = {asked.key for asked in annotator.queue}
        still = [q for q in self.questions if self._is_open(q, annotator) and q.key not in waiting]
        shared, own = [q for q in still if q.shared], [q for q in still if not q.shared]
        share = sum(q.shared for q in self.questions) / max(len(self.questions), 1)
        if shared and (not own or self._random(annotator, "shared", step).random() < share):
            return shared[0]
        return min(own, key=lambda q: _turn(self.random_seed, annotator.annotator_id, q.key), default=None)

    def _is_open(self, question: TripletQuestion, annotator: Annotator) -> bool:
        key = question.key
        if key in annotator.main or key in annotator.skipped:
            return False
        enough = self.config.judges if question.shared else 1
        return len(self._answered[key]) < enough and len(self._skipped[key]) < self.config.most_skips

    def _put(self, annotator: Annotator, kind: AnswerKind, number: int, question: TripletQuestion) -> Asked:
        anchor, left, right = question.clips
        if self._random(annotator, "order", kind, number).random() < 0.5:
            left, right = right, left
        words = [kind, number, *(f"{clip.track_id}/{clip.part}" for clip in (anchor, left, right))]
        question_id = _digest(self.random_seed, annotator.annotator_id, *words)[:16]
        gold = question if question.kind == AnswerKind.GOLD else None
        return Asked(question_id, kind, anchor, left, right, gold)

    def _random(self, annotator: Annotator, *words: object) -> np.random.Generator:
        digest = _digest(self.random_seed, annotator.annotator_id, *words)
        return np.random.default_rng(int(digest[:16], 16))


def restore(sessions: Sessions, answers: Iterable[TripletAnswer]) -> list[str]:
    """Take recorded answers in their order; returns who is suspended and still has answers to learn from.

    Whoever was suspended stays so, even under settings that would not have suspended them.
    """
    kinds: dict[str, set[str]] = defaultdict(set)
    for answer in answers:
        sessions.take(answer)
        kinds[answer.annotator_id].add(answer.kind)
    for name, held in kinds.items():
        if AnswerKind.SUSPENDED in held:
            sessions.suspend(sessions.annotators[name], "suspended earlier")
    return sorted(
        name
        for name, held in kinds.items()
        if AnswerKind.MAIN in held and sessions.annotators[name].suspended
    )


@lru_cache(maxsize=200_000)
def _turn(random_seed: int, annotator_id: str, key: Key) -> str:
    """Where a question is in somebody's own order."""
    return _digest(random_seed, annotator_id, key[0], *sorted(key[1]))


def _digest(*words: object) -> str:
    return hashlib.sha256("\x1f".join(map(str, words)).encode()).hexdigest()
