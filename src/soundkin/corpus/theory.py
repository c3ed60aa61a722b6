"""Just enough music theory: a scale degree becomes a MIDI pitch, a chord, a frequency.

Pitches are MIDI numbers (60 is middle C, 69 is A at 440 Hz); degrees count scale steps from the tonic, which
is 0.
"""

SCALES: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
}
KEYS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")


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


def hertz(midi_pitch: float) -> float:
    """Frequency in equal temperament."""
    return 440.0 * float(2.0 ** ((midi_pitch - 69.0) / 12.0))
