"""Samples: float arrays [samples], mono, at one rate; levels and filters."""

from typing import Any

import numpy as np
from scipy.signal import butter, sosfilt

RATE_HZ = 22_050
SECONDS = 22.0  # of a song

Samples = np.ndarray


def pick(rng: np.random.Generator, items: Any) -> Any:
    """One of a sequence of whatever kind."""
    return items[int(rng.integers(len(items)))]


def with_rms(samples: Samples, rms: float = 0.1) -> Samples:
    """At this root mean square."""
    return samples * (rms / (np.sqrt(np.mean(samples**2)) + 1e-9))


def band(
    samples: Samples, low_hz: float | None = None, high_hz: float | None = None, order: int = 2
) -> Samples:
    """What lies above `low_hz` and below `high_hz`."""
    if low_hz:
        samples = sosfilt(butter(order, low_hz, "high", fs=RATE_HZ, output="sos"), samples)
    if high_hz and high_hz < RATE_HZ / 2:
        samples = sosfilt(butter(order, high_hz, "low", fs=RATE_HZ, output="sos"), samples)
    return samples.astype(np.float32)
