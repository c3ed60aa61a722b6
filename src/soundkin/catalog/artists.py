"""Who is the same artist: one answer for splits, folds, filters, caps, intervals, conditions, sampling and audit.

A *credit* is what a catalog's cell holds: `Ann feat. Bob`. It names one artist or several, the lead first, and each is
compared by a *key*, which has no case, accents, punctuation or `The`. What is split depends on the credit alone (so
that a growing catalog moves nobody between splits) but for a single comma or a slash without spaces: `Drake, Rihanna`
names two artists where both stand alone elsewhere in the same catalog; `Bach, Johann Sebastian` and `AC/DC` name one.

`Simon & Garfunkel` comes out as two artists who always stand together, which compares as one. Names such as `Various
Artists` (no_artist.txt) are nobody: no class, no group, nobody's namesake.

Accents are taken off Latin and Greek letters only: in other scripts the marks tell letters apart.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import numpy as np
import pandas as pd

from soundkin.shapes import Int

ARTICLE = re.compile(r"^the\s+|,\s*the$")
APOSTROPHES = str.maketrans("", "", "'\u2019\u02bc")
STROKES = str.maketrans({"ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d", "æ": "ae", "Æ": "ae",
                         "œ": "oe", "Œ": "oe", "ı": "i", "ð": "d", "Ð": "d"})  # fmt: skip
SEPARATOR = re.compile(
    r"\s*(?:;|\0|[(\[]?\b(?:feat|ft|featuring)\b\.?(?=[\s)\]])|(?<=\w\w)&(?=\w\w)"
    r"|\s(?:&|\+|and|with|vs\.?|versus|x|×|/|presents|pres\.)(?=\s))\s*",
    re.IGNORECASE,
)
LISTING = re.compile(r"\s*(?:&|\band)\s*", re.IGNORECASE)  # `A, B & C`: its commas separate too
SOFT = re.compile(r"\s*,\s+|(?<=\S)/(?=\S)")
BACKING = re.compile(
    r"(?:his|her|their|my)\b.*|(?:the )?(?:orchestra|band|choir|chorus|friends?|sons?|co|company|family|ensemble|trio|"
    r"quartet|group|strings|others)"
)
PLACEHOLDER = re.compile(r"[\s\-\u2013\u2014_.*/\\<>()\[\]]*")


def fold_name(name: str) -> str:
    """Letters and digits only, with single spaces; without case and accents. Signs alone stay as they are.

    >>> fold_name("Björk  & Co.")
    'bjork and co'
    """
    bare = _without_accents(name).translate(STROKES).casefold().replace("&", " and ").translate(APOSTROPHES)
    words = " ".join(re.sub(r"[\W_]+", " ", bare).split())
    return words or " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def artist_key(name: str) -> str:
    """What all spellings of one artist share; nothing for a name without letters, digits or signs of its own.

    >>> artist_key("The Beatles") == artist_key("Beatles, The") == artist_key("BEATLES")
    True
    """
    if PLACEHOLDER.fullmatch(name):
        return ""
    alone = unicodedata.normalize("NFKC", name).casefold().strip()
    return fold_name(ARTICLE.sub("", alone) or alone)


@cache
def no_artist_keys(more: tuple[str, ...] = ()) -> frozenset[str]:
    """Keys of names that are nobody's: those of no_artist.txt, and of `more`."""
    lines = resources.files(__package__).joinpath("no_artist.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(artist_key(name) for name in [*lines, *more] if not name.startswith("#")) | {""}


def split_credit(credit: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """The names in a credit as written, the lead first. `known` are keys of artists credited alone elsewhere.

    >>> split_credit("Ann & Bob (feat. The Cats)")
    ('Ann', 'Bob', 'The Cats')
    """
    parts: list[str] = []
    for piece in SEPARATOR.split(_lists_apart(credit)):
        name = (
            piece.strip(" ,")
            if piece.count(")") + piece.count("]") == piece.count("(") + piece.count("[")
            else (piece.strip(" ,)]"))
        )  # the bracket that `(feat.` opened
        soft = [part.strip() for part in SOFT.split(name)]
        parts += soft if len(soft) > 1 and all(artist_key(part) in known for part in soft) else [name]
    lead, *guests = [part for part in parts if part] or [credit.strip()]
    return (lead, *(guest for guest in guests if not BACKING.fullmatch(fold_name(guest))))


def _lists_apart(credit: str) -> str:
    """The credit with `;` for the commas of a list: three names or more, or two before `&` or `and`."""
    if ARTICLE.search(credit.casefold()) and credit.count(",") == 1 and credit.casefold().rstrip().endswith("the"):
        return credit
    commas = len(re.findall(r",\s", credit))
    return re.sub(r",\s", ";", credit) if commas > 1 or (commas and LISTING.search(credit.split(",", 1)[1])) else credit


@dataclass(frozen=True, eq=False)
class Artists:
    """The artists of each track, in row order.

    `keys` holds the keys of a track's artists, the lead first; () where none is known. `names` gives for each key the
    commonest way to write it.
    """

    keys: list[tuple[str, ...]]
    names: Mapping[str, str]

    @classmethod
    def from_credits(cls, credits: Iterable[str | None], no_artist: Sequence[str] = ()) -> "Artists":
        """Read the credits of all tracks; empty or missing ones name nobody. `no_artist`: more names that are none."""
        codes, cells = pd.factorize(pd.Series(list(credits), dtype=object))
        counts = np.bincount(codes[codes >= 0], minlength=len(cells))
        nobody = no_artist_keys(tuple(no_artist))
        known = {artist_key(parts[0]) for cell in cells if len(parts := split_credit(str(cell))) == 1} - nobody
        spellings: dict[str, Counter[str]] = {}
        per_cell: list[tuple[str, ...]] = []
        for cell, count in zip(cells, counts.tolist(), strict=True):
            named = {key: name for name in split_credit(str(cell), known) if (key := artist_key(name)) not in nobody}
            for key, name in named.items():
                spellings.setdefault(key, Counter())[name] += count
            per_cell.append(tuple(named))
        names = {key: min(found, key=lambda name: (-found[name], name)) for key, found in spellings.items()}
        return cls([per_cell[code] if code >= 0 else () for code in codes.tolist()], names)

    @property
    def leads(self) -> list[str | None]:
        """The key of each track's lead artist, None where nobody is known."""
        return [keys[0] if keys else None for keys in self.keys]

    @cached_property
    def groups(self) -> Int[np.ndarray, " tracks"]:
        """A number from 0 for each track's lead artist: the unit of independence. A track by nobody is its own."""
        numbers: dict[object, int] = {}
        keys = [lead if lead is not None else row for row, lead in enumerate(self.leads)]
        return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=int)


def _without_accents(text: str) -> str:
    kept: list[str] = []
    for sign in unicodedata.normalize("NFKD", text):
        if unicodedata.combining(sign) and kept and unicodedata.name(kept[-1], "").startswith(("LATIN", "GREEK")):
            continue
        kept.append(sign)
    return unicodedata.normalize("NFC", "".join(kept))
