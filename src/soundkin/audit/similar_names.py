"""What two spellings of a title have in common (`(Remastered)`), and which names are probably one misspelt."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher

from soundkin.catalog.artists import fold_name

CLOSE = 0.9  # difflib's ratio from which two spellings count as one name
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


def same_names(keys: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of keys that are probably one name: the same words in another order, or a letter or two apart.

    Looks only at keys that share all words, or that become equal when one letter is left out of each: linear
    in the number of names. Names that differ in a digit are different names.
    """
    known = sorted(set(keys))
    nearby: dict[str, list[str]] = defaultdict(list)
    for key in known:
        nearby[" ".join(sorted(key.split()))].append(key)
    yield from _pairs(nearby)
    misspelt: dict[str, list[str]] = defaultdict(list)
    for key in (key for key in known if len(key) >= SHORTEST_CLOSE):
        for left_out in {key, *(key[:place] + key[place + 1 :] for place in range(len(key)))}:
            misspelt[left_out].append(key)
    for one, other in sorted(set(_pairs(misspelt))):
        if (
            _digits(one) == _digits(other)
            and SequenceMatcher(None, one, other, autojunk=False).ratio() >= CLOSE
        ):
            yield one, other


def _pairs(buckets: dict[str, list[str]]) -> Iterator[tuple[str, str]]:
    for keys in buckets.values():
        yield from ((one, other) for place, one in enumerate(keys) for other in keys[place + 1 :])


def _digits(key: str) -> list[str]:
    return re.findall(r"\d+", key)
