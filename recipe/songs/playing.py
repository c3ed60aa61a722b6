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


@lru_cache(maxsize=1)
def _synths() -> list[tuple[Any, int]]:
    import fluidsynth

    synths = []
    for font in FONTS:
        synth = fluidsynth.Synth(samplerate=float(RATE_HZ), gain=0.6)
        synth.setting("synth.reverb.active", 0)
        synth.setting("synth.chorus.active", 0)
        synths.append((synth, synth.sfload(str(font))))
    return synths


def play(font: int, program: int, notes: list[Note], are_drums: bool = False) -> Samples:
    """The notes on one instrument, `SECONDS` long; of drums the program is the kit."""
    synth, loaded = _synths()[font]
    synth.system_reset()
    channel = DRUM_CHANNEL if are_drums else 0
    synth.program_select(channel, loaded, DRUM_BANK if are_drums else 0, program)
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


def _events(notes: list[Note]) -> list[tuple[float, bool, float, float]]:
    """Presses and releases in order of time; a key is released before it is pressed again."""
    pressed = [(note.start, True, note.key, note.velocity) for note in notes]
    released = [(note.start + max(note.length, SHORTEST_SECONDS), False, note.key, 0.0) for note in notes]
    return sorted(pressed + released)
