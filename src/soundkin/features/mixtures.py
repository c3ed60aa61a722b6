"""Mixtures: excerpts made of tracks, so that a teacher can be asked about more sounds than the tracks hold.

Crops at another speed, one to three tracks at once, another equalisation, a loud master, any level: teacher
and student hear the same. `worse_for_student` is for the student's ear alone, which is to answer as if the
recording were clean.
"""

from collections.abc import Sequence
from typing import Literal

from soundkin.extras import require

require("evaluate", "mixing tracks")

import numpy as np
import scipy.signal
from pydantic import Field, PositiveInt

from soundkin.config import Config
from soundkin.features import distortions
from soundkin.shapes import Float32, typechecked

Samples = Float32[np.ndarray, " _"]  # each of a length of its own
QUIETEST_DB, LOUDEST_DB = -18.0, -0.1  # peaks, against full scale
MIX_GAINS = (0.4, 1.0)


class MixtureConfig(Config):
    """How far an excerpt may be from the tracks that it is made of."""

    speed: float = Field(0.2, ge=0.0, lt=0.5, description="faster or slower by at most this share")
    speed_share: float = Field(0.4, ge=0.0, le=1.0, description="share of crops at another speed")
    most_mixed: PositiveInt = Field(3, description="one to so many tracks are mixed, half of the time one")
    equalised_share: float = Field(0.5, ge=0.0, le=1.0, description="share with bass and treble turned")
    loud_share: float = Field(0.1, ge=0.0, le=1.0, description="share compressed to a loud master")


@typechecked
def mixture(
    tracks: Sequence[Samples],
    first: int,
    length: int,
    rate_hz: int,
    config: MixtureConfig,
    rng: np.random.Generator,
) -> Samples:
    """An excerpt of `length` samples of the track number `first`, and perhaps of others beneath it."""
    extra = np.arange(config.most_mixed)
    likelihood = 0.5 ** np.minimum(extra + 1, config.most_mixed - 1 or 1)
    count = 1 + int(rng.choice(extra, p=likelihood / likelihood.sum()))
    chosen = [first, *rng.integers(len(tracks), size=count - 1).tolist()]
    mixed = np.zeros(length, np.float32)
    for number in chosen:
        crop = _crop(tracks[number], length, config, rng)
        mixed += crop / _rms(crop) * np.float32(rng.uniform(*MIX_GAINS))
    if rng.random() < config.equalised_share:
        low, high = rng.uniform(150, 600), min(rng.uniform(1500, 5000), 0.45 * rate_hz)
        bass, treble = _filtered(mixed, low, "low", rate_hz), _filtered(mixed, high, "high", rate_hz)
        more_bass, more_treble = rng.uniform(-0.6, 1.0, 2).astype(np.float32)
        mixed += more_bass * bass + more_treble * treble
    if rng.random() < config.loud_share:
        envelope = np.sqrt(np.clip(_filtered(mixed**2, 8.0, "low", rate_hz), 1e-6, None))
        mixed[:] = np.tanh(rng.uniform(1.5, 4.0) * mixed / (np.sqrt(envelope) + 0.05))
    peak = 10 ** (rng.uniform(QUIETEST_DB, LOUDEST_DB) / 20)
    return np.asarray(mixed * (peak / (np.abs(mixed).max() + 1e-9)), np.float32)


def _crop(track: Samples, length: int, config: MixtureConfig, rng: np.random.Generator) -> Samples:
    """`length` samples of a track, from a random place, perhaps at another speed, pitch with it."""
    faster = 1 + rng.uniform(-config.speed, config.speed) if rng.random() < config.speed_share else 1.0
    needed = int(length * faster) + 2
    if len(track) < needed:
        track = np.resize(track, needed)
    start = int(rng.integers(len(track) - needed + 1))
    piece = track[start : start + needed]
    if faster == 1.0:
        return piece[:length]
    return np.asarray(np.interp(np.arange(length) * faster, np.arange(needed), piece), np.float32)


def _rms(samples: Samples) -> np.float32:
    return np.float32(1e-6 + float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))))


def _filtered(
    samples: Samples, cutoff_hz: float, kind: Literal["low", "high"], rate_hz: int, order: int = 1
) -> Samples:
    sos = scipy.signal.butter(order, cutoff_hz, kind, fs=rate_hz, output="sos")
    return np.asarray(scipy.signal.sosfilt(sos, samples), np.float32)


@typechecked
def worse_for_student(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    """The same excerpt as a student may get to hear it, and its sample rate: noisy (half of the time), dull,
    at a telephone's rate, through mp3, after silence, in a room, clipped or with other bass.
    """
    change = _CHANGES[int(rng.choice(len(_CHANGES), p=_LIKELIHOODS))]
    worse, rate_hz = change(samples, rate_hz, rng)
    return np.asarray(worse, np.float32), rate_hz


def _noise(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    snr_db = rng.uniform(-3.0, 18.0)
    if rng.random() < 0.75:
        return distortions.noisy(samples, rate_hz, rng, snr_db)
    noise = rng.standard_normal(len(samples)).astype(np.float32)
    if rng.random() < 0.5:  # brown
        noise = np.asarray(scipy.signal.lfilter([1.0], [1.0, -0.98], noise), np.float32)
    return samples + noise * (_rms(samples) / _rms(noise) / np.float32(10 ** (snr_db / 20))), rate_hz


def _dull(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    return _filtered(samples, min(rng.uniform(2500, 8500), 0.45 * rate_hz), "low", rate_hz, order=4), rate_hz


def _low_rate(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    return distortions.resampled(samples, rate_hz, rng, to_hz=int(rng.choice([8_000, 11_025, 16_000])))


def _mp3(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    return distortions.through_mp3(samples, rate_hz, rng, kbit_per_second=int(rng.choice([32, 48, 64])))


def _after_silence(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    silent = int(rng.uniform(0.1, 0.75) * len(samples))
    return np.concatenate([np.zeros(silent, np.float32), samples[: len(samples) - silent]]), rate_hz


def _room(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    tail = max(2, int(rng.uniform(0.2, 2.0) * rate_hz))  # decays by 60 dB
    response = rng.standard_normal(tail) * np.exp(-6.9 * np.arange(tail) / tail)
    echo = scipy.signal.fftconvolve(samples, response)[: len(samples)].astype(np.float32)
    return samples + echo * (np.float32(rng.uniform(0.2, 1.0)) * _rms(samples) / _rms(echo)), rate_hz


def _clipped(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    return distortions.clipped(samples, rate_hz, rng, share=rng.uniform(0.01, 0.15))


def _other_bass(samples: Samples, rate_hz: int, rng: np.random.Generator) -> tuple[Samples, int]:
    bass = _filtered(samples, rng.uniform(200, 0.2 * rate_hz), "low", rate_hz)
    return samples * np.float32(rng.uniform(0.3, 1.0)) + bass * np.float32(rng.uniform(-0.8, 2.0)), rate_hz


_CHANGES = (_noise, _dull, _low_rate, _mp3, _after_silence, _room, _clipped, _other_bass)
_LIKELIHOODS = (0.5, 0.12, 0.08, 0.1, 0.06, 0.06, 0.04, 0.04)
