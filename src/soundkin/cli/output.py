"""How results look: tables, lines or JSON on stdout; notes, errors and skipped files on stderr, by logging.

All that came from a file or a person goes through `printable`, and nothing in it is read as markup.
"""

import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from soundkin.cli.tables import lay_out
from soundkin.errors import OutputError, Skipped
from soundkin.terminal import printable, printable_json, printable_lines, speaks_unicode

SOME_SKIPPED = 3
SHOWN = 10
PIPE_COLUMNS = 80  # where neither a terminal nor COLUMNS says how wide we may write

log = logging.getLogger(__name__)


def say(text: str) -> None:
    """Print a line of results."""
    _write(printable_lines(text))


def note(text: str, **fields: object) -> None:
    """Say something about the results on stderr; `fields` are for programs that read the log."""
    log.info("%s", text, extra={"fields": fields})


def print_json(value: Any) -> None:
    """Print plain values as JSON."""
    _write(printable_json(value))


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], shorten: bool = False
) -> None:
    """Print a table that fits the terminal, or COLUMNS; with `shorten`, long text ends in an ellipsis."""
    shown = [[printable(cell) for cell in row] for row in rows]
    width = shutil.get_terminal_size((PIPE_COLUMNS, 24)).columns
    tables = lay_out([printable(c) for c in columns], shown, width, shorten, speaks_unicode(sys.stdout))
    for place, lines in enumerate(tables):
        heading = f"\n{_bold(printable(title))}, continued" if place else _bold(printable(title))
        _write("\n".join([heading, *lines]))


def print_rows(title: str, rows: Sequence[Mapping[str, str]]) -> None:
    """Print rows that name their columns; a row may lack some."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    print_table(title, columns, [[row.get(column, "") for column in columns] for row in rows])


def list_files(what: str, items: Sequence[Skipped]) -> None:
    """Say on stderr what is off with files, the first `SHOWN` of them by name."""
    for item in items[:SHOWN]:
        fields = {"path": item.path, "reason": item.reason}
        log.error("%s %s: %s", what, item.path, item.reason, extra={"fields": fields})
    if len(items) > SHOWN:
        log.error("... and %d more %s", len(items) - SHOWN, what)


def end(skipped: Sequence[Skipped]) -> int:
    """List skipped files on stderr and give the exit code: 3 when there are any, else 0."""
    list_files("skipped", skipped)
    if skipped:
        message = "soundkin: done, but %d file(s) were skipped"
        log.error(message, len(skipped), extra={"fields": {"skipped": len(skipped)}})
    return SOME_SKIPPED if skipped else 0


def flush_stdout() -> None:
    """Write what is still buffered, so that a full disk is told of while we can."""
    if sys.stdout is not None:
        _write("", end="")


def _write(text: str, end: str = "\n") -> None:
    if sys.stdout is None:
        raise OutputError("stdout is closed, so the results cannot be shown. Send them somewhere: > FILE")
    try:
        print(text, end=end, flush=True)
    except BrokenPipeError:  # `soundkin query ... | head`: nobody reads on, and the work goes on
        discard_stdout()
    except OSError as error:
        discard_stdout()
        raise OutputError(
            f"cannot write to stdout: {error.strerror}. Nothing but the printed text is lost."
        ) from error


def discard_stdout() -> None:
    """What is printed from now on goes nowhere, the rest of Python's buffer included."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _bold(text: str) -> str:
    return f"\x1b[1m{text}\x1b[0m" if sys.stdout is not None and sys.stdout.isatty() else text
