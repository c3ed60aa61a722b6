from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.corpus.composing import Composer, PlayingStyle, Score, chord_degrees, is_minor, pitch
from soundkin.corpus.genres import GENRES, SCALES, Genre

BY_NAME = {genre.name: genre for genre in GENRES}
BAROQUE, HOUSE, REGGAE, SWING, WALTZ = (
    BY_NAME[name] for name in ("baroque", "house", "reggae", "swing", "waltz")
)

STRICT = PlayingStyle(tempo_lean=0.5, key=0, register=0, busyness=0.0, looseness_seconds=0.0)


def score(
    genre: Genre, random_seed: int = 0, harmony: Genre | None = None, style: PlayingStyle = STRICT
) -> Score:
    return Composer(genre, harmony or genre, style, 12.0, np.random.default_rng(random_seed)).score()


@pytest.mark.parametrize("genre", GENRES, ids=lambda genre: genre.name)
def test_every_genre_plays_within_the_track_and_within_its_tempo(genre: Genre) -> None:
    written = score(genre)
    assert genre.tempo_bpm[0] <= written.tempo_bpm <= genre.tempo_bpm[1]
    assert written.bass and written.chords
    for sound in (*written.drums, *written.bass, *written.chords, *written.melody):
        assert 0 <= sound.start_seconds < 12
        assert 0 < sound.loudness <= 1


def test_house_kicks_on_every_beat() -> None:
    written = score(replace(HOUSE, swing=(0.0, 0.0)), random_seed=3)
    kicks = np.array([hit.start_seconds for hit in written.drums if hit.drum == "kick"])
    beats = kicks * written.tempo_bpm / 60
    on_the_beat = np.abs(beats - beats.round()) < 1e-6
    assert on_the_beat.mean() > 0.75 and np.ptp(beats) > 10


def test_a_waltz_has_three_beats_to_the_bar_and_its_bass_on_the_first() -> None:
    written = score(WALTZ)
    beats = np.array([note.start_seconds for note in written.bass]) * written.tempo_bpm / 60
    assert np.allclose(beats % 3, 0, atol=1e-6) or np.allclose(beats % 3, 3, atol=1e-6)


def test_reggae_chords_avoid_the_first_beat_of_the_bar() -> None:
    for random_seed in range(5):
        written = score(REGGAE, random_seed)
        beats = np.array([note.start_seconds for note in written.chords]) * written.tempo_bpm / 60
        assert np.min(np.abs((beats + 0.01) % 4 - 0.01)) > 0.4


def test_swing_comes_late_on_odd_steps_only() -> None:
    every_step = replace(HOUSE, drums=({"hat": "x" * 16},))
    straight, swung = (score(replace(every_step, swing=(late, late)), 1) for late in (0.0, 0.5))
    half_a_step = 60 / straight.tempo_bpm / 4 / 2
    delays = [b.start_seconds - a.start_seconds for a, b in zip(straight.drums, swung.drums, strict=True)]
    assert np.allclose(delays[::2], 0) and np.allclose(delays[1::2], half_a_step)


def test_a_crossover_borrows_chords_but_keeps_its_rhythm() -> None:
    crossover = score(HOUSE, harmony=BAROQUE)
    assert crossover.scale in BAROQUE.scales
    assert HOUSE.tempo_bpm[0] <= crossover.tempo_bpm <= HOUSE.tempo_bpm[1]
    assert len(crossover.chords) > len(score(HOUSE).chords) / 3  # an arpeggio, one note a step


def test_chords_stay_in_the_scale() -> None:
    written = score(SWING)
    allowed = {pitch(written.key, written.scale, degree) % 12 for degree in range(7)}
    assert {note.pitch % 12 for note in (*written.bass, *written.chords, *written.melody)} <= allowed


def test_the_same_random_seed_writes_the_same_score() -> None:
    assert score(SWING, 5) == score(SWING, 5)
    assert score(SWING, 5) != score(SWING, 6)


def test_the_c_major_scale() -> None:
    assert [pitch(60, "major", degree) for degree in range(8)] == [60, 62, 64, 65, 67, 69, 71, 72]


def test_the_tonic_chord_of_a_minor() -> None:
    assert [pitch(57, "minor", degree) for degree in chord_degrees(0, 3)] == [57, 60, 64]


@given(st.sampled_from(sorted(SCALES)), st.integers(-20, 20))
def test_seven_degrees_are_an_octave_and_pitches_rise(scale: str, degree: int) -> None:
    assert pitch(60, scale, degree + 7) == pitch(60, scale, degree) + 12
    assert pitch(60, scale, degree + 1) > pitch(60, scale, degree)


def test_minor_scales() -> None:
    assert {scale for scale in SCALES if is_minor(scale)} == {"dorian", "minor", "harmonic minor"}
