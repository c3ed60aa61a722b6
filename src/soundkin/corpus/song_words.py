"""Words to sing: themes that genres lean to, moods that scales lean to, in five languages and three scripts.

Lyrics carry the genre by construction, in part: most of a song's words come from its genre's themes, some
from any.
"""

from collections.abc import Sequence

import numpy as np

from soundkin.corpus.invented_names import load_words

WORDS = load_words("themes")
MOOD_WORDS = load_words("moods")
LINK_WORDS = load_words("links")
OWN_THEME_SHARE, MOOD_SHARE, LINK_SHARE = 0.45, 0.1, 0.3  # the rest comes from any theme


def write_lyrics(
    themes: Sequence[str], minor: bool, language: str, lines: int, rng: np.random.Generator
) -> list[str]:
    """Lines of four to seven words about `themes`; minor keys sing sadly."""
    return [
        " ".join(_word(themes, minor, language, rng) for _ in range(rng.integers(4, 8))) for _ in range(lines)
    ]


def _word(themes: Sequence[str], minor: bool, language: str, rng: np.random.Generator) -> str:
    share = rng.random()
    if share < LINK_SHARE:
        words = LINK_WORDS[language]
    elif share < LINK_SHARE + MOOD_SHARE:
        words = MOOD_WORDS["minor" if minor else "major"][language]
    else:
        own = share < LINK_SHARE + MOOD_SHARE + OWN_THEME_SHARE
        words = WORDS[str(rng.choice(list(themes) if own else list(WORDS)))][language]
    return str(rng.choice(words.split()))


def timed(lines: Sequence[str], seconds: float) -> str:
    """The lines as an .lrc file that spreads them over `seconds`."""
    stamps = [seconds * (number + 0.5) / len(lines) for number in range(len(lines))]
    return "".join(
        f"[{int(at // 60):02d}:{at % 60:05.2f}]{line}\n" for at, line in zip(stamps, lines, strict=True)
    )
