"""Made-up names of artists, albums and tracks, in several scripts."""

import numpy as np

SYLLABLES = {
    "en": "ash bel cor dan el fen gra hol is jun ka lor mer nor o pel quin ros sel tam ul ven wil yar",
    "es": "al ber ca do es flo gar her i ju lu mar no oña pe que ro san ti var zu ñi ción lá",
    "de": "alt berg burg dorf ei feld grün hof jäg kel licht mühl nacht öl rhein stein tal über wald zeit",
    "ru": "ба ве го да жи зо ка ле ми но ос пе ра се та ур фё хо ча шу эль ян",
    "ja": "あ い う か き く さ し そ た つ と な の は ひ ふ ま み や ゆ ら り わ ん",
}
LANGUAGES = tuple(SYLLABLES)
LANGUAGE_SHARES = (0.6, 0.12, 0.1, 0.1, 0.08)


def word(language: str, rng: np.random.Generator) -> str:
    """Two or three syllables, capitalised where the script has capitals."""
    return "".join(rng.choice(SYLLABLES[language].split(), rng.integers(2, 4))).capitalize()


def new_name(language: str, taken: set[str], rng: np.random.Generator) -> str:
    """A name that nobody in `taken` has; it is added there."""
    while (name := f"{word(language, rng)} {word(language, rng)}") in taken:
        pass
    taken.add(name)
    return name
