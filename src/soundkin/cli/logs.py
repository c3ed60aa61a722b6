"""Options that every command knows, before its name and after it; what goes to stderr, and how."""

import json
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import TextIO

import click

from soundkin.progress import show_progress_as_log_lines
from soundkin.terminal import printable_lines

OPTIONS = (
    click.Option(
        ["--quiet"],
        is_flag=True,
        expose_value=False,
        help="Neither progress nor notes on stderr: errors only.",
    ),
    click.Option(
        ["--log-format"],
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        expose_value=False,
        help="json: each line on stderr is an object with time, level, message and more.",
    ),
    click.Option(
        ["--allow-skipped"],
        is_flag=True,
        expose_value=False,
        help="Exit with 0 in place of 3 although files were skipped; they are still listed.",
    ),
)


def options_among(words: Sequence[str]) -> list[str]:
    """The words of a command line that may be options."""
    return list(words[: words.index("--")] if "--" in words else words)


def set_up_logging(words: Sequence[str]) -> None:
    """Log to stderr as the command line `words` ask; read here, so that mistakes in other words are logged so
    too.
    """
    options = options_among(words)
    as_json = "--log-format=json" in options or ("--log-format", "json") in pairwise(options)
    handler = _ToStderr()
    handler.setFormatter(_JsonLines() if as_json else _Text())
    root = logging.getLogger()
    root.handlers = [*(one for one in root.handlers if not isinstance(one, _ToStderr)), handler]
    logging.getLogger("soundkin").setLevel(logging.ERROR if "--quiet" in options else logging.INFO)
    logging.captureWarnings(as_json)
    show_progress_as_log_lines(as_json)


def logs_json() -> bool:
    """Whether stderr is to hold nothing but JSON."""
    return any(isinstance(one.formatter, _JsonLines) for one in logging.getLogger().handlers)


def prepare_streams() -> None:
    """See to it that no character ends in a traceback, and no file of ours takes the number of a closed
    stream.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what `sys.stderr` is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write `record`, if there is anywhere to write to."""
        if sys.stderr is not None:
            self.stream = sys.stderr
            super().emit(record)


class _Text(logging.Formatter):
    """The message alone, fit for a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as text."""
        return printable_lines(super().format(record), sys.stderr)


class _JsonLines(logging.Formatter):
    """One JSON object a record; what `extra={"fields": ...}` holds stands beside time, level and message."""

    def format(self, record: logging.LogRecord) -> str:
        """One record as a line of JSON, in ASCII."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = record.getMessage().removeprefix("soundkin: ")
        values = {"time": time, "level": record.levelname.lower(), "message": message}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values | getattr(record, "fields", {}), default=str)
