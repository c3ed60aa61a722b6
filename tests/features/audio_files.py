"""Audio made on the spot: a short tune, and how to write it with FFmpeg."""

from pathlib import Path

import av
import numpy as np

SECONDS = 3.0
TONES_HZ = (220.0, 880.0, 3_520.0)


def tune(sample_rate_hz: int, seconds: float = SECONDS, channels: int = 2) -> np.ndarray:
    """Three tones that fade in and out in turn, and a little noise: float32 [samples, channels]."""
    time = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    audible = [hz for hz in TONES_HZ if hz < 0.45 * sample_rate_hz]
    tones = sum(
        np.sin(2 * np.pi * hz * time) * (1 + np.sin(2 * np.pi * (i + 1) * time))
        for i, hz in enumerate(audible)
    )
    noise = np.random.default_rng(0).normal(size=(len(time), channels)) * 1e-3
    return (np.asarray(tones)[:, np.newaxis] * 0.1 + noise).astype(np.float32)


def encode(path: Path, samples: np.ndarray, sample_rate_hz: int, codec: str) -> Path:
    """Write [samples, channels] with FFmpeg."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=sample_rate_hz, layout="stereo")
        stream.bit_rate = 128_000
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout="stereo")
        frame.sample_rate = sample_rate_hz
        resampler = av.AudioResampler(
            stream.format, "stereo", sample_rate_hz, stream.codec_context.frame_size or 1024
        )
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path
