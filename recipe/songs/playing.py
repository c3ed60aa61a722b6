"""Notes played by General MIDI sound fonts, through FluidSynth."""

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from songs.samples import RATE_HZ, SECONDS, Samples

FONTS = (
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),
    Path("/usr/share/sounds/sf3/MuseScore_General_Lite.sf3"),
)
FONT_SHARES = (0.55, 0.45)
DRUM_CHANNEL, DRUM_BANK = 9, 128
SHORTEST_SECONDS = 0.03


class Note(NamedTuple):
    """A key (MIDI, 60 is middle C) pressed from a second on, for some seconds; velocity 1 to 127."""

    start: float
    length: float
    key: float
    velocity: float


class Player:
    """Plays the instruments of one sound font. A song needs one of its own: a synthesiser's state stays."""

    def __init__(self, font: int) -> None:
        _kept_loaded(font)
        self._synth, self._loaded = _opened(font)

    def close(self) -> None:
        """Free the synthesiser."""
        self._synth.delete()

    def play(self, program: int, notes: list[Note], are_drums: bool = False) -> Samples:
        """The notes on one instrument, `SECONDS` long; of drums the program is the kit."""
        synth = self._synth
        synth.system_reset()
        channel = DRUM_CHANNEL if are_drums else 0
        synth.program_select(channel, self._loaded, DRUM_BANK if are_drums else 0, program)
        total, now, pieces = int(SECONDS * RATE_HZ), 0, []
        for second, is_pressed, key, velocity in _events(notes):
            sample = min(int(second * RATE_HZ), total)
            if sample > now:
                pieces.append(synth.get_samples(sample - now))
                now = sample
            key = int(np.clip(key, 0, 127))
            if is_pressed:
                synth.noteon(channel, key, int(np.clip(velocity, 1, 127)))
            else:
                synth.noteoff(channel, key)
        if now < total:
            pieces.append(synth.get_samples(total - now))
        stereo = np.concatenate(pieces).reshape(-1, 2)[:total]
        return stereo.astype(np.float32).mean(axis=1) / 32768


@lru_cache
def _kept_loaded(font: int) -> tuple[Any, int]:
    """A synthesiser that nobody plays: while it is open, FluidSynth opens the font again in 50 ms."""
    return _opened(font)


def _opened(font: int) -> tuple[Any, int]:
    import fluidsynth

    synth = fluidsynth.Synth(samplerate=float(RATE_HZ), gain=0.6)
    synth.setting("synth.reverb.active", 0)
    synth.setting("synth.chorus.active", 0)
    return synth, synth.sfload(str(FONTS[font]))


def _events(notes: list[Note]) -> list[tuple[float, bool, float, float]]:
    """Presses and releases in order of time; a key is released before it is pressed again."""
    pressed = [(note.start, True, note.key, note.velocity) for note in notes]
    released = [(note.start + max(note.length, SHORTEST_SECONDS), False, note.key, 0.0) for note in notes]
    return sorted(pressed + released)
