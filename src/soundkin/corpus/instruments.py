"""Pitched instruments: a band-limited single cycle, read at the note's pitch, shaped by an envelope.

A family says within which ranges an instrument's character may lie (instruments.yaml); `draw_instrument`
picks one, so that two artists who both play `strings` still sound different. Waveforms are float32
[samples], about unit level.
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from soundkin.corpus.genres import load_table
from soundkin.shapes import Float32, Int

CYCLE_BITS = 12
CYCLE_SAMPLES = 1 << CYCLE_BITS
FAMILIES: dict[str, dict[str, Any]] = load_table("instruments.yaml")["families"]
Waveform = Float32[np.ndarray, " samples"]


@dataclass(frozen=True)
class Resonance:
    """A body or vowel that lifts the harmonics around `hz`."""

    hz: float
    gain: float
    octaves: float  # width


@dataclass(frozen=True)
class Instrument:
    """One artist's own instrument; instruments.yaml explains the fields."""

    resonances: tuple[Resonance, ...]
    tilt: float
    even: float
    harmonics: int
    attack_seconds: float
    decay_seconds: float
    sustain: float
    release_seconds: float
    vibrato_cents: float
    vibrato_hz: float
    detune_cents: float
    breath: float


def hertz(midi_pitch: float) -> float:
    """Frequency in equal temperament."""
    return 440.0 * float(2.0 ** ((midi_pitch - 69.0) / 12.0))


def draw_instrument(family: str, rng: np.random.Generator) -> Instrument:
    """An instrument of the family with a character of its own."""
    log_hz = np.log(250), np.log(4000)
    resonances = tuple(
        Resonance(float(np.exp(rng.uniform(*log_hz))), rng.uniform(1, 5), rng.uniform(0.15, 0.5))
        for _ in range(rng.integers(1, 4))
    )
    character: dict[str, Any] = {
        name: int(rng.integers(low, high, endpoint=True)) if name == "harmonics" else rng.uniform(low, high)
        for name, (low, high) in FAMILIES[family].items()
    }
    return Instrument(resonances, **character)


def set_up(model: Instrument, rng: np.random.Generator) -> Instrument:
    """The same model as one owner sets it up: a little brighter or duller, quicker or slower."""
    return replace(
        model,
        tilt=model.tilt + rng.uniform(-0.15, 0.15),
        attack_seconds=model.attack_seconds * rng.uniform(0.7, 1.4),
        decay_seconds=model.decay_seconds * rng.uniform(0.7, 1.4),
        detune_cents=model.detune_cents * rng.uniform(0.7, 1.4),
        vibrato_hz=model.vibrato_hz * rng.uniform(0.9, 1.1),
    )


class Player:
    """Plays one instrument at one sample rate; each note is rendered once."""

    def __init__(self, instrument: Instrument, sample_rate_hz: int, swell_seconds: float = 0.0) -> None:
        self.instrument = instrument
        self.sample_rate_hz = sample_rate_hz
        self.attack_seconds = instrument.attack_seconds + swell_seconds
        breath = np.random.default_rng(0).standard_normal(sample_rate_hz // 2, dtype=np.float32)
        self._breath = np.float32(instrument.breath) * breath
        self._rendered = cache(self._render)

    def note(self, pitch: int, seconds: float) -> Waveform:
        """The note held for `seconds` and then released, so a little longer than that."""
        held = max(1, round(seconds * self.sample_rate_hz / 64)) * 64  # rounded, so that notes repeat
        return self._rendered(pitch, held)

    def _render(self, pitch: int, held: int) -> Waveform:
        instrument, rate = self.instrument, self.sample_rate_hz
        seconds = np.arange(held, dtype=np.float32) / rate
        level = instrument.sustain + (1 - instrument.sustain) * np.exp(-seconds / instrument.decay_seconds)
        level *= np.minimum(1, seconds / self.attack_seconds)
        released = int(instrument.release_seconds * rate)
        fading = level[-1] * np.linspace(1, 0, released, dtype=np.float32) ** 2
        envelope = np.concatenate([level, fading]).astype(np.float32)
        return self._tone(pitch, len(envelope)) * envelope

    def _tone(self, pitch: int, samples: int) -> Waveform:
        """A steady tone that starts bright and mellows as the note decays."""
        instrument, rate, frequency_hz = self.instrument, self.sample_rate_hz, hertz(pitch)
        seconds = np.arange(samples, dtype=np.float32) / rate
        bright = single_cycle(instrument, frequency_hz, rate, instrument.tilt)
        mellow = single_cycle(instrument, frequency_hz, rate, instrument.tilt + 0.7)
        positions = self._positions(frequency_hz, seconds)
        tone: Waveform = mellow[positions]
        tone += (bright[positions] - tone) * np.exp(seconds / -instrument.decay_seconds)
        if instrument.detune_cents > 1:
            tone += mellow[self._positions(frequency_hz * 2 ** (instrument.detune_cents / 1200), seconds)]
            tone *= np.float32(0.7)
        tone += np.resize(self._breath, samples)
        return tone

    def _positions(self, frequency_hz: float, seconds: Waveform) -> Int[np.ndarray, " samples"]:
        """Where in the single cycle each sample reads; the phase is a 32-bit integer that wraps by itself."""
        instrument = self.instrument
        turns_per_sample = np.uint32(frequency_hz / self.sample_rate_hz * 2**32)
        turns = np.arange(len(seconds), dtype=np.uint32) * turns_per_sample
        if instrument.vibrato_cents > 1:
            depth_hz = frequency_hz * (2 ** (instrument.vibrato_cents / 1200) - 1)
            depth_turns = depth_hz / (2 * np.pi * instrument.vibrato_hz)
            sway = depth_turns * np.sin((2 * np.pi * instrument.vibrato_hz) * seconds)
            turns += (sway * 2.0**32).astype(np.int64).astype(np.uint32)
        return turns >> np.uint32(32 - CYCLE_BITS)


def single_cycle(instrument: Instrument, frequency_hz: float, sample_rate_hz: int, tilt: float) -> Waveform:
    """One period [CYCLE_SAMPLES] of unit RMS, without harmonics beyond what the sample rate holds."""
    count = max(1, min(instrument.harmonics, int(0.45 * sample_rate_hz / frequency_hz)))
    number = np.arange(1, count + 1)
    amplitude = number**-tilt * np.where(number % 2, 1.0, instrument.even)
    for resonance in instrument.resonances:
        distance = np.log2(number * frequency_hz / resonance.hz) / resonance.octaves
        amplitude *= 1 + resonance.gain * np.exp(-(distance**2))
    spectrum = np.zeros(CYCLE_SAMPLES // 2 + 1, dtype=np.complex128)
    phase = np.pi * number * (number - 1) / count  # spread (Schroeder 1970), so that the wave has no spike
    spectrum[1 : count + 1] = amplitude * np.exp(1j * phase)
    cycle: Waveform = np.fft.irfft(spectrum).astype(np.float32)
    cycle /= np.sqrt(np.mean(cycle**2))
    return cycle
