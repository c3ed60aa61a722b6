"""The command line as a process."""

import sys


def soundkin_command(*words: object) -> list[str]:
    """The words that run `soundkin` with these."""
    return [sys.executable, "-m", "soundkin", *map(str, words)]
