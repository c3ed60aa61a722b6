"""Songs whose form is known, and courses made of numbers."""

import numpy as np

from soundkin.explore.song_course import SongCourse
from soundkin.explore.song_spectra import RATE_HZ

BEAT_SECONDS = 0.5
CHORDS = {"A": (220.0, 277.2, 329.6), "B": (146.8, 174.6, 220.0), "C": (196.0, 246.9, 293.7)}
HARMONICS = {"A": 2, "B": 8, "C": 4}


def sung(form: str, beats: int = 24, tempo: float = 120.0) -> np.ndarray:
    """A song of `form`: a chord and a timbre of its own for each letter, a click on each beat."""
    length = round(RATE_HZ * 60 / tempo)
    time = np.arange(length) / RATE_HZ
    random = np.random.default_rng(0)
    clicks = random.standard_normal(length) * np.exp(-time * 60) * 0.3
    parts = []
    for letter in form:
        tones = [
            np.sin(2 * np.pi * hz * n * time) / n
            for hz in CHORDS[letter]
            for n in range(1, 1 + HARMONICS[letter])
        ]
        parts += [clicks + 0.05 * np.sum(tones, axis=0) * np.exp(-time * 2)] * beats
    return np.concatenate(parts).astype(np.float32)


def course(form: str, beats: int = 16, noise: float = 0.3) -> SongCourse:
    """The course of a song of `form`, a place of its own in all features for each letter."""
    random = np.random.default_rng(1)
    places = {letter: random.standard_normal((3, 32)) for letter in sorted(set(form))}
    rows = np.array([places[letter] for letter in form for _ in range(beats)])
    rows = rows + noise * random.standard_normal(rows.shape)
    count = len(rows)
    return SongCourse(
        np.arange(count + 1) * BEAT_SECONDS,
        120.0,
        np.arange(0, count, 4),
        np.abs(rows[:, 0, :12]).astype(np.float32),
        rows[:, 1, :20].astype(np.float32),
        np.zeros(count, np.float32),
        rows[:, 2].astype(np.float32),
        np.zeros((96, 4 * count), np.float32),
        np.zeros(int(count * BEAT_SECONDS * RATE_HZ), np.float32),
    )
