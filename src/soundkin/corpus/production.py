"""The studio: layers are mixed, saturated, equalised, given a room, and brought to a loudness.

Production belongs to artists and albums and drifts with the year: older records are noisier, duller, narrower
and quieter. It knows nothing of genres. Waveforms are float32, mono layers [samples] in, [samples, channels]
out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from soundkin.corpus.composing import LAYERS
from soundkin.corpus.instruments import Waveform
from soundkin.shapes import Float, Float32, typechecked

FIRST_YEAR, LAST_YEAR = 1962, 2024
Stereo = Float32[np.ndarray, "channels samples"]


@dataclass(frozen=True)
class Bell:
    """An equaliser's bump or dip."""

    hz: float
    gain_db: float
    octaves: float


@dataclass(frozen=True)
class Production:
    """How a record was mixed and mastered."""

    levels_db: Mapping[str, float]  # of each layer
    pans: Mapping[str, float]  # -1 is left, 1 is right
    chorus_level: float
    chorus_hz: float
    echo_level: float
    drive: float  # saturation: 0.2 is clean, 3 is dirty
    reverb_seconds: float
    reverb_level: float
    bells: tuple[Bell, ...]
    tilt_db: float  # per octave, around 1 kHz
    highest_hz: float
    hiss_db: float  # of full scale
    loudness_db: float  # RMS of full scale


def draw_production(rng: np.random.Generator) -> Production:
    """The sound that an artist looks for in the studio."""
    bells = tuple(
        Bell(float(2 ** rng.uniform(7, 12.5)), rng.uniform(-6, 6), rng.uniform(0.3, 1.0))
        for _ in range(rng.integers(2, 5))
    )
    levels_db = {layer: float(rng.normal(0, 2.5)) for layer in LAYERS}
    pans = {layer: rng.uniform(-0.6, 0.6) for layer in ("chords", "melody")}
    return Production(
        levels_db=levels_db,
        pans={"drums": 0.0, "bass": 0.0, **pans},
        chorus_level=float(rng.choice((0.0, rng.uniform(0.3, 0.8)))),
        chorus_hz=rng.uniform(0.3, 2.0),
        echo_level=float(rng.choice((0.0, 0.0, rng.uniform(0.2, 0.45)))),
        drive=float(np.exp(rng.uniform(np.log(0.2), np.log(2.5)))),
        reverb_seconds=float(np.exp(rng.uniform(np.log(0.15), np.log(1.6)))),
        reverb_level=rng.uniform(0.05, 0.45),
        bells=bells,
        tilt_db=rng.uniform(-2.0, 2.0),
        highest_hz=rng.uniform(7000, 14000),
        hiss_db=rng.uniform(-86, -74),
        loudness_db=rng.uniform(-22, -17),
    )


def vary(production: Production, amount: float, rng: np.random.Generator) -> Production:
    """The artist's next album or track: settings differ by about `amount` times 2 dB."""

    def stray(spread: float) -> float:
        return float(rng.normal(0, spread * amount))

    return replace(
        production,
        levels_db={layer: level + stray(2) for layer, level in production.levels_db.items()},
        reverb_seconds=production.reverb_seconds * float(np.exp(stray(0.3))),
        reverb_level=production.reverb_level * float(np.exp(stray(0.3))),
        bells=tuple(replace(bell, gain_db=bell.gain_db + stray(2)) for bell in production.bells),
        tilt_db=production.tilt_db + stray(0.5),
    )


def age(production: Production, year: int) -> Production:
    """The production as the year's equipment allows it."""
    modern = (year - FIRST_YEAR) / (LAST_YEAR - FIRST_YEAR)
    return replace(
        production,
        pans={layer: pan * min(1.0, 2 * modern) for layer, pan in production.pans.items()},
        highest_hz=min(production.highest_hz, 4000 * 2 ** (1.6 * modern)),
        hiss_db=production.hiss_db + 28 * (1 - modern),
        loudness_db=production.loudness_db + 6 * modern,
    )


@typechecked
def produce(
    layers: Mapping[str, Waveform],
    production: Production,
    beat_seconds: float,
    sample_rate_hz: int,
    channels: int,
    rng: np.random.Generator,
) -> Float32[np.ndarray, "samples channels"]:
    """Mix and master layers, faded out over the last half second."""
    if production.chorus_level:
        layers = {**layers, "chords": _chorus(layers["chords"], production, sample_rate_hz)}
    if production.echo_level:
        delay = round(0.75 * beat_seconds * sample_rate_hz)
        layers = {**layers, "melody": _echo(layers["melody"], production.echo_level, delay)}
    mix = _mix(layers, production, channels)
    mix *= np.float32(0.25 / (np.sqrt(np.mean(mix**2)) + 1e-6))
    mix = np.tanh(np.float32(production.drive) * mix) / np.float32(production.drive)
    record = _room_and_equaliser(mix, production, sample_rate_hz, rng)
    return _master(record, production, sample_rate_hz, rng)


def _mix(layers: Mapping[str, Waveform], production: Production, channels: int) -> Stereo:
    mix = np.zeros((channels, len(layers["drums"])), dtype=np.float32)
    for name, layer in layers.items():
        gain = 10 ** (production.levels_db[name] / 20)
        pan = production.pans[name] if channels == 2 else 0.0
        for channel, side in zip(mix, (-1, 1), strict=False):
            channel += np.float32(gain * np.sqrt(1 + side * pan)) * layer
    return mix


def _chorus(layer: Waveform, production: Production, sample_rate_hz: int) -> Waveform:
    """Add a copy whose delay sways around 12 ms."""
    position = np.arange(len(layer), dtype=np.float32)
    sway = np.sin(np.float32(2 * np.pi * production.chorus_hz / sample_rate_hz) * position)
    delay = np.float32(sample_rate_hz) * (np.float32(0.012) + np.float32(0.003) * sway)
    whole = delay.astype(np.int32)
    behind = np.maximum(np.arange(len(layer), dtype=np.int32) - whole, 1)
    fraction = delay - whole
    copy: Waveform = layer[behind] + fraction * (layer[behind - 1] - layer[behind])
    copy *= np.float32(production.chorus_level)
    copy += layer
    return copy


def _echo(layer: Waveform, level: float, delay_samples: int) -> Waveform:
    echoed = layer.copy()
    for repeat in (1, 2, 3):
        shift = repeat * delay_samples
        if shift < len(layer):
            echoed[shift:] += np.float32(level**repeat) * layer[:-shift]
    return echoed


def _room_and_equaliser(
    mix: Stereo, production: Production, sample_rate_hz: int, rng: np.random.Generator
) -> Stereo:
    """Both are linear, so one trip to the frequency domain serves them."""
    samples = mix.shape[1]
    tail = int(production.reverb_seconds * sample_rate_hz)
    decay = np.exp(np.linspace(0, -6.9, tail, dtype=np.float32))  # by 60 dB
    room = rng.standard_normal((len(mix), tail), dtype=np.float32) * decay
    room *= np.float32(production.reverb_level) / np.sqrt(np.sum(room**2, axis=1, keepdims=True))
    room[:, 0] += 1  # the direct sound
    length = next_fast_len(samples + tail, real=True)
    spectrum = rfft(mix, length) * rfft(room, length)
    spectrum *= _equaliser(production, np.fft.rfftfreq(length, 1 / sample_rate_hz))
    record: Stereo = irfft(spectrum, length)[:, :samples]
    return record


def _equaliser(production: Production, hz: Float[np.ndarray, " bins"]) -> Float32[np.ndarray, " bins"]:
    """Amplitude at each frequency."""
    octave = np.log2(np.maximum(hz, 20).astype(np.float32) / 1000)
    gain_db = np.float32(production.tilt_db) * octave
    for bell in production.bells:
        distance = (octave - np.float32(np.log2(bell.hz / 1000))) / np.float32(bell.octaves)
        gain_db += np.float32(bell.gain_db) * np.exp(-(distance**2))
    highest = np.float32(np.log2(production.highest_hz / 1000))
    for octaves_beyond in (octave - highest, np.float32(-5) - octave):  # 55 dB per octave, soft knee
        gain_db -= 10 * np.logaddexp(np.float32(0), np.float32(5.5) * octaves_beyond)
    amplitude: Float32[np.ndarray, " bins"] = 10 ** (gain_db / 20)
    return amplitude


def _master(
    record: Stereo, production: Production, sample_rate_hz: int, rng: np.random.Generator
) -> Float32[np.ndarray, "samples channels"]:
    record *= np.float32(10 ** (production.loudness_db / 20) / (np.sqrt(np.mean(record**2)) + 1e-9))
    hiss = rng.standard_normal(record.shape, dtype=np.float32)
    record += np.float32(10 ** (production.hiss_db / 20)) * hiss
    record = np.tanh(record)  # peaks are rounded, never clipped
    fade = min(record.shape[1], sample_rate_hz // 2)
    record[:, record.shape[1] - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return np.ascontiguousarray(0.95 * record.T, dtype=np.float32)
