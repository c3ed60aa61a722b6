"""What a title says but for what tells versions of it apart, such as `(Remastered)`."""

import re
from functools import cache

from soundkin.catalog.artists import fold_name, word_list

FEATURING = re.compile(r"\s*[(\[]?\b(?:feat|ft|featuring)\b\.?\s.*$", re.IGNORECASE)
VERSION_WORDS = (
    r"remaster(?:ed)?|live|acoustic|unplugged|demo|instrumental|karaoke|mono|stereo|remix(?:ed)?|mix|edit|version|"
    r"session|bonus|reprise|rehearsal|radio|extended|alternate|alternative|deluxe|anniversary|re-?recorded|rerecording|"
    r"feat|ft|featuring|explicit"
)
BRACKETED = re.compile(rf"\s*[(\[][^()\[\]]*\b(?:{VERSION_WORDS})\b[^()\[\]]*[)\]]", re.IGNORECASE)
DASHES = "-\u2013\u2014"
AFTER_DASH = re.compile(rf"\s+[{DASHES}]\s+[^{DASHES}]*\b(?:{VERSION_WORDS})\b[^{DASHES}]*$", re.IGNORECASE)


def base_title(title: str) -> str:
    """A title without what tells versions of it apart.

    >>> base_title("Yesterday (Remastered 2009)") == base_title("Yesterday - Live at Home") == "yesterday"
    True

    """
    bare = AFTER_DASH.sub("", BRACKETED.sub("", FEATURING.sub("", title)))
    return fold_name(bare.strip() or title)


def is_generic(title: str) -> bool:
    """Whether a folded title is one that many different pieces have, such as `Intro` or `Sonata No. 2`."""
    words = set(title.split())
    short = {word for word in words if word.isdigit() or (word.isascii() and len(word) < 3)}
    return words - short <= _generic_words()


@cache
def _generic_words() -> frozenset[str]:
    return frozenset(fold_name(word) for word in word_list("generic_titles.txt"))
