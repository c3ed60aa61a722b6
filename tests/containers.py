"""Files in containers that only FFmpeg writes: a second of sound with tags, or a film without sound."""

from pathlib import Path

import av
import numpy as np

RATE_HZ = 48_000


def encode(
    path: Path, codec: str, container: str | None = None, seed: int = 0, seconds: int = 1, **tags: str
) -> Path:
    """Write a second of noise, or more, another for each `seed`; the suffix names the container."""
    noise = 0.1 * np.random.default_rng(seed).normal(size=(1, seconds * RATE_HZ)).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(noise, format="fltp", layout="mono")
    frame.sample_rate = RATE_HZ
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=container) as file:
        file.metadata.update(tags)
        stream = file.add_stream(codec, rate=RATE_HZ, layout="mono")
        stream.bit_rate = 96_000
        resampler = av.AudioResampler(stream.format, "mono", RATE_HZ, stream.codec_context.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return path


def silent_film(path: Path) -> Path:
    """Write a film of a few frames, without sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for _ in range(3):
            file.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24"))
            )
        file.mux(stream.encode(None))
    return path
