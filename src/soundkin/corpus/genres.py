"""Genres as data: each is defined by what happens in time, not by its timbre.

A pattern is a string with one character per step of the bar (or of two bars):
`.` is a rest, `-` holds the note before it, and anything else starts a note:

- drums: `X` loud, `x` normal, `o` soft
- bass: `1`..`7` a step above the chord's root, `8` the octave
- chords: `x` the whole chord, `1`..`8` one of its tones, counted upwards through the octaves (an arpeggio)
- melody: `x`; the composer chooses the pitch

A genre offers several patterns of each kind, and a track takes one, so no single bar gives a genre away.
"""

from dataclasses import dataclass

Pattern = str


@dataclass(frozen=True)
class Genre:
    """What a genre's tracks share. Ranges are (lowest, highest)."""

    name: str
    tempo_bpm: tuple[float, float]
    steps_per_bar: int
    steps_per_beat: int
    scales: tuple[str, ...]
    progressions: tuple[tuple[int, ...], ...]  # degrees of the chords' roots
    drums: tuple[dict[str, Pattern], ...]
    bass: tuple[Pattern, ...]
    chords: tuple[Pattern, ...]
    melody: tuple[Pattern, ...]
    families: tuple[str, ...]  # instruments that its artists are fond of, though they may take others
    chords_per_bar: int = 1
    chord_size: int = 3
    swing: tuple[float, float] = (0.0, 0.0)  # how late every odd step comes, in steps
    leap: int = 2  # widest melodic step, in scale degrees
    bass_gate: float = 0.9  # sounding share of a written note: below 0.5 is staccato, above 1 rings over
    chord_gate: float = 0.8
    melody_gate: float = 0.9
    swell_seconds: float = 0.0  # notes fade in over this long
    themes: tuple[str, ...] = ()  # what its lyrics are about


AMBIENT = Genre(
    name="ambient",
    tempo_bpm=(54, 78),
    steps_per_bar=16,
    steps_per_beat=4,
    scales=("lydian", "major", "dorian"),
    progressions=((0, 4, 0, 1), (0, 3, 0, 4), (0, 1, 0, 1), (0, 5, 3, 0)),
    chord_size=4,
    drums=({}, {}, {"shaker": "o.......o......."}, {"kick": "o..............."}),
    bass=("1---------------", "1-------5-------"),
    chords=("x---------------", "x-------x-------", "1---2---3---4---"),
    melody=("........x-------", "....x-----------", "x-----------x---", "x-------....x---"),
    families=("strings", "voice", "flute", "organ"),
    bass_gate=1.1,
    chord_gate=1.2,
    melody_gate=1.2,
    swell_seconds=0.35,
    themes=("sea", "night"),
)

HOUSE = Genre(
    name="house",
    tempo_bpm=(116, 130),
    steps_per_bar=16,
    steps_per_beat=4,
    scales=("minor", "dorian"),
    progressions=((0, 5, 3, 4), (0, 0, 5, 6), (0, 3), (0, 2, 5, 4)),
    drums=(
        {"kick": "x...x...x...x...", "clap": "....x.......x...", "open hat": "..x...x...x...x."},
        {"kick": "x...x...x...x...", "open hat": "..x...x...x...x.", "hat": "xoxoxoxoxoxoxoxo"},
        {
            "kick": "x...x...x...x..o",
            "clap": "....x.......x...",
            "hat": "..x...x...x...xo",
            "shaker": "oooooooooooooooo",
        },
    ),
    bass=("..1...1...1...1.", "..1..1....1..8..", "..18..18..18..15", "1..1..1...1..5.."),
    chords=("..x..x....x..x..", "...x..x....x..x.", "x..x..x.........", "..x...x...x...x."),
    melody=("........x..x..x.", "x..x..x.........", "..x.....x..x...."),
    families=("saw", "square", "piano", "organ"),
    swing=(0.0, 0.25),
    leap=3,
    bass_gate=0.6,
    chord_gate=0.5,
    melody_gate=0.6,
    themes=("dance", "machine"),
)

DRUM_AND_BASS = Genre(
    name="drum and bass",
    tempo_bpm=(162, 178),
    steps_per_bar=16,
    steps_per_beat=4,
    scales=("minor", "harmonic minor", "dorian"),
    progressions=((0, 0, 5, 5), (0, 0, 3, 3), (0, 0, 0, 6)),
    drums=(
        {"kick": "x.........x.....", "snare": "....x.......x...", "hat": "x.x.x.x.x.x.x.x."},
        {"kick": "x.x.......x.....", "snare": "....x..o.o..x..o", "hat": "x.xxx.x.x.x.xxx."},
        {
            "kick": "x.........xx....",
            "snare": "....x..o....x.o.",
            "ride": "x...x...x...x...",
            "hat": "..x...x...x...x.",
        },
    ),
    bass=("1-------5---3---", "1--1--8-1-----5-", "1-----3-5-----7-", "1--.1--.8--.5--."),
    chords=("x-------------------------------", "x---------------x-------....x---", "x-----x---------"),
    melody=("x..x..x.........", "x.x.....x..x....", "......x..x..x..."),
    families=("saw", "square", "strings", "piano"),
    leap=3,
    bass_gate=0.95,
    chord_gate=1.0,
    melody_gate=0.6,
    themes=("machine", "city"),
)

REGGAE = Genre(
    name="reggae",
    tempo_bpm=(66, 86),
    steps_per_bar=16,
    steps_per_beat=4,
    scales=("major", "minor", "dorian", "mixolydian"),
    progressions=((0, 3), (0, 4, 3, 4), (0, 0, 3, 3), (0, 1)),
    drums=(
        {"kick": "........x.......", "rim": "........x.......", "hat": "x.o.x.o.x.o.x.o."},
        {"kick": "........x.......", "snare": "........x.....o.", "hat": "x..xx..xx..xx..x"},
        {"kick": "x.......x.......", "rim": "........x..o....", "hat": "..x...x...x...x."},
    ),
    bass=("1--.3-.5-..1....", "..1-3-5-....5-3-", "1-..1-..3-5-....", "1--.1--...5-6-8-"),
    chords=("....x.......x...", "....x.x.....x.x.", "....xo......xo..", "..o.x...o...x..."),
    melody=("x---x-..x---....", "....x-x-x---....", "x-x-..x-x-......"),
    families=("plucked", "organ", "brass", "reed"),
    bass_gate=0.8,
    chord_gate=0.35,
    melody_gate=0.8,
    themes=("road", "love"),
)

SWING = Genre(
    name="swing",
    tempo_bpm=(128, 192),
    steps_per_bar=12,
    steps_per_beat=3,
    scales=("major", "mixolydian", "dorian"),
    progressions=((1, 4, 0, 0), (0, 5, 1, 4), (2, 5, 1, 4), (0, 3, 0, 4)),
    chord_size=4,
    drums=(
        {"ride": "x..x.xx..x.x", "pedal hat": "...x.....x..", "kick": "o..o..o..o.."},
        {"hat": "x..x.ox..x.o", "snare": "..o......o..", "kick": "x.....x....."},
        {"ride": "x..x.ox..x.o", "pedal hat": "...x.....x..", "snare": ".....o.....o"},
    ),
    bass=("1--3--5--6--", "1--2--3--5--", "8--7--5--3--", "1--5--3--2--"),
    chords=("x....x......", "..x....x....", ".....x...x..", "x..x....x..."),
    melody=("x..x.xx.xx..", "...x.xx.xx.x", "x-..xx.xx...", "..xx.xx-...."),
    families=("piano", "plucked", "brass", "reed"),
    leap=3,
    bass_gate=0.85,
    chord_gate=0.4,
    melody_gate=0.8,
    themes=("city", "dance"),
)

WALTZ = Genre(
    name="waltz",
    tempo_bpm=(126, 186),
    steps_per_bar=12,
    steps_per_beat=4,
    scales=("major", "harmonic minor", "major"),
    progressions=((0, 4, 4, 0), (0, 3, 4, 0), (0, 0, 4, 4), (0, 5, 1, 4)),
    drums=({}, {}, {"kick": "x...........", "rim": "....o...o..."}, {"kick": "x...........", "shaker": "....x...x..."}),
    bass=("1---........", "1---........5---........", "1-----......"),
    chords=("....x-..x-..", "....x-..x-..", "....x...x..."),
    melody=("x-------x---", "x-----------", "x---x---x---", "x-----x-x---"),
    families=("reed", "strings", "flute", "piano"),
    bass_gate=0.9,
    chord_gate=0.7,
    melody_gate=1.0,
    themes=("love", "rain"),
)

BOSSA_NOVA = Genre(
    name="bossa nova",
    tempo_bpm=(62, 78),
    steps_per_bar=16,
    steps_per_beat=4,
    scales=("major", "dorian", "lydian"),
    progressions=((0, 0, 1, 4), (0, 1, 2, 1), (0, 5, 1, 4), (1, 4, 0, 0)),
    chord_size=4,
    drums=(
        {"rim": "x..x..x...x..x..", "shaker": "xoxoxoxoxoxoxoxo", "kick": "o..oo..oo..oo..o"},
        {"rim": "x..x...x..x.x...", "shaker": "x.xxx.xxx.xxx.xx"},
        {"rim": "..x.x...x..x..x.", "hat": "oxoxoxoxoxoxoxox", "kick": "o..oo..oo..oo..o"},
    ),
    bass=("1--5---51--5---5", "1--.5--.1--.5--.", "1--51--51--51--5"),
    chords=("x.x..x.x..x.x...", "x..x..x...x..x..", "..x.x..x..x..x.x", "x.x..x...x.x..x."),
    melody=("x--x--x---x--x--", "..x-x--x--x-....", "x-----..x--x--x-", "x--x----..x-x---"),
    families=("plucked", "flute", "voice", "piano"),
    bass_gate=0.8,
    chord_gate=0.7,
    melody_gate=1.0,
    themes=("sea", "rain"),
)

BAROQUE = Genre(
    name="baroque",
    tempo_bpm=(78, 108),
    steps_per_bar=16,
    steps_per_beat=4,
    scales=("harmonic minor", "major", "minor"),
    progressions=((0, 3, 6, 2, 5, 1, 4, 0), (0, 4, 5, 2, 3, 0, 3, 4), (0, 3, 4, 0)),
    chords_per_bar=2,
    drums=({}, {}, {}, {"tambourine": "o.......o......."}),
    bass=("1-------5-------", "1---3---5---3---", "1-3-5-3-8-5-3-5-", "1---8---5---8---"),
    chords=("1234543212345432", "1324132413241324", "1232123212321232", "4321432143214321"),
    melody=("x---x-x-x-x-x-x-", "xxxxx-x-x---x---", "x-xxx-xxx-x-x---", "x---xxxxx---xxxx"),
    families=("plucked", "strings", "organ", "reed"),
    bass_gate=0.85,
    chord_gate=0.8,
    melody_gate=0.85,
    themes=("night", "road"),
)

GENRES = (AMBIENT, HOUSE, DRUM_AND_BASS, REGGAE, SWING, WALTZ, BOSSA_NOVA, BAROQUE)
