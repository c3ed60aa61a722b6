"""Pitched instruments: a band-limited single cycle, read at the note's pitch, shaped by an envelope.

A family says within which ranges an instrument's character may lie; `draw_instrument` picks one, so that two
artists who both play `strings` still sound different. Waveforms are float32 [samples], about unit level.
"""

from dataclasses import dataclass, replace

import numpy as np

from soundkin.corpus.theory import hertz
from soundkin.shapes import Float32, Int

CYCLE_BITS = 12
CYCLE_SAMPLES = 1 << CYCLE_BITS
Range = tuple[float, float]
Waveform = Float32[np.ndarray, " samples"]


@dataclass(frozen=True)
class Family:
    """Ranges (lowest, highest) of what an instrument of this family may be."""

    tilt: Range  # harmonic k has amplitude k ** -tilt
    even: Range  # level of the even harmonics against the odd ones
    harmonics: tuple[int, int]
    attack_seconds: Range
    decay_seconds: Range
    sustain: Range  # level after the decay
    release_seconds: Range
    vibrato_cents: Range
    detune_cents: Range  # between two oscillators that play together
    breath: Range  # level of noise in the tone


FAMILIES = {
    #                tilt        even          harmonics attack          decay       sustain      release
    "organ": Family((0.3, 1.0), (0.3, 1.0), (5, 9), (0.005, 0.03), (2.0, 4.0), (0.8, 1.0), (0.03, 0.1),
                    (0, 15), (0, 6), (0.0, 0.02)),
    "saw": Family((0.9, 1.3), (0.8, 1.0), (30, 60), (0.003, 0.03), (0.4, 2.0), (0.5, 0.9), (0.04, 0.2),
                  (0, 10), (4, 18), (0.0, 0.01)),
    "square": Family((0.9, 1.3), (0.0, 0.15), (30, 50), (0.003, 0.03), (0.4, 2.0), (0.5, 0.9), (0.03, 0.15),
                     (0, 10), (0, 12), (0.0, 0.01)),
    "strings": Family((1.1, 1.6), (0.7, 1.0), (20, 40), (0.05, 0.14), (1.0, 3.0), (0.7, 1.0), (0.1, 0.25),
                      (10, 30), (6, 14), (0.01, 0.04)),
    "flute": Family((1.8, 2.6), (0.3, 0.7), (6, 10), (0.03, 0.08), (1.0, 3.0), (0.8, 1.0), (0.05, 0.15),
                    (10, 30), (0, 3), (0.03, 0.1)),
    "reed": Family((0.8, 1.2), (0.05, 0.3), (12, 24), (0.02, 0.05), (1.0, 3.0), (0.7, 1.0), (0.04, 0.1),
                   (5, 25), (0, 4), (0.01, 0.04)),
    "brass": Family((0.9, 1.3), (0.8, 1.0), (14, 24), (0.03, 0.07), (0.8, 2.0), (0.6, 0.9), (0.05, 0.12),
                    (0, 20), (0, 8), (0.0, 0.02)),
    "plucked": Family((1.0, 1.6), (0.5, 1.0), (20, 40), (0.001, 0.004), (0.15, 0.6), (0.0, 0.1), (0.05, 0.2),
                      (0, 5), (0, 6), (0.0, 0.01)),
    "piano": Family((1.3, 1.9), (0.6, 1.0), (16, 30), (0.002, 0.006), (0.5, 1.4), (0.0, 0.15), (0.05, 0.2),
                    (0, 0), (1, 5), (0.0, 0.01)),
    "voice": Family((1.2, 1.6), (0.7, 1.0), (16, 30), (0.04, 0.1), (1.0, 3.0), (0.8, 1.0), (0.06, 0.15),
                    (15, 40), (0, 8), (0.01, 0.05)),
}  # fmt: skip


@dataclass(frozen=True)
class Resonance:
    """A body or vowel that lifts the harmonics around `hz`."""

    hz: float
    gain: float
    octaves: float  # width


@dataclass(frozen=True)
class Instrument:
    """One artist's own instrument; the fields are explained at `Family`."""

    family: str
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
    resonances: tuple[Resonance, ...]


def draw_instrument(family: str, rng: np.random.Generator) -> Instrument:
    """An instrument of the family with a character of its own."""
    ranges = FAMILIES[family]
    resonances = [
        Resonance(
            float(np.exp(rng.uniform(np.log(250), np.log(4000)))), rng.uniform(1, 5), rng.uniform(0.15, 0.5)
        )
        for _ in range(rng.integers(1, 4))
    ]
    return Instrument(
        family=family,
        tilt=rng.uniform(*ranges.tilt),
        even=rng.uniform(*ranges.even),
        harmonics=int(rng.integers(*ranges.harmonics, endpoint=True)),
        attack_seconds=rng.uniform(*ranges.attack_seconds),
        decay_seconds=rng.uniform(*ranges.decay_seconds),
        sustain=rng.uniform(*ranges.sustain),
        release_seconds=rng.uniform(*ranges.release_seconds),
        vibrato_cents=rng.uniform(*ranges.vibrato_cents),
        vibrato_hz=rng.uniform(4, 7),
        detune_cents=rng.uniform(*ranges.detune_cents),
        breath=rng.uniform(*ranges.breath),
        resonances=tuple(resonances),
    )


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
    """Plays one instrument at one sample rate, remembering each note it has played."""

    def __init__(self, instrument: Instrument, sample_rate_hz: int, swell_seconds: float = 0.0) -> None:
        self.instrument = instrument
        self.sample_rate_hz = sample_rate_hz
        self.attack_seconds = instrument.attack_seconds + swell_seconds
        breath = np.random.default_rng(0).standard_normal(sample_rate_hz // 2, dtype=np.float32)
        self._breath = np.float32(instrument.breath) * breath
        self._notes: dict[tuple[int, int], Waveform] = {}

    def note(self, pitch: int, seconds: float) -> Waveform:
        """The note held for `seconds` and then released, so a little longer than that."""
        held = (
            max(1, round(seconds * self.sample_rate_hz / 64)) * 64
        )  # rounded so that repeated notes are found again
        key = (pitch, held)
        if key not in self._notes:
            envelope = self._envelope(held)
            self._notes[key] = self._tone(pitch, len(envelope)) * envelope
        return self._notes[key]

    def _envelope(self, held: int) -> Waveform:
        instrument, rate = self.instrument, self.sample_rate_hz
        seconds = np.arange(held, dtype=np.float32) / rate
        level = instrument.sustain + (1 - instrument.sustain) * np.exp(-seconds / instrument.decay_seconds)
        level *= np.minimum(1, seconds / self.attack_seconds)
        released = int(instrument.release_seconds * rate)
        fading = level[-1] * np.linspace(1, 0, released, dtype=np.float32) ** 2
        return np.concatenate([level, fading]).astype(np.float32)

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
        turns = np.arange(len(seconds), dtype=np.uint32) * np.uint32(
            frequency_hz / self.sample_rate_hz * 2**32
        )
        instrument = self.instrument
        if instrument.vibrato_cents > 1:
            depth_hz = frequency_hz * (2 ** (instrument.vibrato_cents / 1200) - 1)
            depth_turns = depth_hz / (2 * np.pi * instrument.vibrato_hz)
            sway = depth_turns * np.sin((2 * np.pi * instrument.vibrato_hz) * seconds)
            turns += (sway * 2.0**32).astype(np.int64).astype(np.uint32)
        return turns >> np.uint32(32 - CYCLE_BITS)


def single_cycle(instrument: Instrument, frequency_hz: float, sample_rate_hz: int, tilt: float) -> Waveform:
    """One period of the tone, [CYCLE_SAMPLES], of unit RMS, without harmonics beyond what the sample rate
    holds.
    """
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
