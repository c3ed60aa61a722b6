"""Where answers are kept: `triplets.csv` to learn from, and `triplets.checks.csv` with all others.

Every answer is a line in one of the two, synced before anybody reads that it is saved. A line that a killed
process left unfinished is cut off at the next start.

    triplets.csv          anchor_id, closer_id, farther_id, annotator_id, timestamp, session_id, seconds_taken
    triplets.checks.csv   the same, then kind and right

`timestamp` is in Unix seconds, `seconds_taken` from when the question showed. In checks, `kind` is one of

    tutorial, qualifier, gold   the answer is known; `right` is 1 or 0, empty if they could not tell
    repeat                      the same person had answered it before; `right` is 1 for the same answer again
    skipped                     they could not tell; the two candidates are in no order
    suspended                   an answer like those in triplets.csv, by somebody who was suspended later
"""

import csv
import errno
import fcntl
import io
import os
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, ValidationError
from pydantic.dataclasses import dataclass

from soundkin.assess.triplet_questions import Key, Row, question_key
from soundkin.errors import CatalogError, OutputError, UsageError
from soundkin.files import explaining_output, replacing

COLUMNS = ("anchor_id", "closer_id", "farther_id", "annotator_id", "timestamp", "session_id", "seconds_taken")
CHECK_COLUMNS = (*COLUMNS, "kind", "right")


class AnswerKind(StrEnum):
    """What an answer is; those of MAIN are in `triplets.csv`, to learn from."""

    MAIN = "main"
    TUTORIAL = "tutorial"
    QUALIFIER = "qualifier"
    GOLD = "gold"
    REPEAT = "repeat"
    SKIPPED = "skipped"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class TripletAnswer:
    """One answer; `right` is None where nothing is known of it."""

    anchor_id: str
    closer_id: str
    farther_id: str
    annotator_id: str
    timestamp: float
    session_id: str
    seconds_taken: float
    kind: AnswerKind = AnswerKind.MAIN
    right: Annotated[bool | None, BeforeValidator(lambda cell: None if cell == "" else cell)] = None

    @property
    def key(self) -> Key:
        """The question it answers."""
        return question_key(self.anchor_id, self.closer_id, self.farther_id)

    @property
    def row(self) -> Row:
        """As a row of a triplets file."""
        return self.anchor_id, self.closer_id, self.farther_id, self.annotator_id

    def cells(self) -> list[str]:
        """As a row of its file."""
        row = [*self.row, f"{self.timestamp:.3f}", self.session_id, f"{self.seconds_taken:.2f}"]
        right = "" if self.right is None else str(int(self.right))
        return row if self.kind == AnswerKind.MAIN else [*row, self.kind, right]


class AnswerFiles:
    """The two files, kept for one process at a time until `close`."""

    def __init__(self, triplets: Path) -> None:
        """Open the files, or begin them."""
        self.triplets = Path(triplets)
        if self.triplets.suffix.lower() != ".csv":
            raise UsageError(
                f"output {triplets}: answers are added line by line. Name a file ending in .csv."
            )
        self.checks = self.triplets.with_name(f"{self.triplets.stem}.checks.csv")
        with explaining_output(self.checks):
            self.checks.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.checks, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _begin(self.triplets, COLUMNS)
            _begin(self.checks, CHECK_COLUMNS)
            self.answers = self._read()
        except BaseException as error:
            self.close()
            if isinstance(error, BlockingIOError):
                hint = "Stop it, or name another file."
                raise OutputError(f"another run is collecting answers in {self.triplets}. {hint}") from error
            raise

    def close(self) -> None:
        """Let others write."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def append(self, answer: TripletAnswer) -> None:
        """Add one answer; it is on the disk when this returns."""
        _write(
            self.triplets if answer.kind == AnswerKind.MAIN else self.checks, _text([answer.cells()]).encode()
        )

    def set_aside(self, annotator_id: str) -> None:
        """Move somebody's answers from triplets to checks; safe to be killed in, and to be done again."""
        answers = _rows(self.triplets, COLUMNS)
        moved = [
            replace(answer, kind=AnswerKind.SUSPENDED)
            for answer in answers
            if answer.annotator_id == annotator_id
        ]
        if not moved:
            return
        there = set(_rows(self.checks, CHECK_COLUMNS))
        _write(self.checks, _text([answer.cells() for answer in moved if answer not in there]).encode())
        kept = [answer.cells() for answer in answers if answer.annotator_id != annotator_id]
        with replacing(self.triplets, "w") as file:
            file.write(_text([COLUMNS, *kept]))

    def _read(self) -> list[TripletAnswer]:
        """All answers in order of time."""
        answers = [*_rows(self.triplets, COLUMNS), *_rows(self.checks, CHECK_COLUMNS)]
        # An answer that was being moved when the process was killed is in both files, and counts once.
        moved = {
            replace(answer, kind=AnswerKind.MAIN) for answer in answers if answer.kind == AnswerKind.SUSPENDED
        }
        return sorted(
            (answer for answer in answers if answer not in moved), key=lambda answer: answer.timestamp
        )


def _begin(path: Path, columns: Sequence[str]) -> None:
    """Write the header where there is none; cut off an unfinished line; refuse a file of another kind."""
    header = _text([columns]).encode()
    with explaining_output(path):
        content = path.read_bytes() if path.exists() else b""
    if header.startswith(content):
        _write(path, header[len(content) :])
        return
    first = content.decode(errors="replace").removeprefix("\ufeff").splitlines()[0]
    if next(csv.reader([first]), []) != list(columns):
        raise CatalogError(
            f"answers {path}, row 1: the columns are {first[:120]}, and not {','.join(columns)}. These "
            "answers were not collected here: name another file, and put the two together afterwards."
        )
    if not content.endswith(b"\n"):
        with explaining_output(path), path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
            os.fsync(file.fileno())


def _write(path: Path, content: bytes) -> None:
    """Add all of `content` to the end, synced, or nothing of it."""
    with explaining_output(path), path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            if file.write(content) != len(content):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
        except OSError:
            file.truncate(before)
            raise


def _text(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _rows(path: Path, columns: Sequence[str]) -> list[TripletAnswer]:
    with explaining_output(path), path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    answers = []
    for place, row in enumerate(rows[1:], start=2):
        where = f"answers {path}, row {place}"
        if row and len(row) != len(columns):
            raise CatalogError(
                f"{where}: {len(row)} cells, and the header has {len(columns)}. Correct or delete the row."
            )
        try:
            answers += [TripletAnswer(*row)] if row else []  # type: ignore[arg-type]  # pydantic converts
        except ValidationError as error:
            [complaint, *_] = error.errors()
            column = columns[int(complaint["loc"][0])]
            said = f"{column}={complaint['input']}: {complaint['msg']}"
            raise CatalogError(f"{where}: {said}. Correct or delete the row.") from error
    return answers
