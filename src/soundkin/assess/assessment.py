"""An assessment: people are asked which of two tracks sounds more like a third; their answers are kept.

It may be used from several threads at once. An answer is on the disk before it changes anything.
"""

import logging
import secrets
import threading
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass

from pydantic import BaseModel

from soundkin.assess.annotator_state import Asked, gold_row, reliabilities
from soundkin.assess.answer_files import AnswerFiles, AnswerKind
from soundkin.assess.clips import Clips
from soundkin.assess.sessions import LEFT, RIGHT, Sessions, restore
from soundkin.assess.triplet_questions import Clip
from soundkin.catalog.table import Catalog
from soundkin.errors import AudioError, UsageError

log = logging.getLogger(__name__)

LONGEST_NAME = 40


class UnknownSessionError(UsageError):
    """No such session, or no such clip: the page is older than this run."""


class ShownQuestion(BaseModel, frozen=True):
    """A question as a page sees it: where its audio is, and nothing that could sway anybody."""

    question_id: str
    anchor: str
    left: str
    right: str


class AnnotatorState(BaseModel, frozen=True):
    """The phase that somebody is in, and what they are asked: `question` now, `following` after it."""

    session_id: str
    annotator_id: str
    phase: str
    answered: int
    total: int
    tries_left: int
    question: ShownQuestion | None
    following: ShownQuestion | None


class Reply(BaseModel, frozen=True):
    """What became of an answer. The tutorial alone tells the `closer` side and why; `hurried`: be patient."""

    closer: str
    reason: str
    hurried: bool
    state: AnnotatorState


@dataclass(frozen=True)
class Collected:
    """Answers to learn from, other answers, and a line about each annotator."""

    answers: int
    checks: int
    annotators: list[dict[str, str]]


class Assessment:
    """Questions, annotators and their answers, over the files in which they are kept."""

    def __init__(self, catalog: Catalog, sessions: Sessions, files: AnswerFiles) -> None:
        self.config = sessions.config
        self.checks = files.checks
        self._sessions, self._files = sessions, files
        self._answers = files.answers
        for annotator_id in restore(sessions, self._answers):
            files.set_aside(annotator_id)
        self._annotator_of = {a.session_id: a.annotator_id for a in self._answers if a.session_id}
        self._clips = Clips(catalog)
        self._lock = threading.Lock()

    def join(self, annotator_id: str) -> AnnotatorState:
        """Begin a session; somebody known by that name goes on where they were."""
        name = " ".join(unicodedata.normalize("NFC", annotator_id).split())
        if not name or len(name) > LONGEST_NAME or not name.isprintable() or not name[0].isalnum():
            raise UsageError(
                f"a name has 1 to {LONGEST_NAME} characters, the first a letter or a digit. Choose another."
            )
        session_id = secrets.token_urlsafe(9)
        with self._lock:
            self._annotator_of[session_id] = name
        return self.state(session_id)

    def state(self, session_id: str) -> AnnotatorState:
        """The state of a session. The audio of its question is ready when this returns."""
        annotator_id = self._annotator(session_id)
        while True:
            with self._lock:
                asked = self._sessions.asked(annotator_id, time.time())
                phase = self._sessions.phase(annotator_id)
                tries_left = self._sessions.annotator(annotator_id).tries_left
                answered, total = self._sessions.progress(annotator_id)
            clips = [clip for question in asked[:1] for clip in question.clips]
            if all(self._can_play(clip) for clip in clips):
                break
        question, following = [*map(self._shown, asked), None, None][:2]
        return AnnotatorState(
            session_id=session_id,
            annotator_id=annotator_id,
            phase=phase,
            answered=answered,
            total=total,
            tries_left=tries_left,
            question=question,
            following=following,
        )

    def answer(self, session_id: str, question_id: str, choice: str, seconds: float) -> Reply:
        """Keep an answer and return the state after it. `seconds`: how long it took, by the page's clock."""
        annotator_id = self._annotator(session_id)
        with self._lock:
            answer = self._sessions.answer(
                annotator_id, question_id, choice, session_id, seconds, time.time()
            )
            asked = self._sessions.annotators[annotator_id].queue[0]
            self._files.append(answer)
            self._answers.append(answer)
            annotator = self._sessions.take(answer)
            if annotator.suspended:
                log.info("%s is suspended: %s", annotator_id, annotator.suspended)
                self._files.set_aside(annotator_id)
            hurried = annotator.fast >= max(1, self.config.most_fast // 3)
        closer, reason = "", ""
        if asked.kind == AnswerKind.TUTORIAL and asked.gold:
            closer, reason = LEFT if asked.left == asked.closer else RIGHT, asked.gold.reason
        return Reply(closer=closer, reason=reason, hurried=hurried, state=self.state(session_id))

    def audio(self, token: str) -> bytes:
        """The mp3 that a question's address leads to."""
        clip = self._clips.by_token(token)
        if clip is None:
            raise UnknownSessionError("there is no such clip. Load the page again.")
        if not self._can_play(clip):
            raise UnknownSessionError("this clip cannot be played: another question takes its place.")
        return self._clips.mp3(clip)

    def summary(self) -> Collected:
        """What has been collected up to now, by earlier runs too."""
        with self._lock:
            answers, annotators = list(self._answers), dict(self._sessions.annotators)
            phases = {name: self._sessions.phase(name) for name in annotators}
            gold = [gold_row(question) for question in self._sessions.gold]
        chosen = [
            answer.row
            for answer in answers
            if answer.kind in (AnswerKind.MAIN, AnswerKind.SUSPENDED)
            or (answer.kind in (AnswerKind.GOLD, AnswerKind.REPEAT) and answer.right is not None)
        ]
        reliability = reliabilities(chosen, gold)
        kept = Counter(
            answer.annotator_id
            for answer in answers
            if answer.kind == AnswerKind.MAIN and not annotators[answer.annotator_id].suspended
        )
        answered = {answer.annotator_id for answer in answers}
        rows = [
            {
                "annotator": name,
                "answers kept": str(kept[name]),
                "gold": f"{annotator.gold_hits} of {annotator.gold_answers} right",
                "reliability": f"{reliability[name]:.2f}" if name in reliability else "",
                "phase": f"suspended: {annotator.suspended}" if annotator.suspended else phases[name],
            }
            for name, annotator in annotators.items()
            if name in answered
        ]
        return Collected(kept.total(), len(answers) - kept.total(), rows)

    def close(self) -> None:
        """Let others write the files."""
        self._files.close()

    def _annotator(self, session_id: str) -> str:
        with self._lock:
            if session_id not in self._annotator_of:
                raise UnknownSessionError(
                    "this session is unknown here. Join again under the same name to go on."
                )
            return self._annotator_of[session_id]

    def _can_play(self, clip: Clip) -> bool:
        """Whether a clip can be made; if not, no question plays it from now on."""
        try:
            self._clips.mp3(clip)
        except AudioError as error:
            log.warning("left out %s: %s", clip.track_id, error)
            with self._lock:
                self._sessions.leave_out(clip)
            return False
        return True

    def _shown(self, asked: Asked) -> ShownQuestion:
        anchor, left, right = map(self._clips.token, asked.clips)
        return ShownQuestion(question_id=asked.question_id, anchor=anchor, left=left, right=right)
