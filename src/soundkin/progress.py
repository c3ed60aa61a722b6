"""Progress on stderr, for any long loop: a bar, or with `--log-format json` a log line every ten seconds.

Nothing is shown where the logger `soundkin` shows errors only, as with `--quiet`.
"""

import io
import logging
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from tqdm import tqdm

from soundkin.terminal import printable

Item = TypeVar("Item")

SECONDS_BETWEEN_LINES = 10.0

log = logging.getLogger(__name__)
_as_log_lines = False


def show_progress_as_log_lines(wanted: bool) -> None:
    """Whether progress is logged from now on, instead of drawn."""
    global _as_log_lines
    _as_log_lines = wanted


def shows_log_lines() -> bool:
    """Whether progress is logged instead of drawn."""
    return _as_log_lines


def end_line_of_bar() -> None:
    """Begin a new line after the bar of another process, which was killed before it could."""
    if sys.stderr is not None and not _as_log_lines and log.isEnabledFor(logging.WARNING):
        print(file=sys.stderr)


def progress(
    items: Iterable[Item], description: str, total: int | None = None, unit: str = "track"
) -> Iterator[Item]:
    """Yield `items` while stderr shows how far we are; a log file gets a line every ten seconds."""
    yield from progress_bar(items, description, total, unit)


def progress_bar(
    items: Iterable[Any] | None = None,
    description: str = "",
    total: int | None = None,
    unit: str = "track",
    initial: int = 0,
    disable: bool = False,
) -> "tqdm[Any]":
    """The bar of `progress`, to be moved with `update` where there is no loop; close it at the end."""
    at_terminal = sys.stderr is not None and sys.stderr.isatty() and not _as_log_lines
    kind: type[tqdm[Any]] = _LogLines if _as_log_lines else tqdm
    return kind(
        items,
        desc=printable(description, sys.stderr),
        total=total,
        unit=unit,
        initial=initial,
        file=io.StringIO() if _as_log_lines else sys.stderr,
        mininterval=0.2 if at_terminal else SECONDS_BETWEEN_LINES,
        dynamic_ncols=at_terminal,
        disable=disable or total == 0 or sys.stderr is None or not log.isEnabledFor(logging.WARNING),
    )


class _LogLines(tqdm):  # type: ignore[type-arg]
    """A bar that is a log line each time it would be drawn."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Log how far we are."""
        state = self.format_dict
        fields = {"done": state["n"], "total": state["total"], "unit": state["unit"]}
        seconds = {"seconds": round(state["elapsed"], 1)}
        postfix = {"figures": state["postfix"]} if state["postfix"] else {}
        log.info("%s", state["prefix"], extra={"fields": fields | seconds | postfix})
