"""Made-up names and lyrics in five languages and three scripts (words.yaml).

Lyrics carry the genre in part: most of a song's words come from its genre's themes, some from any; moods
follow the scale.
"""

from collections.abc import Sequence

import numpy as np

from soundkin.corpus.genres import load_table

_WORDS = load_table("words.yaml")
SYLLABLES: dict[str, str] = _WORDS["syllables"]  # by language
LINK_WORDS: dict[str, str] = _WORDS["links"]
THEMES: dict[str, dict[str, str]] = _WORDS["themes"]  # by theme and language
MOODS: dict[str, dict[str, str]] = _WORDS["moods"]
LANGUAGES = tuple(SYLLABLES)
LANGUAGE_SHARES = (0.6, 0.12, 0.1, 0.1, 0.08)
OWN_THEME_SHARE, MOOD_SHARE, LINK_SHARE = 0.45, 0.1, 0.3  # the rest comes from any theme


def word(language: str, rng: np.random.Generator) -> str:
    """Two or three syllables, capitalised where the script has capitals."""
    return "".join(rng.choice(SYLLABLES[language].split(), rng.integers(2, 4))).capitalize()


def new_name(language: str, taken: set[str], rng: np.random.Generator) -> str:
    """A name that is not in `taken`; it is added there."""
    while (name := f"{word(language, rng)} {word(language, rng)}") in taken:
        pass
    taken.add(name)
    return name


def write_lyrics(
    themes: Sequence[str], minor: bool, language: str, lines: int, rng: np.random.Generator
) -> list[str]:
    """Lines of four to seven words about `themes`; minor keys sing sadly."""

    def draw() -> str:
        share = rng.random()
        if share < LINK_SHARE:
            words = LINK_WORDS
        elif share < LINK_SHARE + MOOD_SHARE:
            words = MOODS["minor" if minor else "major"]
        else:
            own = share < LINK_SHARE + MOOD_SHARE + OWN_THEME_SHARE
            words = THEMES[str(rng.choice(list(themes) if own else list(THEMES)))]
        return str(rng.choice(words[language].split()))

    return [" ".join(draw() for _ in range(rng.integers(4, 8))) for _ in range(lines)]


def timed(lines: Sequence[str], seconds: float) -> str:
    """The lines as an .lrc file that spreads them over `seconds`."""
    stamps = [seconds * (number + 0.5) / len(lines) for number in range(len(lines))]
    timed_lines = zip(stamps, lines, strict=True)
    return "".join(f"[{int(at // 60):02d}:{at % 60:05.2f}]{line}\n" for at, line in timed_lines)
