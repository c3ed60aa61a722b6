"""Titles without what tells versions apart (`(Remastered)`), and names that are probably one misspelt."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from rapidfuzz import fuzz

from soundkin.catalog.artists import fold_name

CLOSE = 90.0  # rapidfuzz's ratio [0, 100] from which two spellings count as one name
SHORTEST_CLOSE = 6  # letters; shorter names that differ by one are different names

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


def same_names(keys: Iterable[str]) -> set[tuple[str, str]]:
    """Pairs of keys that are probably one name: the same words in another order, or a letter or two apart.

    Looks only at keys that share all words, or that become equal when one letter is left out of each: linear
    in the number of names. Names that differ in a digit are different names.
    """
    same_words: dict[str, list[str]] = defaultdict(list)
    nearly_same: dict[str, list[str]] = defaultdict(list)
    for key in sorted(set(keys)):
        same_words[" ".join(sorted(key.split()))].append(key)
        if len(key) >= SHORTEST_CLOSE:
            for left_out in {key, *(key[:place] + key[place + 1 :] for place in range(len(key)))}:
                nearly_same[left_out].append(key)
    misspelt = {pair for bucket in nearly_same.values() for pair in combinations(bucket, 2)}
    close = {pair for pair in misspelt if _digits(pair[0]) == _digits(pair[1]) and fuzz.ratio(*pair) >= CLOSE}
    return close.union(pair for bucket in same_words.values() for pair in combinations(bucket, 2))


def _digits(key: str) -> list[str]:
    return re.findall(r"\d+", key)
