"""Effects on one instrument or voice: reverberation, echo, overdrive, filters."""

from collections.abc import Callable

import numpy as np
from scipy.signal import fftconvolve, sosfilt

from songs.samples import RATE_HZ, Samples, band, pick, with_rms


def reverb(rng: np.random.Generator, samples: Samples, seconds: float, wet: float) -> Samples:
    """In a room where sound falls by 60 dB in `seconds`."""
    length = int(seconds * RATE_HZ)
    tail = rng.normal(size=length) * np.exp(-6.9 * np.arange(length) / length)
    tail = band(tail, 150, rng.uniform(2500, 7000))
    tail /= np.sqrt(np.sum(tail**2)) + 1e-9
    return (samples + wet * fftconvolve(samples, tail)[: len(samples)]).astype(np.float32)


def echo(samples: Samples, delay_seconds: float, feedback: float, wet: float) -> Samples:
    """Repeated after `delay_seconds`, each time at `feedback` of the level before."""
    delay, repeated = int(delay_seconds * RATE_HZ), np.zeros(len(samples))
    for start in range(delay, len(samples), delay):
        before = slice(start - delay, min(start, len(samples) - delay))
        repeated[start : start + delay] = samples[before] + feedback * repeated[before]
    return (samples + wet * repeated).astype(np.float32)


def overdrive(rng: np.random.Generator, samples: Samples, gain: float) -> Samples:
    """Through an amplifier that clips, one side more, and a loudspeaker's narrow band."""
    clipped = np.tanh(gain * band(with_rms(samples), 90) * 8)
    clipped = np.where(clipped > 0, clipped, 0.8 * clipped) - np.mean(clipped)
    return band(clipped, 70, rng.uniform(3200, 5200), 3)


def wah(rng: np.random.Generator, samples: Samples, beat: float) -> Samples:
    """A resonant filter that opens and closes with the beat, from 400 to 1,600 Hz."""
    swept, state, block = np.empty_like(samples), np.zeros((1, 2)), 512
    period_seconds = pick(rng, [beat, beat * 2, beat / 2, beat * 4])
    for start in range(0, len(samples), block):
        turns = start / RATE_HZ / period_seconds
        angle = 2 * np.pi * 400 * 4 ** (0.5 + 0.5 * np.sin(2 * np.pi * turns)) / RATE_HZ
        alpha = np.sin(angle) / 6  # a Q of 3
        sos = np.array([[alpha, 0, -alpha, 1 + alpha, -2 * np.cos(angle), 1 - alpha]]) / (1 + alpha)
        here = slice(start, start + block)
        swept[here], state = sosfilt(sos, samples[here], zi=state)
    return (0.3 * samples + 2 * swept).astype(np.float32)


def heavy(rng: np.random.Generator, samples: Samples, _: float) -> Samples:
    """Two distorted guitars, one a little late."""
    second = np.roll(samples, int(rng.integers(100, 500)))
    return overdrive(rng, samples, rng.uniform(10, 40)) + overdrive(rng, second, rng.uniform(10, 40))


def chorus(_: np.random.Generator, samples: Samples, beat: float) -> Samples:
    """With a copy of itself whose delay sways around 12 ms."""
    times = np.arange(len(samples))
    delay = (0.012 + 0.004 * np.sin(2 * np.pi * 0.8 * times / RATE_HZ)) * RATE_HZ
    return (samples + np.interp(np.clip(times - delay, 0, None), times, samples)).astype(np.float32)


def pump(_: np.random.Generator, samples: Samples, beat: float) -> Samples:
    """Ducked on each beat, as a compressor fed by the kick does."""
    phase = np.arange(len(samples)) / RATE_HZ % beat / beat
    return (samples * np.clip(phase * 1.6, 0.1, 1)).astype(np.float32)


Effect = Callable[[np.random.Generator, Samples, float], Samples]  # the number is a beat's length, seconds
EFFECTS: dict[str, Effect] = {
    "crunch": lambda rng, samples, beat: overdrive(rng, samples, rng.uniform(0.6, 2)),
    "drive": lambda rng, samples, beat: overdrive(rng, samples, rng.uniform(3, 8)),
    "heavy": heavy,
    "wah": wah,
    "chorus": chorus,
    "dark": lambda rng, samples, beat: band(samples, None, rng.uniform(600, 2500)),
    "lofi": lambda rng, samples, beat: band(np.tanh(3 * with_rms(samples)), 120, rng.uniform(2000, 5000)),
    "spring reverb": lambda rng, samples, beat: reverb(rng, samples, 1.2, 0.6),
    "long reverb": lambda rng, samples, beat: reverb(rng, samples, 4, 1.5),
    "pump": pump,
}
