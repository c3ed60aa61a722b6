"""Made-up names of artists, albums and tracks, in several scripts."""

from collections.abc import Iterator

import numpy as np

SYLLABLES: dict[str, tuple[str, ...]] = {
    "en": tuple("ash bel cor dan el fen gra hol is jun ka lor mer nor o pel quin ros sel tam ul ven wil yar".split()),
    "es": tuple("al ber ca do es flo gar her i ju lu mar no oña pe que ro san ti var zu ñi ción lá".split()),
    "de": tuple(
        "alt berg burg dorf ei feld grün hof jäg kel licht mühl nacht öl rhein stein tal über wald zeit".split()
    ),
    "ru": tuple("ба ве го да жи зо ка ле ми но ос пе ра се та ур фё хо ча шу эль ян".split()),
    "ja": tuple("あ い う か き く さ し そ た つ と な の は ひ ふ ま み や ゆ ら り わ ん".split()),
}
LANGUAGES = tuple(SYLLABLES)
LANGUAGE_SHARES = (0.6, 0.12, 0.1, 0.1, 0.08)


def word(language: str, rng: np.random.Generator) -> str:
    """Two or three syllables, capitalised where the script has capitals."""
    return "".join(rng.choice(SYLLABLES[language], rng.integers(2, 4))).capitalize()


def artist_names(rng: np.random.Generator, taken: set[str], language: str) -> str:
    """A name that nobody in `taken` has; it is added there."""
    for name in _endless_names(language, rng):
        if name not in taken:
            taken.add(name)
            return name
    raise AssertionError("the names are endless")


def _endless_names(language: str, rng: np.random.Generator) -> Iterator[str]:
    while True:
        yield f"{word(language, rng)} {word(language, rng)}"
