"""Resampling of streams: a waveform, or parts (`downmix`) that come and go."""

from collections.abc import Iterator

import numpy as np
import soxr

from soundkin.shapes import Float32

SILENCE_SAMPLES = 65_536  # at a time

Samples = Float32[np.ndarray, "*parts samples"]


def resample(blocks: Iterator[Samples], from_hz: int, to_hz: int) -> Iterator[Samples]:
    """Resample blocks [samples] or [parts, samples]: the same samples whatever the block sizes.

    Parts may come and go; a missing one counts as silent.
    """
    if from_hz == to_hz:
        yield from blocks
        return
    parts: list[_ResampledPart] = []
    read, written, dimensions = 0, 0, 1
    for block in blocks:
        dimensions, rows = block.ndim, np.atleast_2d(block)
        parts += [_ResampledPart(from_hz, to_hz, read, written) for _ in range(len(rows) - len(parts))]
        silence = np.zeros(rows.shape[1], np.float32) if len(parts) > len(rows) else rows[0]
        for number, part in enumerate(parts):
            part.add(rows[number] if number < len(rows) else silence)
        read += rows.shape[1]
        resampled = _take_ready(parts)
        written += resampled.shape[1]
        yield resampled[0] if dimensions == 1 else resampled
    if parts:
        for part in parts:
            part.add(np.empty(0, np.float32), last=True)
        resampled = _take_ready(parts)
        yield resampled[0] if dimensions == 1 else resampled


class _ResampledPart:
    """A part, silent for `read` samples until now, of which `written` have been passed on already."""

    def __init__(self, from_hz: int, to_hz: int, read: int, written: int) -> None:
        self._resampler = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
        self.waiting = np.empty(0, np.float32)
        self._to_skip = written
        for start in range(0, read, SILENCE_SAMPLES):
            self.add(np.zeros(min(SILENCE_SAMPLES, read - start), np.float32))

    def add(self, samples: Float32[np.ndarray, " samples"], last: bool = False) -> None:
        resampled = self._resampler.resample_chunk(np.ascontiguousarray(samples), last=last)
        self.waiting = np.concatenate([self.waiting, resampled[self._to_skip :]])
        self._to_skip = max(0, self._to_skip - len(resampled))


def _take_ready(parts: list[_ResampledPart]) -> Float32[np.ndarray, "parts ready"]:
    """The samples that all parts have."""
    ready = min(len(part.waiting) for part in parts)
    taken = np.stack([part.waiting[:ready] for part in parts])
    for part in parts:
        part.waiting = part.waiting[ready:]
    return taken
