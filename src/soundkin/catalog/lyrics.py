"""Lyrics as plain text, from a text or .lrc file beside the audio."""

import re
from pathlib import Path

LARGEST_BYTES = 1_000_000
"""A longer .txt beside the audio is a log or a book, not a song."""


def lyrics_beside(audio: Path) -> str:
    """The words in `song.lrc` or `song.txt` beside `song.mp3`; `` where there is none that is UTF-8 text."""
    for suffix in (".lrc", ".txt"):
        file = audio.with_suffix(suffix)
        try:
            if file.is_symlink() or not file.is_file() or file.stat().st_size > LARGEST_BYTES:
                continue
            return plain_lyrics(file.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError):
            continue
    return ""


def plain_lyrics(text: str) -> str:
    """Words without the times `[01:23.45]`, `<01:23.45>` and the headers `[ar: ...]` of LRC; one line a line sung.

    >>> plain_lyrics("[ar: Nina]\\n[00:12.00]Birds [00:13.10]flying\\n[00:15]High")
    'Birds flying\\nHigh'
    """
    lines = (line for line in text.splitlines() if not re.fullmatch(r"\s*\[[a-zA-Z#]+:.*\]\s*", line))
    words = (re.sub(r"[\[<]\d+:\d+(?:[.:]\d+)?[\]>]", "", line).strip() for line in lines)
    return "\n".join(words).strip().replace("\0", "")
