"""Names that are probably one misspelt."""

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

from rapidfuzz import fuzz

CLOSE = 90.0  # rapidfuzz's ratio [0, 100] from which two spellings count as one name
SHORTEST_CLOSE = 6  # letters; shorter names that differ by one are different names


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
