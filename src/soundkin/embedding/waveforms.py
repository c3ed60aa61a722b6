"""Arrays of samples as people have them, checked and put into one form: float32, full scale 1."""

from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np

from soundkin.errors import UsageError
from soundkin.features.decode import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MOST_CHANNELS, AudioStream
from soundkin.features.decoders import Source
from soundkin.shapes import Float32

WANTED = "Give floats with full scale 1.0, or 8, 16 or 32 bit integers, as [samples] or [channels, samples]."


def stream_array(samples: np.ndarray, sample_rate_hz: Any) -> AudioStream:
    """An array of samples as if it were an open file, so that the same guards apply.

    It is [samples], [channels, samples] or [samples, channels]: the longer side is time.
    """
    rate: Any = sample_rate_hz if isinstance(sample_rate_hz, Real) else 0
    if not LOWEST_RATE_HZ <= rate <= HIGHEST_RATE_HZ or rate != int(rate):
        wanted = f"give a whole number from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}"
        raise UsageError(f"sample_rate_hz={sample_rate_hz!r}: {wanted}.")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and min(samples.shape) > MOST_CHANNELS):
        raise UsageError(f"samples of shape {samples.shape}: {WANTED}")
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    elif samples.shape[0] < samples.shape[1]:
        samples = samples.T
    scaled = _scaled(samples)
    odd = np.argwhere(~np.isfinite(scaled))
    if len(odd):
        first = f"the first at {odd[0, 0]}: {samples[tuple(odd[0])]}"
        raise UsageError(f"{len(odd)} samples are not finite as 32 bit floats, {first}. Mend them first.")
    source = Source("none", int(rate), scaled.shape[1], len(scaled), iter([scaled]))
    return AudioStream(Path("the waveform"), int(rate), source)


def _scaled(samples: np.ndarray) -> Float32[np.ndarray, "samples channels"]:
    kind, bits = samples.dtype.kind, 8 * samples.dtype.itemsize
    if kind == "f":
        with np.errstate(over="ignore"):
            return samples.astype(np.float32, copy=False)
    if kind not in "iu" or bits > 32:
        raise UsageError(f"samples of type {samples.dtype}: {WANTED}")
    full_scale = 2.0 ** (bits - 1)
    centre = full_scale if kind == "u" else 0.0
    return ((samples.astype(np.float64) - centre) / full_scale).astype(np.float32)
