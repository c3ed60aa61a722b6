"""From several channels to one sound, of which nothing is cancelled.

A mean over the channels is silent where they hold the same sound with opposite signs, as badly wired, widened or
matrixed recordings do. So the mean goes on together with what differs from it, as *parts* [parts, samples]:

    mono            the samples alone
    stereo          the mean, and half the difference
    more channels   the mean, and each channel's difference from it, divided by the root of their number

The powers of the parts add up to the mean power of the channels. Spectra add them (`spectrum`); where one waveform is
needed, `without_cancelling` takes the loudest channel in the place of a mean that cancels.
"""

from collections.abc import Iterator
from functools import reduce

import numpy as np

from soundkin.shapes import Float32, typechecked

SEGMENT_SAMPLES = 4_096
# The power of the mean, against that of the mean of independent channels: as many as there are channels where all are
# alike, 0 where they cancel. From the first to the second, the loudest channel takes over.
CANCELLED_FROM, CANCELLED = 0.6, 0.2

Parts = Float32[np.ndarray, "parts samples"]
Gains = Float32[np.ndarray, " channels"]


@typechecked
@np.errstate(over="ignore", invalid="ignore")
def split(block: Float32[np.ndarray, "samples channels"]) -> Parts:
    """The parts of a block of channels; a new array."""
    samples, channels = block.shape
    if channels == 1:
        return block.T.copy()
    parts = np.empty((2 if channels == 2 else 1 + channels, samples), np.float32)
    if channels == 2:
        np.add(block[:, 0], block[:, 1], out=parts[0])
        np.subtract(block[:, 0], block[:, 1], out=parts[1])
        parts *= np.float32(0.5)
        return parts
    parts[0] = reduce(np.add, block.T) * np.float32(1 / channels)
    parts[1:] = (block.T - parts[0]) * np.float32(channels**-0.5)
    return parts


def channels_of(parts: int) -> int:
    """How many channels so many parts stand for."""
    return parts if parts <= 2 else parts - 1


def mean_square(parts: Parts) -> float:
    """Mean over the samples of the channels' mean power."""
    return sum(float(np.dot(part, part)) for part in parts) / max(1, parts.shape[1])


def without_cancelling(blocks: Iterator[Parts]) -> Iterator[Float32[np.ndarray, " samples"]]:
    """One waveform: the mean over the channels, and the loudest channel where the mean is cancelled.

    Decided for each SEGMENT_SAMPLES from the start of the file, whatever the blocks, with slopes from one to the next.
    """
    held: Parts | None = None
    gains: Gains | None = None
    for block in blocks:
        if len(block) == 1:
            yield block[0]
            continue
        held = block if held is None else np.concatenate([held, block], axis=1)
        whole = held.shape[1] // SEGMENT_SAMPLES * SEGMENT_SAMPLES
        mixed = []
        for start in range(0, whole, SEGMENT_SAMPLES):
            segment, gains = _mixed(held[:, start : start + SEGMENT_SAMPLES], gains)
            mixed.append(segment)
        held = held[:, whole:]
        if mixed:
            yield np.concatenate(mixed)
    if held is not None and held.shape[1]:
        yield _mixed(held, gains)[0]


def _mixed(parts: Parts, gains: Gains | None) -> tuple[Float32[np.ndarray, " samples"], Gains]:
    """A segment as one waveform, and how far each channel takes the place of the mean at its end."""
    mean = parts[0]
    differences = (
        np.stack([parts[1], -parts[1]]) if len(parts) == 2 else parts[1:] * np.float32((len(parts) - 1) ** 0.5)
    )
    wanted = np.zeros(len(differences), np.float32)
    powers = [float(np.dot(mean + one, mean + one)) for one in differences]
    if sum(powers):
        kept = float(np.dot(mean, mean)) * len(powers) ** 2 / sum(powers)
        wanted[int(np.argmax(powers))] = np.clip((CANCELLED_FROM - kept) / (CANCELLED_FROM - CANCELLED), 0, 1)
    gains = wanted if gains is None else gains
    if not wanted.any() and not gains.any():
        return mean, wanted
    slope = np.arange(1, len(mean) + 1, dtype=np.float32) / np.float32(len(mean))
    mixed = mean.copy()
    for difference, before, after in zip(differences, gains, wanted, strict=True):
        if before or after:
            mixed += (before + (after - before) * slope) * difference
    return mixed, wanted
