import numpy as np
import pytest

from soundkin.catalog.lyric_texts import plain_lyrics
from soundkin.corpus.invented_words import (
    LANGUAGE_SHARES,
    LANGUAGES,
    LINK_WORDS,
    MOODS,
    THEMES,
    new_name,
    timed,
    write_lyrics,
)


def test_every_theme_and_mood_is_sung_in_every_language() -> None:
    for words in (*THEMES.values(), *MOODS.values(), LINK_WORDS):
        assert set(words) == set(LANGUAGES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_lyrics_lean_to_their_theme_and_mood(language: str) -> None:
    words = " ".join(write_lyrics(("sea",), True, language, 200, np.random.default_rng(0))).split()
    shares = {theme: np.mean([word in THEMES[theme][language].split() for word in words]) for theme in THEMES}
    assert shares.pop("sea") > 0.35 and max(shares.values()) < 0.1
    sad, bright = (
        np.mean([word in MOODS[mood][language].split() for word in words]) for mood in ("minor", "major")
    )
    assert sad > 0.05 and bright < 0.02


def test_timed_lyrics_are_read_back_by_the_scanner() -> None:
    lines = write_lyrics(("sea", "night"), False, "ru", 5, np.random.default_rng(1))
    text = timed(lines, 75.0)
    assert plain_lyrics(text).splitlines() == lines
    assert text.startswith("[00:07.50]") and "[01:07.50]" in text


def test_names_differ() -> None:
    taken: set[str] = set()
    rng = np.random.default_rng(0)
    assert len({new_name("ja", taken, rng) for _ in range(200)}) == 200 == len(taken)
    assert sum(LANGUAGE_SHARES) == pytest.approx(1)
