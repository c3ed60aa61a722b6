"""What an instrument plays: the notes of each bar, by the name of a pattern.

A bar has 16 steps (sixteenths), of a waltz 12. What a part repeats from bar to bar is drawn once.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from songs.playing import Note

if TYPE_CHECKING:
    from songs.song import Song

DENSITY = {"lead": 0.5, "fill": 0.18, "sparse": 0.12}  # notes a step
GHOST_STEPS = 4  # of a beat: hits between beats are softer


class Part:
    """The notes of one instrument; `base` is the key around which it plays."""

    def __init__(self, song: "Song", base: int) -> None:
        self.song, self.base, self.rng = song, base, song.rng
        self.steps = steps = song.steps
        rng = self.rng
        drawn = rng.choice(steps, int(rng.integers(3, 7)), replace=False)
        self.rhythm = sorted({0, *map(int, drawn)})
        self.motif = [int(degree) for degree in np.cumsum(rng.integers(-2, 3, 12))]
        self.stabs = sorted(map(int, rng.choice(steps, int(rng.integers(1, 4)), replace=False)))
        self.order = [*map(int, rng.permutation(3)), 2, 1]
        self.notes: list[Note] = []

    def play_bar(self, bar: int, pattern: str) -> None:
        """Add the notes of a bar."""
        self.bar = bar
        self.degree = self.song.degree(bar)
        self.root = self.song.key_of(self.degree, self.base)
        self.chord = self.song.chord(bar, self.base)
        PATTERNS[pattern](self)

    def add(self, step: float, steps: float, key: float, velocity: float = 90, late: float = 0.0) -> None:
        """A note of so many steps, a little too early or late, soft or loud; `late` by so many seconds."""
        start = self.song.time_of(self.bar, step) + late
        loudness = velocity + self.rng.normal(0, 7)
        self.notes.append(Note(start, steps * self.song.step * 0.95, key, loudness))

    def add_chord(self, step: float, steps: float, velocity: float) -> None:
        """All notes of the bar's chord."""
        for key in self.chord:
            self.add(step, steps, key, velocity)

    def strike(
        self, places: Iterable[float], steps: float, keys: list[int] | None = None, strummed: bool = False
    ) -> None:
        """The chord, or `keys`, at each of `places`, louder on beats; `strummed`: string after string."""
        for step in places:
            for string, key in enumerate(keys or self.chord):
                accent = 70 if step % GHOST_STEPS else 95
                self.add(step, steps, key, accent, late=0.012 * string if strummed else 0.0)

    @property
    def fifths(self) -> list[int]:
        """A power chord."""
        return [self.root, self.root + 7, self.root + 12]


def notes_of(song: "Song", pattern: str, base: int) -> list[Note]:
    """The notes of an instrument that plays `pattern` from the first bar to the last."""
    part = Part(song, base)
    for bar in range(song.bars):
        part.play_bar(bar, pattern)
    return part.notes


def _strum(part: Part) -> None:
    places = [0, 4, 6, 10, 12, 14][: part.steps // 2]
    part.strike(places, 1.8, strummed=True)


def _chug(part: Part) -> None:
    part.strike([s for s in range(part.steps) if (s * 5 + part.rhythm[-1]) % 7], 0.6, part.fifths)


def _scratch(part: Part) -> None:
    part.strike([s for s in range(part.steps) if (s * 7 + part.rhythm[-1]) % 5 < 3], 0.5)


def _stab(part: Part) -> None:
    for step in part.stabs:
        part.add_chord(step, 1.5, 95)


def _comping(part: Part) -> None:
    for step in part.rhythm:
        part.add_chord(step, 2.5, 95)


def _arpeggio(part: Part, stride: int | None = None) -> None:
    keys = [*part.chord[:3], part.chord[0] + 12]
    stride = stride or (1 if part.song.tempo < 125 else 2)
    for number, step in enumerate(range(0, part.steps, stride)):
        part.add(step, 2, keys[part.order[number % len(part.order)]], 85)


def _picking(part: Part) -> None:
    _arpeggio(part, 2)
    part.add(0, 4, part.root - 12, 90)


def _oom_pah(part: Part) -> None:
    part.add(0, 3, part.root - 12, 90)
    for step in range(4, part.steps, 4):
        part.add_chord(step, 2, 75)


def _boogie(part: Part) -> None:
    for number, step in enumerate(range(0, part.steps, 2)):
        for key in (part.root, part.root + (7, 7, 9, 9)[number % 4]):
            part.add(step, 1.6, key, 90)


def _walking(part: Part) -> None:
    for number, step in enumerate(range(0, part.steps, 4)):
        above = (0, 2, 4, int(part.rng.integers(5, 7)))[number % 4]
        part.add(step, 3.6, part.song.key_of(part.degree + above, part.base), 95)


def _root(part: Part) -> None:
    for step in (0, part.steps // 2):
        part.add(step, part.steps // 2, part.root)


def _root_and_fifth(part: Part) -> None:
    part.add(0, 6, part.root)
    part.add(part.steps // 2, 6, part.root - 5)


def _root_eighths(part: Part) -> None:
    for step in range(0, part.steps, 2):
        part.add(step, 1.7, part.root, 95)


def _octaves(part: Part) -> None:
    for step in range(0, part.steps, 2):
        part.add(step, 1.5, part.root + 12 * (step // 2 % 2))


def _offbeat_bass(part: Part) -> None:
    for step in range(2, part.steps, 4):
        part.add(step, 1.8, part.root)


def _sub_bass(part: Part) -> None:
    for step in [*part.stabs, 0]:
        part.add(step, 5, part.root - 12, 110)


def _syncopated(part: Part) -> None:
    for number, step in enumerate(part.rhythm):
        part.add(step, 2, part.root + (0, 0, 7, 12, 10, 0, 0)[number % 7], 95)


def _riff(part: Part) -> None:
    for number, step in enumerate(part.rhythm):
        degree = part.degree + part.motif[number % 12]
        part.add(step, 2.5, part.song.key_of(degree, part.base), 95)


def _riff_in_fifths(part: Part) -> None:
    for number, step in enumerate(part.rhythm):
        key = part.song.key_of(part.motif[number % 12], part.base)
        for above in (0, 7):
            part.add(step, 2.5, key + above, 95)


def _melody(part: Part, kind: str) -> None:
    """A random walk on the scale, with rests; fills are in every second bar."""
    rng, degree = part.rng, int(part.rng.integers(0, 7))
    for step in range(0, part.steps, 2 if part.song.tempo > 110 else 1):
        if rng.random() < DENSITY[kind] and not (kind == "fill" and part.bar % 2 == 0):
            degree = int(np.clip(degree + rng.integers(-2, 3), -3, 11))
            length = float(rng.choice([1, 2, 2, 4]))
            part.add(step, length, part.song.key_of(degree, part.base), 95)


PATTERNS: dict[str, Callable[[Part], None]] = {
    "pad": lambda part: part.add_chord(0, part.steps, 75),
    "strum eighths": lambda part: part.strike(range(0, part.steps, 2), 1.8, strummed=True),
    "strum": _strum,
    "power chords": lambda part: part.strike(range(0, part.steps, 2), 1.8, part.fifths),
    "chug": _chug,
    "offbeat": lambda part: part.strike(range(2, part.steps, 4), 0.8),
    "scratch": _scratch,
    "triplets": lambda part: part.strike(np.arange(0, part.steps, 4 / 3), 1.8),
    "bubble": lambda part: part.strike([step for step in range(part.steps) if step % 4], 0.7),
    "stab": _stab,
    "comping": _comping,
    "arpeggio": _arpeggio,
    "picking": _picking,
    "oom-pah": _oom_pah,
    "boogie": _boogie,
    "walking": _walking,
    "root": _root,
    "root and fifth": _root_and_fifth,
    "root eighths": _root_eighths,
    "octaves": _octaves,
    "offbeat bass": _offbeat_bass,
    "sub bass": _sub_bass,
    "syncopated": _syncopated,
    "riff": _riff,
    "riff in fifths": _riff_in_fifths,
    "lead": lambda part: _melody(part, "lead"),
    "fill": lambda part: _melody(part, "fill"),
    "sparse": lambda part: _melody(part, "sparse"),
}
