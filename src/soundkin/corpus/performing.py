"""An artist plays a score: one mono waveform for each layer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from soundkin.corpus.composing import LAYERS, Hit, Note, Score
from soundkin.corpus.drums import Drummer, Kit
from soundkin.corpus.instruments import Instrument, Player, Waveform

LEVELS = {"bass": 0.35, "chords": 0.14, "melody": 0.22}  # of a loud note, against a drum's stroke


@dataclass(frozen=True)
class Band:
    """What an artist plays on."""

    kit: Kit
    bass: Instrument
    chords: Instrument
    melody: Instrument


def perform(
    score: Score, band: Band, samples: int, sample_rate_hz: int, swell_seconds: float = 0.0
) -> Mapping[str, Waveform]:
    """Each layer of the score as float32 [samples]; notes that ring on beyond the end are cut."""
    layers = {layer: np.zeros(samples, dtype=np.float32) for layer in LAYERS}
    _strike(layers["drums"], score.drums, Drummer(band.kit, sample_rate_hz))
    for layer, level in LEVELS.items():
        player = Player(getattr(band, layer), sample_rate_hz, swell_seconds)
        _play(layers[layer], getattr(score, layer), player, level)
    return layers


def _strike(layer: Waveform, hits: Iterable[Hit], drummer: Drummer) -> None:
    for hit in hits:
        _add(layer, drummer.stroke(hit.drum), hit.start_seconds * drummer.sample_rate_hz, hit.loudness)


def _play(layer: Waveform, notes: Iterable[Note], player: Player, level: float) -> None:
    for note in notes:
        sound = player.note(note.pitch, note.seconds)
        _add(layer, sound, note.start_seconds * player.sample_rate_hz, level * note.loudness)


def _add(layer: Waveform, sound: Waveform, start: float, gain: float) -> None:
    first = int(start)
    room = layer[first : first + len(sound)]
    room += np.float32(gain) * sound[: len(room)]
