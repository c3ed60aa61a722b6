"""From a genre to a score: which pitch sounds when, how long and how loud; no sound yet.

A track may borrow its harmony (scale, progression, chord pattern) from a second genre with an equally long
bar. Pitches are MIDI numbers (60 is middle C, 69 is A at 440 Hz); degrees count scale steps from the tonic,
which is 0.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from soundkin.corpus.genres import FORMS, SCALES, Genre, Pattern

Choice = TypeVar("Choice")

KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
LOUDNESS = {"X": 1.0, "o": 0.45}
LAYERS = ("drums", "bass", "chords", "melody")


def pitch(tonic: int, scale: str, degree: int) -> int:
    """MIDI pitch of a scale degree; degrees below 0 or above 6 reach into other octaves."""
    octave, step = divmod(degree, 7)
    return tonic + 12 * octave + SCALES[scale][step]


def chord_degrees(root: int, size: int) -> tuple[int, ...]:
    """Stacked thirds on degree `root`: 3 notes are a triad, 4 a seventh chord."""
    return tuple(root + 2 * third for third in range(size))


def is_minor(scale: str) -> bool:
    """Whether the third above the tonic is a minor one."""
    return SCALES[scale][2] == 3


class Note(NamedTuple):
    """One tone; `pitch` is a MIDI number, `loudness` is between 0 and 1."""

    start_seconds: float
    seconds: float
    pitch: int
    loudness: float


class Hit(NamedTuple):
    """One stroke on a drum."""

    start_seconds: float
    drum: str
    loudness: float


@dataclass(frozen=True)
class PlayingStyle:
    """How an artist plays, whatever the song."""

    tempo_lean: float  # 0 takes the genre's slowest tempo, 1 its fastest
    key: int  # favourite tonic, 0 is C
    register: int  # melody and chords are shifted by so many semitones
    busyness: float  # chance that a drum stroke is added or left out
    looseness_seconds: float  # how far strokes stray from the beat


@dataclass(frozen=True)
class Score:
    """A track on paper."""

    tempo_bpm: float
    key: int
    scale: str
    swing: float
    drums: tuple[Hit, ...]
    bass: tuple[Note, ...]
    chords: tuple[Note, ...]
    melody: tuple[Note, ...]


class _Stroke(NamedTuple):
    step: int
    steps: int
    symbol: str
    loudness: float


class Composer:
    """Writes one track of `seconds`; `harmony` is `genre` itself, or the genre whose chords it borrows."""

    def __init__(
        self, genre: Genre, harmony: Genre, style: PlayingStyle, seconds: float, rng: np.random.Generator
    ) -> None:
        self.genre, self.harmony, self.style, self.rng = genre, harmony, style, rng
        lean = float(np.clip(style.tempo_lean + rng.normal(0, 0.2), 0, 1))
        self.tempo_bpm = genre.tempo_bpm[0] + lean * (genre.tempo_bpm[1] - genre.tempo_bpm[0])
        self.step_seconds = 60 / self.tempo_bpm / genre.steps_per_beat
        self.steps = int(seconds / self.step_seconds)
        self.swing = float(rng.uniform(*genre.swing))
        self.key = int(style.key if rng.random() < 0.4 else rng.integers(12))
        self.scale = self._choose(harmony.scales)
        self.progression = self._choose(harmony.progressions)
        self.form = self._choose(FORMS)

    def score(self) -> Score:
        """All layers, drawn anew at each call."""
        return Score(
            tempo_bpm=self.tempo_bpm,
            key=self.key,
            scale=self.scale,
            swing=self.swing,
            drums=tuple(self._drums()),
            bass=tuple(self._bass()),
            chords=tuple(self._chords()),
            melody=tuple(self._melody()),
        )

    def _drums(self) -> Iterator[Hit]:
        for drum, pattern in self._choose(self.genre.drums).items():
            for stroke in self._strokes("drums", pattern):
                if self.rng.random() >= self.style.busyness:
                    yield Hit(self._time(stroke.step), drum, stroke.loudness)
                if self.rng.random() < self.style.busyness / 2:
                    yield Hit(self._time(stroke.step + 1), drum, stroke.loudness / 2)

    def _bass(self) -> Iterator[Note]:
        lowest = 33  # A1, 55 Hz
        tonic = self._tonic_above(lowest)
        for stroke in self._strokes("bass", self._choose(self.genre.bass)):
            degree = self._root(stroke.step) + int(stroke.symbol) - 1
            low_pitch = _fold(pitch(tonic, self.scale, degree), lowest - 2, 22)
            yield self._note(stroke, low_pitch, self.genre.bass_gate)

    def _chords(self) -> Iterator[Note]:
        lowest = 53 + self.style.register
        tonic = self._tonic_above(lowest)
        for stroke in self._strokes("chords", self._choose(self.harmony.chords)):
            degrees = chord_degrees(self._root(stroke.step), self.harmony.chord_size)
            if stroke.symbol.isdigit():
                octave, tone = divmod(int(stroke.symbol) - 1, len(degrees))
                pitches = [pitch(tonic, self.scale, degrees[tone] + 7 * octave)]
            else:
                pitches = sorted({_fold(pitch(tonic, self.scale, degree), lowest, 14) for degree in degrees})
            for midi_pitch in pitches:
                yield self._note(stroke, midi_pitch, self.harmony.chord_gate)

    def _melody(self) -> Iterator[Note]:
        """Phrases A A B A: each walks through the scale and leans on chord tones at the beat."""
        tonic = self._tonic_above(65 + self.style.register)
        phrases = [(self._choose(self.genre.melody), self._walk()) for _ in "AB"]
        bar = self.genre.steps_per_bar
        for first_step in range(0, self.steps, bar):
            pattern, walk = phrases[first_step // bar % 4 == 2]
            for stroke in self._strokes("melody", pattern, first_step, first_step + bar):
                degree = walk[stroke.step % bar]
                if stroke.step % self.genre.steps_per_beat == 0:
                    triad = chord_degrees(self._root(stroke.step), 3)
                    tones = [tone + 7 * octave for tone in triad for octave in (-2, -1, 0, 1)]
                    degree = min(tones, key=lambda tone: abs(tone - walk[stroke.step % bar]))
                yield self._note(stroke, pitch(tonic, self.scale, degree), self.genre.melody_gate)

    def _walk(self) -> list[int]:
        """One degree for each step of a bar, kept within about an octave."""
        leaps = self.rng.integers(1, self.genre.leap + 1, self.genre.steps_per_bar)
        directions = self.rng.choice((-1, 1), self.genre.steps_per_bar)
        degrees, degree = [], int(self.rng.integers(0, 5))
        for move in (leaps * directions).tolist():
            degree += move
            if not -2 <= degree <= 8:
                degree -= 2 * move
            degrees.append(degree)
        return degrees

    def _root(self, step: int) -> int:
        chord = step * self.harmony.chords_per_bar // self.genre.steps_per_bar
        return self.progression[chord % len(self.progression)]

    def _tonic_above(self, lowest: int) -> int:
        return lowest + (self.key - lowest) % 12

    def _strokes(
        self, layer: str, pattern: Pattern, first: int = 0, last: int | None = None
    ) -> Iterator[_Stroke]:
        """Repeat `pattern` from step `first` to `last`, leaving out the quarters in which `layer` rests."""
        for start in range(first, self.steps if last is None else last, len(pattern)):
            for offset, symbol in enumerate(pattern):
                step = start + offset
                if symbol in ".-" or step >= self.steps or layer in self.form[4 * step // self.steps]:
                    continue
                held = len(pattern[offset + 1 :]) - len(pattern[offset + 1 :].lstrip("-"))
                loudness = LOUDNESS.get(symbol, 0.8) * float(self.rng.uniform(0.8, 1.1))
                yield _Stroke(step, 1 + held, symbol, min(loudness, 1.0))

    def _note(self, stroke: _Stroke, midi_pitch: int, gate: float) -> Note:
        sounding = max(gate * stroke.steps * self.step_seconds, 0.03)
        return Note(self._time(stroke.step), sounding, midi_pitch, stroke.loudness)

    def _time(self, step: int) -> float:
        late = self.swing * self.step_seconds * (step % 2)
        stray = float(self.rng.normal(0, self.style.looseness_seconds))
        return max(0.0, step * self.step_seconds + late + stray)

    def _choose(self, choices: Sequence[Choice]) -> Choice:
        return choices[int(self.rng.integers(len(choices)))]


def _fold(midi_pitch: int, lowest: int, span: int) -> int:
    """The same note name in an octave between `lowest` and `lowest + span` (span at least 11)."""
    while midi_pitch < lowest:
        midi_pitch += 12
    while midi_pitch > lowest + span:
        midi_pitch -= 12
    return midi_pitch
