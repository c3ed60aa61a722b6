"""Where answers are kept: `triplets.csv` to learn from, and `triplets.checks.csv` with all others.

Every answer is in one of the two, a line each, written whole and synced before anybody is told that it is
saved. A line that a killed process left unfinished is cut off at the next start: nobody was told that it was
saved.

    triplets.csv          anchor_id, closer_id, farther_id, annotator_id, timestamp, session_id, seconds_taken
    triplets.checks.csv   the same, then kind and right

`timestamp` is in Unix seconds, `seconds_taken` from when the question showed. In checks, `kind` is what the
answer is:
- `tutorial`, `qualifier`, `gold`: to a question with a known answer; `right` is 1 or 0, empty if they could
  not tell;
- `repeat`: to a question that the same person had answered before; `right` is 1 where they said the same
  again;
- `skipped`: they could not tell; the two candidates stand there in no order;
- `suspended`: an answer like those in triplets.csv, by somebody who was suspended later.
"""

import csv
import errno
import fcntl
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from soundkin.assess.triplet_questions import Key, question_key
from soundkin.errors import CatalogError, OutputError, UsageError
from soundkin.files import explaining_output, replacing

COLUMNS = ("anchor_id", "closer_id", "farther_id", "annotator_id", "timestamp", "session_id", "seconds_taken")
CHECK_COLUMNS = (*COLUMNS, "kind", "right")
MAIN, TUTORIAL, QUALIFIER, GOLD = "main", "tutorial", "qualifier", "gold"
REPEAT, SKIPPED, SUSPENDED = "repeat", "skipped", "suspended"
CHECKS = (TUTORIAL, QUALIFIER, GOLD, REPEAT, SKIPPED, SUSPENDED)
RIGHT_WORDS: dict[bool | None, str] = {True: "1", False: "0", None: ""}


@dataclass(frozen=True)
class Answer:
    """One answer. `kind` is MAIN for those to learn from; `right` is None where nothing is known of it."""

    anchor_id: str
    closer_id: str
    farther_id: str
    annotator_id: str
    timestamp: float
    session_id: str
    seconds_taken: float
    kind: str = MAIN
    right: bool | None = None

    @property
    def key(self) -> Key:
        """The question it answers."""
        return question_key(self.anchor_id, self.closer_id, self.farther_id)

    def cells(self) -> list[str]:
        """As a row of its file."""
        ids = [self.anchor_id, self.closer_id, self.farther_id, self.annotator_id]
        row = [*ids, f"{self.timestamp:.3f}", self.session_id, f"{self.seconds_taken:.2f}"]
        return row if self.kind == MAIN else [*row, self.kind, RIGHT_WORDS[self.right]]


class AnswerFiles:
    """The two files, kept for one process at a time until `close`."""

    def __init__(self, triplets: Path) -> None:
        """Open the files, or begin them.

        Raises:
            UsageError: `triplets` does not end in .csv.
            CatalogError: one of the files is not ours, or a row of it cannot be read.
            OutputError: they cannot be written, or another process has them open.
        """
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
            self._take_lock()
            _begin(self.triplets, COLUMNS)
            _begin(self.checks, CHECK_COLUMNS)
            self._answers = self._read()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others write."""
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1

    def read(self) -> list[Answer]:
        """All answers that were there when the files were opened, in order of time."""
        return list(self._answers)

    def append(self, answer: Answer) -> None:
        """Add one answer; it is on the disk when this returns.

        Raises:
            OutputError: it could not be written, and then nothing of it is there.
        """
        _append(self.triplets if answer.kind == MAIN else self.checks, [answer])

    def set_aside(self, annotator_id: str) -> None:
        """Move somebody's answers from triplets to checks; safe to be killed in, and to be done again.

        Raises:
            OutputError: a file could not be written.
        """
        kept: list[Answer] = []
        moved: list[Answer] = []
        for answer in _rows(self.triplets, COLUMNS):
            (moved if answer.annotator_id == annotator_id else kept).append(answer)
        if not moved:
            return
        there = set(_rows(self.checks, CHECK_COLUMNS))
        _append(
            self.checks, [row for row in (replace(one, kind=SUSPENDED) for one in moved) if row not in there]
        )
        with replacing(self.triplets, "w") as file:
            file.write(_text([COLUMNS, *(answer.cells() for answer in kept)]))

    def _read(self) -> list[Answer]:
        answers = [*_rows(self.triplets, COLUMNS), *_rows(self.checks, CHECK_COLUMNS)]
        # Killed while answers were moved: they stand in both files, and count once.
        moved = {replace(answer, kind=MAIN) for answer in answers if answer.kind == SUSPENDED}
        return sorted(
            (answer for answer in answers if answer not in moved), key=lambda answer: answer.timestamp
        )

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            mend = "Stop it, or name another file"
            raise OutputError(f"another run is collecting answers in {self.triplets}. {mend}.") from error


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
            f"answers {path}, row 1: the columns are {first[:120]}, and not {','.join(columns)}. These answers were "
            "not collected here: name another file, and put the two together afterwards."
        )
    if not content.endswith(b"\n"):
        with explaining_output(path), path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
            os.fsync(file.fileno())


def _append(path: Path, answers: Sequence[Answer]) -> None:
    _write(path, _text([answer.cells() for answer in answers]).encode())


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


def _rows(path: Path, columns: Sequence[str]) -> list[Answer]:
    with explaining_output(path), path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    return [
        _answer(row, columns, f"answers {path}, row {place}")
        for place, row in enumerate(rows[1:], start=2)
        if row
    ]


def _answer(row: Sequence[str], columns: Sequence[str], where: str) -> Answer:
    if len(row) != len(columns):
        raise CatalogError(
            f"{where}: {len(row)} cells, and the header has {len(columns)}. Correct or delete the row."
        )
    cells = dict(zip(columns, row, strict=True))
    kind, right = cells.pop("kind", MAIN), cells.pop("right", "")
    if kind not in (MAIN, *CHECKS):
        raise CatalogError(f"{where}: kind={kind} is none of {', '.join(CHECKS)}. Correct or delete the row.")
    rights = {word: meaning for meaning, word in RIGHT_WORDS.items()}
    return Answer(
        anchor_id=cells["anchor_id"],
        closer_id=cells["closer_id"],
        farther_id=cells["farther_id"],
        annotator_id=cells["annotator_id"],
        timestamp=_number(cells, "timestamp", where),
        session_id=cells["session_id"],
        seconds_taken=_number(cells, "seconds_taken", where),
        kind=kind,
        right=rights.get(right),
    )


def _number(cells: Mapping[str, str], column: str, where: str) -> float:
    try:
        return float(cells[column])
    except ValueError as error:
        message = f"{where}: {column}={cells[column]} is not a number. Correct it, or delete the row."
        raise CatalogError(message) from error
