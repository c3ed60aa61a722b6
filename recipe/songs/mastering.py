"""How the whole is recorded: from a clean studio to a shellac record, a radio, a garage."""

from collections.abc import Callable

import numpy as np

from songs.effects import echo, reverb
from songs.samples import RATE_HZ, Samples, band, pick, with_rms

ANY = ("clean", "loud", "tape", "old", "room", "radio")  # of songs recorded otherwise than their style
OTHERWISE_SHARE = 0.2


def recorded(rng: np.random.Generator, usual: list[str], samples: Samples, beat: float) -> Samples:
    """Recorded in one of the `usual` ways, or now and then in any, with more or less bass, at any level."""
    way = pick(rng, ANY if rng.random() < OTHERWISE_SHARE else usual)
    samples = RECORDINGS[way](rng, samples, beat)
    if rng.random() < 0.5:
        samples = samples + rng.uniform(-0.5, 0.9) * band(samples, None, 500, 1)
    peak = 10 ** (rng.uniform(-12, -0.1) / 20)
    return (samples / (np.abs(samples).max() + 1e-9) * peak).astype(np.float32)


def crackle(rng: np.random.Generator, length: int) -> Samples:
    """Clicks of a record, 4 to 40 a second."""
    clicks = np.zeros(length)
    places = rng.integers(0, length, int(length / RATE_HZ * rng.uniform(4, 40)))
    clicks[places] = rng.normal(0, 0.5, len(places))
    return band(clicks, 800, 8000)


def _saturated(samples: Samples, gain: float, rms: float = 0.1) -> Samples:
    return np.tanh(gain * with_rms(samples, rms))


def _loud(rng: np.random.Generator, samples: Samples, _: float) -> Samples:
    samples = with_rms(band(samples, 30))
    envelope = np.sqrt(band(samples**2, None, 8, 1).clip(1e-6))
    return np.tanh(rng.uniform(1.5, 4) * samples / (envelope**0.5 + 0.05))


def _tape(rng: np.random.Generator, samples: Samples, _: float) -> Samples:
    return _saturated(band(samples, 40, rng.uniform(7000, 10000)), 1.5, 0.2)


def _lofi(rng: np.random.Generator, samples: Samples, _: float) -> Samples:
    times = np.arange(len(samples))
    swaying = times + 40 * np.sin(2 * np.pi * 0.6 * times / RATE_HZ)
    dull = np.interp(swaying, times, band(samples, 60, rng.uniform(3000, 6000)))
    return np.round(_saturated(dull, 2) * 64) / 64 + crackle(rng, len(samples)) * 0.4


def _on_old_tape(rng: np.random.Generator, samples: Samples, low_hz: float, high_hz: float) -> Samples:
    hiss = rng.normal(0, 0.003, len(samples))
    return reverb(rng, _saturated(band(samples, low_hz, high_hz), 2.5), 0.7, 0.25) + hiss


def _shellac(rng: np.random.Generator, samples: Samples, _: float) -> Samples:
    narrow = _saturated(band(samples, 220, rng.uniform(2800, 4200), 3), 3)
    hiss = band(rng.normal(0, 0.02, len(samples)), 500, 6000)
    return narrow + crackle(rng, len(samples)) + hiss


def _radio(rng: np.random.Generator, samples: Samples, _: float) -> Samples:
    return _saturated(band(samples, 280, rng.uniform(3400, 6500)), 4)


Recording = Callable[[np.random.Generator, Samples, float], Samples]  # the number is a beat's length, seconds
RECORDINGS: dict[str, Recording] = {
    "clean": lambda rng, samples, beat: samples,
    "loud": _loud,
    "tape": _tape,
    "lofi": _lofi,
    "old": lambda rng, samples, beat: _on_old_tape(rng, samples, 100, rng.uniform(4500, 8000)),
    "mono": lambda rng, samples, beat: _on_old_tape(rng, samples, 150, rng.uniform(3500, 6000)),
    "shellac": _shellac,
    "radio": _radio,
    "garage": lambda rng, samples, beat: reverb(rng, _saturated(samples, 4), 0.5, 0.4),
    "room": lambda rng, samples, beat: reverb(rng, samples, rng.uniform(0.4, 1.4), rng.uniform(0.3, 0.9)),
    "wet": lambda rng, samples, beat: reverb(rng, samples, rng.uniform(2, 5), rng.uniform(0.8, 2)),
    "gated": lambda rng, samples, beat: _saturated(reverb(rng, samples, 1.6, 0.5), 1.6),
    "dub": lambda rng, samples, beat: echo(band(samples, 40, 8000), beat * 0.75, 0.5, 0.5),
}
