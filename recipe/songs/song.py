"""A made-up song: what is drawn for it, and its sound."""

from contextlib import closing

import numpy as np

from songs import data, voices
from songs.effects import EFFECTS
from songs.mastering import recorded
from songs.patterns import notes_of
from songs.playing import FONT_SHARES, Note, Player
from songs.samples import RATE_HZ, SECONDS, Samples, band, pick, with_rms

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
}
SCALES_OF = {  # by the kind of chord progression
    "minor": ("minor", "minor", "dorian"),
    "blues": ("mixolydian",),
    "vamp": tuple(SCALES),
}
DRUM_KEYS = {
    "kick": 36, "rim": 37, "snare": 38, "clap": 39, "closed hat": 42, "tom": 45, "open hat": 46, "ride": 51,
    "cowbell": 56, "shaker": 70,
}  # fmt: skip
CRASH, TOMS = 49, (48, 47, 45, 43)
KITS = (0, 0, 0, 8, 16, 24, 25, 40)
HIGH = {"lead", "riff", "fill", "sparse", "arpeggio"}  # patterns around middle C
OVERDRIVEN = {"heavy", "drive"}


class Song:
    """All that is drawn for a song before a note is played: style, tempo, key, chords, drums, sound font."""

    def __init__(self, rng: np.random.Generator, style: str | None = None) -> None:
        self.rng = rng
        self.style_name = style or draw_style(rng)
        self.style = data.read("styles")[self.style_name]
        self.tempo = rng.uniform(*self.style["tempo"])
        self.beat = 60 / self.tempo  # seconds
        self.step = self.beat / 4
        self.swing = rng.uniform(*self.style["swing"])
        drums = data.read("drums")
        kind = self.style["drums"] if rng.random() < 0.85 else pick(rng, list(drums))
        self.drum_pattern = pick(rng, drums[kind])
        self.steps = 12 if kind == "waltz" else 16
        self.bar = self.step * self.steps
        self.bars = int(np.ceil(SECONDS / self.bar))
        progression = pick(rng, self.style["chords"])
        self.chords = pick(rng, data.read("harmony")[progression])
        self.scale = SCALES[pick(rng, SCALES_OF.get(progression, ("major",)))]
        self.has_sevenths = progression not in ("major", "minor") and rng.random() < 0.7
        self.transposed = int(rng.integers(-5, 7))
        self.font = int(rng.choice(len(FONT_SHARES), p=FONT_SHARES))
        self.voice = self._draw_voice()

    def _draw_voice(self) -> str | None:
        """Its kind, by the style's likelihoods; None if nobody sings."""
        drawn = self.rng.random()
        for kind, share in self.style.get("voice", {}).items():
            if drawn < share:
                return kind
            drawn -= share
        return None

    def degree(self, bar: int) -> int:
        """The degree of the scale that a bar's chord stands on."""
        return self.chords[bar % len(self.chords)]

    def key_of(self, degree: int, base: int) -> int:
        """The MIDI key of a degree of the scale, counted on through octaves, above `base`."""
        octave, place = divmod(int(degree), 7)
        return base + self.transposed + 12 * octave + self.scale[place]

    def chord(self, bar: int, base: int) -> list[int]:
        """The keys of a bar's chord."""
        thirds = (0, 2, 4, 6) if self.has_sevenths else (0, 2, 4)
        return [self.key_of(self.degree(bar) + above, base) for above in thirds]

    def time_of(self, bar: int, step: float) -> float:
        """When a step sounds, in seconds: swung, and never quite in time."""
        swung = self.swing * self.step * 2 if int(step) % 4 == 2 else 0
        return bar * self.bar + step * self.step + swung + abs(self.rng.normal(0, 0.006))


def draw_style(rng: np.random.Generator) -> str:
    """The name of a style; all are as likely."""
    return pick(rng, list(data.read("styles")))


def make_song(rng: np.random.Generator, style: str | None = None) -> Samples:
    """The samples of a song, in a style or in any; `SECONDS` long."""
    song = Song(rng, style)
    with closing(Player(song.font)) as player:
        mix = _band(song, player)
    if song.voice and (voice := voices.sung(song, song.voice)) is not None:
        mix = mix + with_rms(voice, 0.12 * rng.uniform(0.5, 1.6))
    return recorded(rng, song.style["record"], mix, song.beat)


def _band(song: Song, player: Player) -> Samples:
    """Drums, bass and the other parts; each but the drums may be missing."""
    rng, mix = song.rng, np.zeros(int(SECONDS * RATE_HZ), np.float32)
    if song.drum_pattern:
        mix += with_rms(_drums(song, player), 0.11 * rng.uniform(0.6, 1.4))
    bass = song.style.get("bass")
    if bass and rng.random() < 0.93:
        notes = notes_of(song, bass["pattern"], 36 if rng.random() < 0.7 else 31)
        mix += with_rms(player.play(_program(song, bass), notes), 0.09 * rng.uniform(0.6, 1.5))
    for part in song.style["parts"]:
        if rng.random() < 0.13:
            continue
        notes = notes_of(song, part["pattern"], _base(song, part))
        sound = player.play(_program(song, part), notes)
        if sound.any():
            if "effect" in part:
                sound = EFFECTS[part["effect"]](rng, sound, song.beat)
            mix += with_rms(sound, 0.13 * part["level"] * rng.uniform(0.5, 1.6))
    return mix


def _program(song: Song, part: dict) -> int:
    return data.read("instruments")[pick(song.rng, part["instruments"])]


def _base(song: Song, part: dict) -> int:
    """The key around which a part is played: low for guitars that growl."""
    if part.get("effect") in OVERDRIVEN:
        return 57 if part["pattern"] == "lead" else 40
    return 60 if part["pattern"] in HIGH or song.rng.random() < 0.4 else 48


def _drums(song: Song, player: Player) -> Samples:
    """The drum pattern with fills, and a crash every eight bars; of old machines' kits some are dull."""
    rng, notes = song.rng, []
    for bar in range(song.bars):
        has_fill = bar % 4 == 3 and rng.random() < 0.5
        for drum, marks in song.drum_pattern.items():
            for step in (step for step, mark in enumerate((marks * 2)[: song.steps]) if mark == "x"):
                if has_fill and step >= song.steps - 4 and drum in ("closed hat", "ride"):
                    continue
                velocity = 110 if drum in ("kick", "snare") else 80
                if step % 4 and drum in ("closed hat", "ride", "shaker"):
                    velocity -= 20
                start = song.time_of(bar, step)
                notes.append(Note(start, 0.1, DRUM_KEYS[drum], velocity + rng.normal(0, 8)))
        if has_fill:
            for number, tom in enumerate(TOMS):
                notes.append(Note(song.time_of(bar, song.steps - 4 + number), 0.1, tom, 100))
        if bar % 8 == 0:
            notes.append(Note(song.time_of(bar, 0), 0.5, CRASH, 90))
    sound = player.play(pick(rng, KITS), notes, are_drums=True)
    if song.style_name in ("hip hop", "downtempo") and rng.random() < 0.6:
        sound = band(np.tanh(4 * with_rms(sound)), None, rng.uniform(3500, 9000))
    return sound
