"""Text that people wrote, made safe for a terminal: it cannot move the cursor or change colours.

Names come from tags and tables of anybody's making, and may hold line breaks, escape sequences or bidi
overrides.
"""

import json
import math
import sys
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TextIO

from soundkin.errors import SoundkinError

JOINERS = ("\u200c", "\u200d")  # without width, but scripts and emoji are spelt with them


def run_script(main: Callable[[], int | None]) -> NoReturn:
    """Exit with the code that a script's `main` returns; a user's mistake ends without a traceback."""
    try:
        sys.exit(main())
    except SoundkinError as error:
        print(printable_lines(str(error), sys.stderr), file=sys.stderr)
        sys.exit(error.exit_code)


def printable(text: str, stream: TextIO | None = None) -> str:
    r"""`text` as `stream` (default: stdout) can show it, on one line.

    White space becomes a space, invisible formatting goes, other control characters and letters that the
    stream's encoding lacks are escaped: `\x1b`, `\u266b`.
    """
    encoding = encoding_of(stream or sys.stdout)
    shown = "".join(map(_shown, _decoded(text)))
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def printable_lines(text: str, stream: TextIO | None = None) -> str:
    """`printable`, with the line breaks of `text` kept."""
    return "\n".join(printable(line, stream) for line in text.split("\n"))


def printable_json(value: Any, stream: TextIO | None = None) -> str:
    """`value` as indented JSON that is safe on every terminal; read back, it is `value` with NaN as null."""
    text = json.dumps(_without_nan(value), indent=2, ensure_ascii=not speaks_unicode(stream or sys.stdout))
    return "".join(char if char == "\n" or char.isprintable() else json.dumps(char)[1:-1] for char in text)


def encoding_of(stream: TextIO | None) -> str:
    """The encoding of `stream`; UTF-8 where it names none."""
    return getattr(stream, "encoding", None) or "utf-8"


def speaks_unicode(stream: TextIO | None) -> bool:
    """Whether every character can be written to `stream`."""
    return encoding_of(stream).lower().replace("-", "").replace("_", "").startswith("utf")


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _decoded(text: str) -> str:
    r"""Bytes of file names that the locale did not know: UTF-8 where they are, else shown as `\xff`."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text


def _shown(char: str) -> str:
    if char.isprintable() or char in JOINERS:
        return char
    if char.isspace():
        return " "
    category = unicodedata.category(char)
    if category == "Cf":
        return ""
    return char.encode("unicode_escape").decode() if category in ("Cc", "Cs") else char
