"""Genres out of tags: `Rock/Pop` is two, `Hip-Hop/Rap` (whole_genres.txt) is one."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources

from mutagen.id3 import TCON

MOST_SEPARATORS = 3  # in one name of whole_genres.txt


def split_genres(texts: Iterable[str]) -> list[str]:
    """The single genres, ID3's numbers spelled out.

    >>> split_genres(["Rock/Pop, Hip-Hop/Rap", "(17)"])
    ['Rock', 'Pop', 'Hip-Hop/Rap', 'Rock']
    """
    names = [name for text in texts for name in _split(text)]
    return TCON(encoding=3, text=names).genres  # type: ignore[no-untyped-call, no-any-return]


def _split(text: str) -> Iterator[str]:
    pieces = re.split(r"([;,/\\|\0])", text)  # every second one is a separator
    start = 0
    while start < len(pieces):
        longest = min(start + 2 * MOST_SEPARATORS + 1, len(pieces))
        ends = range(longest, start + 1, -2)
        whole = (end for end in ends if _key("".join(pieces[start:end])) in _whole_genres())
        end = next(whole, start + 1)
        yield "".join(pieces[start:end]).strip()
        start = end + 1


@cache
def _whole_genres() -> frozenset[str]:
    lines = resources.files(__package__).joinpath("whole_genres.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(_key(line) for line in lines if not line.startswith("#"))


def _key(name: str) -> str:
    return re.sub(r"[\s-]+", "", name).casefold()
