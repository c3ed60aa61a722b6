"""Conversions between seconds, samples and frames; nothing else in the project converts them.

Frame `t` covers samples `[t * hop_samples, t * hop_samples + window_samples)`: no padding, no centring.
"""


def seconds_to_samples(seconds: float, sample_rate_hz: int) -> int:
    """Seconds to the nearest whole number of samples."""
    return round(seconds * sample_rate_hz)


def samples_to_seconds(samples: int, sample_rate_hz: int) -> float:
    """Samples to seconds."""
    return samples / sample_rate_hz


def samples_to_frames(samples: int, window_samples: int, hop_samples: int) -> int:
    """How many whole frames fit in `samples`; 0 if not even one does."""
    return max(0, (samples - window_samples) // hop_samples + 1)


def seconds_to_frames(seconds: float, sample_rate_hz: int, hop_samples: int) -> int:
    """Seconds to the nearest whole number of hops, at least 1."""
    return max(1, round(seconds * sample_rate_hz / hop_samples))


def frames_to_seconds(frames: int, sample_rate_hz: int, hop_samples: int) -> float:
    """Where frame number `frames` begins, in seconds."""
    return frames * hop_samples / sample_rate_hz


def clock(seconds: float) -> str:
    """Minutes and seconds as people read them: `1:02`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
