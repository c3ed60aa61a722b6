"""Arrays of samples as people have them, checked and brought to one form: float32 [samples, channels], full
scale 1.
"""

from numbers import Real

import numpy as np

from soundkin.errors import UsageError
from soundkin.features.decode import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MOST_CHANNELS
from soundkin.shapes import Float32

WANTED = "Give floats with full scale 1.0, or 8, 16 or 32 bit integers, as [samples] or [channels, samples]."


def samples_by_channels(samples: np.ndarray) -> Float32[np.ndarray, "samples channels"]:
    """Samples of [samples], [channels, samples] or [samples, channels] (the longer side is time), scaled if
    integers.

    Raises:
        UsageError: the shape or the type is of no sound, or a sample is not finite.
    """
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and min(samples.shape) > MOST_CHANNELS):
        raise UsageError(f"samples of shape {samples.shape}: {WANTED}")
    if samples.ndim == 1:
        samples = samples[:, np.newaxis]
    elif samples.shape[0] < samples.shape[1]:
        samples = samples.T
    scaled = _scaled(samples)
    if not np.isfinite(scaled).all():
        row, channel = np.argwhere(~np.isfinite(scaled))[0]
        bad = int((~np.isfinite(scaled)).sum())
        value = samples[row, channel]
        raise UsageError(
            f"{bad} samples are not finite as 32 bit floats, the first at {row}: {value}. Mend them first."
        )
    return scaled


def rate_hz(value: object) -> int:
    """`value` as a sample rate in Hz.

    Raises:
        UsageError: it is no whole number, or out of range.
    """
    whole = isinstance(value, Real) and not isinstance(value, bool) and float(value).is_integer()
    if not whole or not LOWEST_RATE_HZ <= int(value) <= HIGHEST_RATE_HZ:  # type: ignore[call-overload]
        raise UsageError(
            f"sample_rate_hz={value!r}: give a whole number from {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}."
        )
    return int(value)  # type: ignore[call-overload, no-any-return]


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
