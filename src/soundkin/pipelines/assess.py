"""Assess: ask people which of two tracks sounds more like a third, and keep what they say.

Everything about asking is in `assessment`; here it meets the catalog, the audio and the disk. An `Assessment`
may be used from several threads at once. An answer is on the disk before it changes anything.
"""

import hashlib
import logging
import secrets
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundkin.assess.annotator_quality import Row, reliabilities
from soundkin.assess.annotator_state import Asked, SessionConfig
from soundkin.assess.answer_files import GOLD, MAIN, REPEAT, SUSPENDED, TUTORIAL, Answer, AnswerFiles
from soundkin.assess.clips import cut
from soundkin.assess.gold_questions import Gold, gold_from_halves, read_gold
from soundkin.assess.sessions import LEFT, RIGHT, Sessions, restore
from soundkin.assess.triplet_questions import Clip, QuestionConfig, plan_questions
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.store import read_embeddings
from soundkin.errors import AudioError, CatalogError, UsageError
from soundkin.explore.snippets import SNIPPET_RATE_HZ, SOURCE_SECONDS, encode_mp3
from soundkin.features.decode import read_waveform
from soundkin.shapes import Bool, Float

log = logging.getLogger(__name__)

CLIPS_KEPT = 400  # of about 40 kB
LONGEST_NAME = 40


class UnknownSessionError(UsageError):
    """No such session, or no such clip: the page is older than this run."""


@dataclass(frozen=True)
class Shown:
    """A question as a page sees it: where its audio is, and nothing that could sway anybody."""

    question_id: str
    anchor: str
    left: str
    right: str


@dataclass(frozen=True)
class Standing:
    """Where somebody stands, and what they are asked: `question` now, `following` after it."""

    session_id: str
    annotator_id: str
    phase: str
    answered: int
    total: int
    tries_left: int
    question: Shown | None
    following: Shown | None


@dataclass(frozen=True)
class Reply:
    """What became of an answer. The tutorial alone tells the `closer` side and why; `hurried` asks for
    patience.
    """

    closer: str
    reason: str
    hurried: bool
    standing: Standing


@dataclass(frozen=True)
class Summary:
    """What has been collected: answers to learn from, other answers, and a line about each annotator."""

    answers: int
    checks: int
    annotators: list[dict[str, str]]


class Assessment:
    """Questions, annotators and their answers, over the files in which they are kept."""

    def __init__(
        self, catalog: Catalog, sessions: Sessions, files: AnswerFiles, clock: Callable[[], float] = time.time
    ) -> None:
        self.config = sessions.config
        self._catalog, self._sessions, self._files, self._clock = catalog, sessions, files, clock
        self._answers = files.read()
        for annotator_id in restore(sessions, self._answers):
            files.set_aside(annotator_id)
        self._annotator_of = {
            answer.session_id: answer.annotator_id for answer in self._answers if answer.session_id
        }
        self._clips = Clips(catalog)
        self.checks = files.checks
        self._lock = threading.Lock()

    def join(self, annotator_id: str) -> Standing:
        """Begin a session; somebody known by that name goes on where they were.

        Raises:
            UsageError: the name is empty, too long, or holds characters that do not print.
        """
        name = _checked_name(annotator_id)
        session_id = secrets.token_urlsafe(9)
        with self._lock:
            self._annotator_of[session_id] = name
        return self.standing(session_id)

    def standing(self, session_id: str) -> Standing:
        """Where a session stands. The audio of its question is ready when this returns; that of the next may
        fail yet.

        Raises:
            UnknownSessionError: no such session.
        """
        with self._lock:
            annotator_id = self._annotator(session_id)
        while True:
            with self._lock:
                asked = self._sessions.asked(annotator_id, self._clock())
                phase = self._sessions.phase(annotator_id)
                tries = self._sessions.annotator(annotator_id).tries_left(self.config)
                answered, total = self._sessions.progress(annotator_id)
            unheard = self._unheard(asked[:1])
            if unheard is None:
                break
            with self._lock:
                self._sessions.leave_out(unheard)
        question, following = [*map(self._shown, asked), None, None][:2]
        return Standing(session_id, annotator_id, phase, answered, total, tries, question, following)

    def answer(self, session_id: str, question_id: str, choice: str, seconds: float) -> Reply:
        """Keep an answer and say where its session stands now. `seconds`: how long it took, by the page's
        clock.

        Raises:
            UnknownSessionError: no such session.
            UsageError: no such choice. NotAskedError: that question has been answered, or is not being asked.
            OutputError: it could not be written; it may be given again.
        """
        with self._lock:
            annotator_id, now = self._annotator(session_id), self._clock()
            answer = self._sessions.answer(annotator_id, question_id, choice, session_id, seconds, now)
            asked = self._sessions.annotators[annotator_id].queue[0]
            self._files.append(answer)
            self._answers.append(answer)
            annotator = self._sessions.take(answer)
            if annotator.suspended:
                log.info("%s is suspended: %s", annotator_id, annotator.suspended)
                self._files.set_aside(annotator_id)
            hurried = annotator.fast >= max(1, self.config.most_fast // 3)
        closer, reason = _lesson(asked)
        return Reply(closer, reason, hurried, self.standing(session_id))

    def audio(self, token: str) -> bytes:
        """The mp3 that a question's address leads to.

        Raises:
            UnknownSessionError: no question has that address, or the file cannot be played: another is asked
                instead.
        """
        clip = self._clips.of_token(token)
        try:
            return self._clips.prepare(clip)
        except AudioError as error:
            log.warning("left out %s: %s", clip.track_id, error)
            with self._lock:
                self._sessions.leave_out(clip)
            raise UnknownSessionError(
                "this clip cannot be played: another question takes its place."
            ) from error

    def summary(self) -> Summary:
        """What has been collected up to now, those before this run included."""
        with self._lock:
            answers, annotators = list(self._answers), dict(self._sessions.annotators)
            gold = [_row(one) for one in self._sessions.gold]
        judged = [
            answer for answer in answers if answer.kind in (MAIN, GOLD, REPEAT, SUSPENDED) and _told(answer)
        ]
        reliability = reliabilities([_answer_row(answer) for answer in judged], gold)
        rows = []
        counted = 0
        for name, annotator in annotators.items():
            if not any(answer.annotator_id == name for answer in answers):
                continue
            own = sum(answer.annotator_id == name and answer.kind == MAIN for answer in answers)
            kept = 0 if annotator.suspended else own
            counted += kept
            rows.append(
                {
                    "annotator": name,
                    "answers kept": str(kept),
                    "gold": f"{annotator.gold_hits} of {annotator.gold_answers} right",
                    "reliability": f"{reliability[name]:.2f}" if name in reliability else "",
                    "stands": f"suspended: {annotator.suspended}"
                    if annotator.suspended
                    else self._phase(name),
                }
            )
        return Summary(counted, len(answers) - counted, rows)

    def close(self) -> None:
        """Let others write the files."""
        self._files.close()

    def _phase(self, annotator_id: str) -> str:
        with self._lock:
            return self._sessions.phase(annotator_id)

    def _annotator(self, session_id: str) -> str:
        if session_id not in self._annotator_of:
            raise UnknownSessionError(
                "this session is unknown here. Join again under the same name to go on."
            )
        return self._annotator_of[session_id]

    def _unheard(self, asked: list[Asked]) -> Clip | None:
        """The first clip that cannot be played."""
        for clip in dict.fromkeys(clip for one in asked for clip in one.clips):
            try:
                self._clips.prepare(clip)
            except AudioError as error:
                log.warning("left out %s: %s", clip.track_id, error)
                return clip
        return None

    def _shown(self, asked: Asked) -> Shown:
        return Shown(asked.question_id, *(self._clips.token(clip) for clip in asked.clips))


class Clips:
    """Clips as mp3, made when first wanted, the last few hundred kept; pages know them by tokens that tell
    nothing.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._salt = secrets.token_hex(16)
        self._by_token: dict[str, Clip] = {}
        self._made: OrderedDict[Clip, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def token(self, clip: Clip) -> str:
        """The token of a clip, the same as long as this run lasts."""
        token = hashlib.sha256("\x1f".join((self._salt, clip.track_id, clip.part)).encode()).hexdigest()[:24]
        with self._lock:
            self._by_token[token] = clip
        return token

    def of_token(self, token: str) -> Clip:
        """The clip of a token that we gave out.

        Raises:
            UnknownSessionError: we did not.
        """
        with self._lock:
            clip = self._by_token.get(token)
        if clip is None:
            raise UnknownSessionError("there is no such clip. Load the page again.")
        return clip

    def prepare(self, clip: Clip) -> bytes:
        """Make a clip, unless it is at hand.

        Raises:
            AudioError: the file cannot be heard.
        """
        with self._lock:
            if clip in self._made:
                self._made.move_to_end(clip)
                return self._made[clip]
        waveform = read_waveform(self._catalog.audio_path(clip.track_id), SNIPPET_RATE_HZ, SOURCE_SECONDS)
        content = encode_mp3(cut(waveform.samples, SNIPPET_RATE_HZ, clip.part), SNIPPET_RATE_HZ)
        with self._lock:
            self._made[clip] = content
            while len(self._made) > CLIPS_KEPT:
                self._made.popitem(last=False)
        return content


def open_assessment(
    catalog_path: Path,
    output: Path,
    embeddings: Path | None = None,
    gold: Path | None = None,
    questions: QuestionConfig | None = None,
    sessions: SessionConfig | None = None,
    random_seed: int = 0,
) -> Assessment:
    """Plan the questions and open the answers in `output` (a .csv), going on with what is there.

    Where the questions come from is said in the log. Tracks without a file, or without a vector where there
    are `embeddings`, are left out.

    Raises:
        UsageError: no three tracks by three artists are left, too few gold questions, or `output` is no .csv.
        CatalogError: the catalog, the gold questions or the answers cannot be used.
        ArtefactError: the embeddings are corrupt.
        OutputError: the answers cannot be written, or another process is writing them.
    """
    config = sessions or SessionConfig()
    catalog = _audible(read_catalog(Path(catalog_path)))
    vectors = None
    if embeddings is not None:
        catalog, vectors = _embedded(catalog, Path(embeddings))
    plan = plan_questions(catalog, vectors, questions or QuestionConfig(), random_seed)
    known = _gold(catalog, vectors, gold, config, random_seed)
    how = (
        "where the model is least sure" if embeddings is not None else "at random, by genre (no --embeddings)"
    )
    log.info("%d questions about %d tracks, chosen %s", len(plan), len(catalog), how)
    return Assessment(catalog, Sessions(plan, known, config, random_seed), AnswerFiles(Path(output)))


def _gold(
    catalog: Catalog,
    vectors: Float[np.ndarray, "tracks embedding"] | None,
    path: Path | None,
    config: SessionConfig,
    random_seed: int,
) -> list[Gold]:
    if path is not None:
        found = read_gold(path, catalog, config.gold_needed)
        log.info("%d gold questions from %s", len(found), path)
        return found
    found = gold_from_halves(catalog, vectors, random_seed=random_seed)
    log.info(
        "%d gold questions made of the catalog: one half of a recording, its other half, and a track of another genre; "
        "--gold takes others",
        len(found),
    )
    return found


def _audible(catalog: Catalog) -> Catalog:
    """The tracks whose files are there."""
    there: Bool[np.ndarray, " tracks"] = np.array(
        [path.is_file() for path in catalog.audio_paths()], dtype=bool
    )
    if not there.any():
        raise CatalogError(
            f"{catalog.source}: none of its files is there, the first {catalog.audio_paths()[0]}."
        )
    if not there.all():
        log.warning(
            "%s: left out %d of %d tracks whose file is missing", catalog.source, (~there).sum(), len(there)
        )
    return catalog.select(there)


def _embedded(catalog: Catalog, folder: Path) -> tuple[Catalog, Float[np.ndarray, "tracks embedding"]]:
    """The tracks that have a vector, and their vectors."""
    found = read_embeddings(folder)
    rows = {track_id: row for row, track_id in enumerate(found.track_ids)}
    kept = [track_id for track_id in catalog.track_ids if track_id in rows]
    if not kept:
        raise UsageError(
            f"embeddings {folder} hold no track of {catalog.source}. Embed that catalog, or name another."
        )
    if len(kept) < len(catalog):
        log.warning(
            "%s: left out %d tracks without a vector in %s", catalog.source, len(catalog) - len(kept), folder
        )
    return catalog.select(kept), found.vectors[[rows[track_id] for track_id in kept]]


def _checked_name(name: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or not name[0].isalnum():
        raise UsageError(
            f"a name has 1 to {LONGEST_NAME} characters and begins with a letter or a digit. Choose another."
        )
    return name


def _lesson(asked: Asked) -> tuple[str, str]:
    """The closer side and why, of a question in the tutorial; nothing of any other."""
    if asked.kind != TUTORIAL or asked.gold is None:
        return "", ""
    return (LEFT if asked.left == asked.gold.closer else RIGHT), asked.gold.reason


def _told(answer: Answer) -> bool:
    """Whether somebody chose a side."""
    return answer.kind in (MAIN, SUSPENDED) or answer.right is not None


def _answer_row(answer: Answer) -> Row:
    return answer.anchor_id, answer.closer_id, answer.farther_id, answer.annotator_id


def _row(gold: Gold) -> Row:
    return gold.anchor.track_id, gold.closer.track_id, gold.farther.track_id, ""
