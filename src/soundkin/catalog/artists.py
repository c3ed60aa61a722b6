"""Which artists a track has, and which names are of the same artist: one answer for all of soundkin.

A *credit* is what a catalog's cell holds: `Ann feat. Bob`. It names one artist or several, the lead first,
and each is compared by a *key*, which has no case, accents, punctuation or `The`. What is split depends on
the credit alone (so that a growing catalog moves nobody between splits) but for a single comma, a slash
without spaces, and words such as `y` and `und`: `Drake, Rihanna` names two artists where both are elsewhere
in the same catalog; `Bach, Johann Sebastian` and `AC/DC` name one.

`Simon & Garfunkel` comes out as two artists who are always together, which compares as one. Names such as
`Various Artists` (no_artist.txt) are nobody: no class, no group, nobody's namesake.

Accents are taken off Latin and Greek letters only: in other scripts the marks tell letters apart. Nothing
here imports pandas: a query by artist has to start quickly.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import numpy as np

from soundkin.shapes import Int

ARTICLE_FIRST = re.compile(r"^(?:the )+(?=.)")  # of a folded name
ARTICLE_LAST = re.compile(r",\s*the\s*$", re.IGNORECASE)
# In a folded name: `J. S. Bach` is J.S. Bach, R.E.M. is REM.
INITIALS = re.compile(r"\b[^\W\d](?: [^\W\d]\b)+")
# Apostrophes, and signs that are not seen: soft hyphens, joiners, marks of direction.
DROPPED = re.compile("['\u2018\u2019\u02bc\u00ad\u200b-\u200f\u202a-\u202e\u2060\ufeff]")
STROKES = str.maketrans(
    dict(zip("øØłŁđĐðÐı", "oOlLdDdDi", strict=True)) | {"æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe"}
)
LISTED = re.compile(r"\s*(?:[;；、\0]|\s//\s)\s*")  # separates names whatever is around it
JOINERS = r"feat\.?|ft\.?|featuring|[&＆]|\+|and|with|w/|vs\.?|versus|x|×|/|\||·|•|presents|pres\."
# The X of `Lil Nas X feat. Ann` and the Feat of `Little Feat & Ann` join nobody.
JOINER = re.compile(
    rf"(?<=\w\w)\s*[&＆]\s*(?=\w\w)|(?:\s++[(\[]?|[(\[])(?:(?:feat|ft)\.\s*+|(?:{JOINERS})\s++)"
    rf"(?!(?:{JOINERS})(?:\s|$))",
    re.IGNORECASE,
)
COMMA = re.compile(r"[,，]\s+(?!(?:the|[js]r|i{2,3}|iv|md|phd|inc|ltd)\b)", re.IGNORECASE)
LAST_OF_LIST = re.compile(r"\s(?:&|\+|and)\s|\w\w&\w\w", re.IGNORECASE)  # `A, B & C`: its commas separate too
SOFT = re.compile(r"\s*[,，]\s*|(?<=\S)[/／](?=\S)|\s(?:y|e|et|und|con|och|og|en)(?=\s)", re.IGNORECASE)
BACKING = re.compile(
    r"(?:his|her|their|my)\b.*|(?:the )?(?:orchestra|band|choir|chorus|friends?|sons?|co|company|family"
    r"|ensemble|trio|quartet|group|strings|others)"
)
PLACEHOLDER = re.compile(r"[\s\-\u2013\u2014_.,:;|*/\\<>()\[\]]*|\s*n/a\s*", re.IGNORECASE)


def fold_name(name: str) -> str:
    """Letters and digits only, with single spaces; without case and accents. Signs alone stay as they are.

    >>> fold_name("Björk  & Co.")
    'bjork and co'
    """
    bare = _without_accents(name).translate(STROKES).casefold().replace("&", " and ")
    words = " ".join(re.sub(r"[\W_]+", " ", DROPPED.sub("", bare)).split())
    return words or " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def artist_key(name: str) -> str:
    """What all spellings of one artist share; nothing for a name without letters, digits or signs of its own.

    The key of a key is that key.

    >>> artist_key("The Beatles") == artist_key("Beatles, The") == artist_key("BEATLES")
    True
    """
    name = ARTICLE_LAST.sub("", name) or name
    if PLACEHOLDER.fullmatch(name):
        return ""
    return INITIALS.sub(lambda initials: initials[0].replace(" ", ""), ARTICLE_FIRST.sub("", fold_name(name)))


@cache
def no_artist_keys(more: tuple[str, ...] = ()) -> frozenset[str]:
    """Keys of names that are nobody's: those of no_artist.txt, and of `more`."""
    return frozenset(artist_key(name) for name in (*word_list("no_artist.txt"), *more)) | {""}


def word_list(file: str) -> list[str]:
    """The lines of one of this package's word lists, without its comments."""
    lines = resources.files(__package__).joinpath(file).read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.startswith("#")]


def split_credit(credit: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """The names in a credit as written, the lead first. `known` are keys of artists named elsewhere.

    >>> split_credit("Ann & Bob (feat. The Cats)")
    ('Ann', 'Bob', 'The Cats')
    """
    parts = [part for piece in LISTED.split(credit) for part in _joined(piece, known)] or [credit.strip()]
    lead, *guests = parts
    named = (
        guest for guest in guests if not BACKING.fullmatch(fold_name(guest)) or artist_key(guest) in known
    )
    return (lead, *named)


def _joined(credit: str, known: Collection[str]) -> list[str]:
    """The names of a credit without `;`."""
    pieces = JOINER.split(credit)
    apart = COMMA.split(credit)
    listed = len(apart) > 1 and (credit.count(", ") > 1 or LAST_OF_LIST.search(apart[1]))
    # `Bach, Johann Sebastian & Ann` is no list of three.
    if listed and not ("," in pieces[0] and artist_key(pieces[0]) in known):
        pieces = [part for piece in apart for part in JOINER.split(f" {piece}")]
    parts: list[str] = []
    for piece in pieces:
        closed = piece.count(")") + piece.count("]") > piece.count("(") + piece.count("[")
        name = piece.strip(" ,)]" if closed else " ,")  # the bracket that `(feat.` opened
        soft = [part.strip() for part in SOFT.split(name)]
        parts += soft if len(soft) > 1 and all(artist_key(part) in known for part in soft) else [name]
    return [part for part in parts if part]


@dataclass(frozen=True, eq=False)
class Artists:
    """The artists of each track, in row order.

    `keys` holds the keys of a track's artists, the lead first; () where none is known. `written` holds the
    same names as the track's credit writes them, and `names` for each key the commonest way to write it.
    """

    keys: list[tuple[str, ...]]
    written: list[tuple[str, ...]]
    names: Mapping[str, str]

    @classmethod
    def from_credits(
        cls, credits: Iterable[str | None], no_artist: Sequence[str] = (), elsewhere: Collection[str] = ()
    ) -> "Artists":
        """Read the credits of all tracks. `no_artist`: further names that are no artist's.

        `elsewhere`: keys of artists of further tracks of the same catalog.
        """
        cells = [credit or "" for credit in credits]
        counts = Counter(cells)
        nobody = no_artist_keys(tuple(no_artist))
        known = set(elsewhere)  # keys of artists who are named by themselves
        for cell in counts:
            alone = split_credit(cell)
            if "," not in cell or len(alone) == 1:
                known |= set(map(artist_key, alone)) - nobody
        spellings: dict[str, Counter[str]] = {}
        named: dict[str, dict[str, str]] = {}  # by cell: its names by key
        for cell, count in counts.items():
            names_by_key = {artist_key(name): name for name in split_credit(cell, known)}
            named[cell] = {key: name for key, name in names_by_key.items() if key not in nobody}
            for key, name in named[cell].items():
                spellings.setdefault(key, Counter())[name] += count
        names = {key: min(ways, key=lambda name: (-ways[name], name)) for key, ways in spellings.items()}
        pairs = {cell: (tuple(keyed), tuple(keyed.values())) for cell, keyed in named.items()}
        return cls([pairs[cell][0] for cell in cells], [pairs[cell][1] for cell in cells], names)

    def take(self, rows: Iterable[int]) -> "Artists":
        """The artists of some of the tracks, told apart as they are among all of them."""
        chosen = list(rows)
        return Artists([self.keys[row] for row in chosen], [self.written[row] for row in chosen], self.names)

    @property
    def leads(self) -> list[str | None]:
        """The key of each track's lead artist, None where nobody is known."""
        return [keys[0] if keys else None for keys in self.keys]

    @property
    def labels(self) -> list[tuple[str, ...]]:
        """The artists of each track by `names`, to be shown: one name for each artist, however spelled."""
        return [tuple(self.names[key] for key in keys) for keys in self.keys]

    @cached_property
    def groups(self) -> Int[np.ndarray, " tracks"]:
        """The unit of independence: a number from 0 for each lead artist, and for each track by nobody."""
        numbers: dict[object, int] = {}
        keys = [lead if lead is not None else row for row, lead in enumerate(self.leads)]
        return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=int)


def _without_accents(text: str) -> str:
    if text.isascii():
        return text
    kept: list[str] = []
    for sign in unicodedata.normalize("NFKD", text):
        on_latin_or_greek = kept and unicodedata.name(kept[-1], "").startswith(("LATIN", "GREEK"))
        if not (on_latin_or_greek and unicodedata.combining(sign)):
            kept.append(sign)
    return unicodedata.normalize("NFC", "".join(kept))
