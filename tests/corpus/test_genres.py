"""The table of genres keeps its own rules, so that a new genre is tested by standing in it."""

import numpy as np
import pytest

from soundkin.corpus.composing import SCALES
from soundkin.corpus.drums import Drummer, draw_kit
from soundkin.corpus.genres import GENRES, Genre
from soundkin.corpus.instruments import FAMILIES
from soundkin.corpus.invented_words import THEMES

each_genre = pytest.mark.parametrize("genre", GENRES, ids=lambda genre: genre.name)


@each_genre
def test_patterns_fill_whole_bars_with_known_symbols(genre: Genre) -> None:
    drums = [pattern for kit in genre.drums for pattern in kit.values()]
    for patterns, symbols in (
        (drums, "Xxo"),
        (genre.bass, "12345678"),
        (genre.chords, "xo12345678"),
        (genre.melody, "x"),
    ):
        for pattern in patterns:
            assert len(pattern) % genre.steps_per_bar == 0, pattern
            assert set(pattern) <= set(symbols) | {".", "-"}, pattern
            assert not pattern.startswith("-"), pattern


@each_genre
def test_melodies_last_one_bar(genre: Genre) -> None:
    assert {len(pattern) for pattern in genre.melody} == {genre.steps_per_bar}


@each_genre
def test_what_a_genre_names_exists(genre: Genre) -> None:
    assert set(genre.scales) <= set(SCALES)
    assert set(genre.families) <= set(FAMILIES)
    assert genre.themes and set(genre.themes) <= set(THEMES)
    assert all(0 <= root < 7 for progression in genre.progressions for root in progression)
    drummer = Drummer(draw_kit(np.random.default_rng(0)), 22050)
    for drum in {drum for kit in genre.drums for drum in kit}:
        assert len(drummer.stroke(drum))


def test_names_are_unique() -> None:
    assert len({genre.name for genre in GENRES}) == len(GENRES)
