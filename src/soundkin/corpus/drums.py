"""One-shot drums: each stroke is a short float32 waveform [samples] rendered once and played often."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.signal import lfilter

from soundkin.corpus.genres import load_table
from soundkin.corpus.instruments import Waveform

_TABLE = load_table("instruments.yaml")
KIT: dict[str, Any] = _TABLE["drum_kit"]
CYMBALS: dict[str, list[float]] = _TABLE["cymbals"]
CYMBAL_PARTIALS_HZ = 1000 * np.array(
    [5.1, 5.9, 6.7, 7.3, 8.1, 9.4]
)  # below 11 kHz: all sample rates hold them


@dataclass(frozen=True)
class Kit:
    """An artist's drum kit; instruments.yaml explains the fields."""

    kick_hz: float
    kick_decay_seconds: float
    kick_click: float
    snare_hz: float
    snare_rattle: float
    snare_decay_seconds: float
    cymbal_decay_seconds: float
    cymbal_tone: float
    wood_hz: float


def draw_kit(rng: np.random.Generator) -> Kit:
    """A kit with a character of its own."""
    return Kit(**{name: rng.uniform(*limits) for name, limits in KIT.items()})


class Drummer:
    """Plays one kit at one sample rate; `stroke(drum)` renders each drum of the genres' patterns once."""

    def __init__(self, kit: Kit, sample_rate_hz: int) -> None:
        self.kit = kit
        self.sample_rate_hz = sample_rate_hz
        self.stroke = cache(self._render)

    def _render(self, drum: str) -> Waveform:
        if drum in CYMBALS:
            level, times = CYMBALS[drum]
            sound = level * self._cymbal(times * self.kit.cymbal_decay_seconds)
        else:
            struck = {"kick": self._kick, "snare": self._snare, "clap": self._clap}
            sound = (struck | {"rim": self._rim, "shaker": self._shaker})[drum]()
        return sound.astype(np.float32)

    def _seconds(self, decay_seconds: float) -> Waveform:
        """Time axis, long enough for a decay to have died away."""
        return np.arange(int(5 * decay_seconds * self.sample_rate_hz), dtype=np.float32) / self.sample_rate_hz

    def _kick(self) -> Waveform:
        kit, seconds = self.kit, self._seconds(self.kit.kick_decay_seconds)
        turns = kit.kick_hz * (seconds + 0.06 * (1 - np.exp(seconds / -0.02)))  # falls from 4 times kick_hz
        body = np.sin(2 * np.pi * turns) * np.exp(seconds / -kit.kick_decay_seconds)
        click = kit.kick_click * _noise(seconds) * np.exp(seconds / -0.003)
        return 1.3 * body + click

    def _snare(self) -> Waveform:
        kit, seconds = self.kit, self._seconds(self.kit.snare_decay_seconds)
        overtone = 0.6 * np.sin(2 * np.pi * 1.6 * kit.snare_hz * seconds)
        body = np.sin(2 * np.pi * kit.snare_hz * seconds) + overtone
        tone = body * np.exp(seconds / (-0.6 * kit.snare_decay_seconds))
        rattle = 0.6 * _noise(seconds) * np.exp(seconds / -kit.snare_decay_seconds)
        return (1 - kit.snare_rattle) * tone + kit.snare_rattle * rattle

    def _clap(self) -> Waveform:
        """Several hands that do not quite clap together."""
        decay_seconds = self.kit.snare_decay_seconds
        seconds = self._seconds(decay_seconds)
        level: Waveform = (seconds >= 0.03) * np.exp((0.03 - seconds) / decay_seconds)
        for late in (0.0, 0.011, 0.023):
            level += (seconds >= late) * np.exp((late - seconds) / 0.006)
        level *= lfilter([1, 0, -1], [1, -1.1, 0.6], 0.3 * _noise(seconds))
        return 0.7 * level

    def _cymbal(self, decay_seconds: float) -> Waveform:
        tone, seconds = self.kit.cymbal_tone, self._seconds(decay_seconds)
        ring = np.sin(2 * np.pi * np.outer(CYMBAL_PARTIALS_HZ, seconds)).sum(axis=0) / 2
        mixed: Waveform = tone * ring + (1 - tone) * _high(_noise(seconds))
        return mixed * np.exp(seconds / -decay_seconds)

    def _shaker(self) -> Waveform:
        decay_seconds, rise_seconds = 0.025, 0.012
        seconds = self._seconds(decay_seconds)
        rising = np.minimum(1, seconds / rise_seconds)
        falling = np.exp(-np.maximum(0, seconds - rise_seconds) / decay_seconds)
        return 0.25 * (_high(_noise(seconds)) * rising * falling)

    def _rim(self) -> Waveform:
        wood_hz, seconds = self.kit.wood_hz, self._seconds(0.02)
        ring = np.sin(2 * np.pi * wood_hz * seconds) + np.sin(2 * np.pi * (1.5 * wood_hz) * seconds)
        return 0.6 * (ring * np.exp(seconds / -0.02))


def _noise(seconds: Waveform) -> Waveform:
    return np.random.default_rng(1).standard_normal(len(seconds), dtype=np.float32)


def _high(noise: Waveform) -> Waveform:
    """Noise without its lower half: the difference of neighbouring samples, twice."""
    return np.diff(noise, n=2, prepend=0, append=0)[: len(noise)] / 2
