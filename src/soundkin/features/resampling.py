"""Resampling of streams: a waveform, or parts (`downmix`) that come and go."""

from collections.abc import Iterator

import numpy as np
import soxr

from soundkin.shapes import Float32

SILENCE_SAMPLES = 65_536  # at a time

Samples = Float32[np.ndarray, "*parts samples"]


def resample(blocks: Iterator[Samples], from_hz: int, to_hz: int) -> Iterator[Samples]:
    """Resample a stream of blocks [samples] or [parts, samples]; whatever their sizes, the same samples come
    out.

    Parts may come and go; where one is missing, it is silent.
    """
    if from_hz == to_hz:
        yield from blocks
        return
    parts: list[_ResampledPart] = []
    read, written, one_row = 0, 0, False
    for block in blocks:
        one_row = block.ndim == 1
        rows = np.atleast_2d(block)
        parts += [_ResampledPart(from_hz, to_hz, read, written) for _ in range(len(rows) - len(parts))]
        silence = np.zeros(rows.shape[1], np.float32) if len(parts) > len(rows) else rows[0]
        for number, part in enumerate(parts):
            part.add(rows[number] if number < len(rows) else silence)
        read += rows.shape[1]
        ready = min(len(part.waiting) for part in parts)
        written += ready
        yield np.stack([part.take(ready) for part in parts])[0 if one_row else slice(None)]
    for part in parts:
        part.add(np.empty(0, np.float32), last=True)
    if parts:
        ready = min(len(part.waiting) for part in parts)
        yield np.stack([part.take(ready) for part in parts])[0 if one_row else slice(None)]


class _ResampledPart:
    """One part, silent for `read` samples until now, of which `written` have been passed on already."""

    def __init__(self, from_hz: int, to_hz: int, read: int, written: int) -> None:
        self._resampler = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
        self.waiting = np.empty(0, np.float32)
        self._to_skip = written
        for start in range(0, read, SILENCE_SAMPLES):
            self.add(np.zeros(min(SILENCE_SAMPLES, read - start), np.float32))

    def add(self, samples: Float32[np.ndarray, " samples"], last: bool = False) -> None:
        """Resample more."""
        resampled = self._resampler.resample_chunk(np.ascontiguousarray(samples), last=last)
        self.waiting = np.concatenate([self.waiting, resampled[self._to_skip :]])
        self._to_skip = max(0, self._to_skip - len(resampled))

    def take(self, count: int) -> Float32[np.ndarray, " count"]:
        """The next samples."""
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken
