"""One-shot drums: each stroke is a short float32 waveform [samples] that a kit renders once and plays many
times.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from soundkin.corpus.instruments import Waveform


@dataclass(frozen=True)
class Kit:
    """An artist's drum kit."""

    kick_hz: float
    kick_decay_seconds: float
    kick_click: float  # level of the beater's click
    snare_hz: float
    snare_rattle: float  # share of noise in the snare
    snare_decay_seconds: float
    cymbal_decay_seconds: float
    cymbal_tone: float  # 0 is noise, 1 is a metallic ring
    wood_hz: float


def draw_kit(rng: np.random.Generator) -> Kit:
    """A kit with a character of its own."""
    return Kit(
        kick_hz=rng.uniform(42, 72),
        kick_decay_seconds=rng.uniform(0.06, 0.2),
        kick_click=rng.uniform(0.0, 0.5),
        snare_hz=rng.uniform(150, 260),
        snare_rattle=rng.uniform(0.35, 0.9),
        snare_decay_seconds=rng.uniform(0.04, 0.13),
        cymbal_decay_seconds=rng.uniform(0.02, 0.06),
        cymbal_tone=rng.uniform(0.0, 0.8),
        wood_hz=rng.uniform(700, 2200),
    )


class Drummer:
    """Plays one kit at one sample rate, remembering each drum it has struck."""

    def __init__(self, kit: Kit, sample_rate_hz: int) -> None:
        self.kit = kit
        self.sample_rate_hz = sample_rate_hz
        self._strokes: dict[str, Waveform] = {}

    def stroke(self, drum: str) -> Waveform:
        """The sound of one stroke on `drum`, a name used in the genres' drum patterns."""
        if drum not in self._strokes:
            self._strokes[drum] = self._render(drum).astype(np.float32)
        return self._strokes[drum]

    def _render(self, drum: str) -> Waveform:
        kit = self.kit
        match drum:
            case "kick":
                return self._kick()
            case "snare":
                return self._snare()
            case "clap":
                return 0.7 * self._bursts(kit.snare_decay_seconds)
            case "rim":
                return 0.6 * self._ring((kit.wood_hz, 1.5 * kit.wood_hz), 0.02)
            case "shaker":
                return 0.25 * self._hiss(0.025, rise_seconds=0.012)
            case "tambourine":
                return 0.3 * self._cymbal(3 * kit.cymbal_decay_seconds)
            case "hat" | "pedal hat":
                return 0.35 * self._cymbal(kit.cymbal_decay_seconds)
            case "open hat":
                return 0.4 * self._cymbal(4 * kit.cymbal_decay_seconds)
            case "ride":
                return 0.3 * self._cymbal(6 * kit.cymbal_decay_seconds)
        raise KeyError(drum)

    def _seconds(self, decay_seconds: float) -> Waveform:
        """Time axis, long enough for a decay to have died away."""
        return np.arange(int(5 * decay_seconds * self.sample_rate_hz), dtype=np.float32) / self.sample_rate_hz

    def _kick(self) -> Waveform:
        kit, seconds = self.kit, self._seconds(self.kit.kick_decay_seconds)
        falling_turns = kit.kick_hz * (
            seconds + 0.06 * (1 - np.exp(seconds / -0.02))
        )  # starts at 4 times kick_hz
        body = np.sin(2 * np.pi * falling_turns) * np.exp(seconds / -kit.kick_decay_seconds)
        click = kit.kick_click * _noise(len(seconds)) * np.exp(seconds / -0.003)
        return 1.3 * body + click

    def _snare(self) -> Waveform:
        kit, seconds = self.kit, self._seconds(self.kit.snare_decay_seconds)
        body = np.sin(2 * np.pi * kit.snare_hz * seconds) + 0.6 * np.sin(
            2 * np.pi * 1.6 * kit.snare_hz * seconds
        )
        tone = body * np.exp(seconds / (-0.6 * kit.snare_decay_seconds))
        rattle = 0.6 * _noise(len(seconds)) * np.exp(seconds / -kit.snare_decay_seconds)
        return (1 - kit.snare_rattle) * tone + kit.snare_rattle * rattle

    def _bursts(self, decay_seconds: float) -> Waveform:
        """Several hands that do not quite clap together."""
        seconds = self._seconds(decay_seconds)
        level: Waveform = (seconds >= 0.03) * np.exp((0.03 - seconds) / decay_seconds)
        for late in (0.0, 0.011, 0.023):
            level += (seconds >= late) * np.exp((late - seconds) / 0.006)
        level *= lfilter([1, 0, -1], [1, -1.1, 0.6], 0.3 * _noise(len(seconds)))
        return level

    def _cymbal(self, decay_seconds: float) -> Waveform:
        seconds = self._seconds(decay_seconds)
        partials_hz = 1000 * np.array(
            [5.1, 5.9, 6.7, 7.3, 8.1, 9.4]
        )  # below 11 kHz: every sample rate holds them
        ring = np.sin(2 * np.pi * np.outer(partials_hz, seconds)).sum(axis=0) / 2
        mixed: Waveform = self.kit.cymbal_tone * ring + (1 - self.kit.cymbal_tone) * _high(
            _noise(len(seconds))
        )
        return mixed * np.exp(seconds / -decay_seconds)

    def _hiss(self, decay_seconds: float, rise_seconds: float) -> Waveform:
        seconds = self._seconds(decay_seconds)
        rising = np.minimum(1, seconds / rise_seconds)
        return (
            _high(_noise(len(seconds)))
            * rising
            * np.exp(-np.maximum(0, seconds - rise_seconds) / decay_seconds)
        )

    def _ring(self, tones_hz: tuple[float, ...], decay_seconds: float) -> Waveform:
        seconds = self._seconds(decay_seconds)
        ring: Waveform = sum(np.sin(2 * np.pi * hz * seconds) for hz in tones_hz) * np.exp(
            seconds / -decay_seconds
        )
        return ring


def _noise(samples: int) -> Waveform:
    return np.random.default_rng(1).standard_normal(samples, dtype=np.float32)


def _high(noise: Waveform) -> Waveform:
    """Noise without its lower half: the difference of neighbouring samples, twice."""
    return np.diff(noise, n=2, prepend=0, append=0)[: len(noise)] / 2
