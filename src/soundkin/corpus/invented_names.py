"""Made-up names of artists, albums and tracks, in several scripts."""

from importlib import resources
from typing import Any

import numpy as np
import yaml


def load_words(kind: str) -> Any:
    """A part of words.yaml: `syllables` or `links` by language, `themes` or `moods` by name and language."""
    return yaml.safe_load(resources.files(__package__).joinpath("words.yaml").read_text(encoding="utf-8"))[
        kind
    ]


SYLLABLES: dict[str, str] = load_words("syllables")
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
