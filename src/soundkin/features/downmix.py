"""Downmix of several channels in which nothing is cancelled.

A mean over the channels is silent where they hold the same sound with opposite signs, as in badly wired,
widened or matrixed recordings. So where the mean loses much, the differences from it go along, as *parts*
[parts, samples]:

    mono            the samples alone
    stereo          the mean, and half the difference
    more channels   the mean, and each channel's difference from it, divided by the root of their number

The powers of all parts add up to the mean power of the channels. Spectra add them (`spectra`); where one
waveform is needed, `without_cancelling` takes the loudest channel in place of a mean that cancels. How far
the differences are faded in is decided for each SEGMENT_SAMPLES from the start of the file, whatever the
blocks, with slopes in between. Most of most records keeps nothing but the mean, at little extra cost.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np

from soundkin.shapes import Float32, typechecked

SEGMENT_SAMPLES = 4_096
# The power of the mean, against that of the mean of independent channels: the number of channels if all are
# alike, 0 if they cancel. From the first to the second value the differences are faded in; in stereo, from a
# difference with a quarter of all power to one with half. In CANCELLED the loudest channel replaces the mean.
FADED_IN = (1.5, 1.0)
CANCELLED = (0.6, 0.2)

Channels = Float32[np.ndarray, "samples channels"]
Parts = Float32[np.ndarray, "parts samples"]
PerSegment = Float32[np.ndarray, " segments"]


class Downmix:
    """Makes parts of consecutive blocks of channels, which hold whole segments, all but the last."""

    def __init__(self) -> None:
        # Of the differences, at the end of the block before; None after silence.
        self._gain: np.float32 | None = None

    @typechecked
    def __call__(
        self, block: Channels, powers: PerSegment, mean: Float32[np.ndarray, " samples"]
    ) -> list[Float32[np.ndarray, "_parts _samples"]]:
        """The parts, in runs of segments with and without differences, given the powers of the segments.

        The mean is written into `mean`, of which the parts are views.
        """
        channels = block.shape[1]
        if channels == 1:
            mean[:] = block[:, 0]
            return [mean[None]]
        np.add(block[:, 0], block[:, 1], out=mean)
        for channel in block.T[2:]:
            mean += channel
        mean *= np.float32(1 / channels)
        kept = _kept(segment_powers(mean[:, None]), powers, channels)
        if not self._gain and kept.min() >= FADED_IN[0]:  # as in most blocks of most files
            self._gain = np.float32(0) if powers[-1] else None
            return [mean[None]]
        gains = np.sqrt(_share(kept, FADED_IN))
        before = np.append(np.nan if self._gain is None else self._gain, gains[:-1]).astype(np.float32)
        silent = np.concatenate([np.isnan(before[:1]), powers[:-1] == 0])
        before = np.where(silent, gains, before)  # nothing to fade from
        self._gain = gains[-1] if powers[-1] else None
        needed = (gains > 0) | (before > 0)
        bounds = [0, *(1 + np.flatnonzero(needed[1:] != needed[:-1])), len(needed)]
        return [
            _with_differences(block[run], mean[run], before[first:past], gains[first:past])
            if needed[first]
            else mean[None, run]
            for first, past in pairwise(bounds)
            for run in [slice(first * SEGMENT_SAMPLES, past * SEGMENT_SAMPLES)]
        ]


def _with_differences(block: Channels, mean: np.ndarray, before: PerSegment, gains: PerSegment) -> Parts:
    """The mean, and the differences times gains that slope from one segment to the next."""
    channels = block.shape[1]
    slope = np.arange(1, SEGMENT_SAMPLES + 1, dtype=np.float32) / np.float32(SEGMENT_SAMPLES)
    faded = (before[:, None] + (gains - before)[:, None] * slope).reshape(-1)[: len(mean)]
    parts = np.empty((2 if channels == 2 else 1 + channels, len(mean)), np.float32)
    parts[0] = mean
    np.subtract(block.T[: len(parts) - 1], mean, out=parts[1:])
    parts[1:] *= faded if channels == 2 else faded * np.float32(channels**-0.5)
    return parts


def in_segments(blocks: Iterable[Channels]) -> Iterator[Channels]:
    """The same samples in blocks of whole segments, all but the last."""
    rest: Channels | None = None
    for block in blocks:
        if rest is not None and len(rest):
            block = np.concatenate([rest, block])
        whole = len(block) // SEGMENT_SAMPLES * SEGMENT_SAMPLES
        rest = block[whole:].copy()
        if whole:
            yield block[:whole]
    if rest is not None and len(rest):
        yield rest


def segment_powers(block: Channels) -> PerSegment:
    """Mean square of each segment of a block, over time and channels."""
    whole = len(block) // SEGMENT_SAMPLES
    size = SEGMENT_SAMPLES * block.shape[1]
    segments = np.ascontiguousarray(block[: whole * SEGMENT_SAMPLES]).reshape(whole, 1, size)
    powers = np.matmul(segments, segments.transpose(0, 2, 1))[:, 0, 0] / np.float32(size)
    rest = block[whole * SEGMENT_SAMPLES :]
    return np.append(powers, np.float32(mean_square(rest))) if len(rest) else powers


def mean_square(block: Float32[np.ndarray, "*any"]) -> float:
    """Mean power of samples."""
    flat = np.ravel(block, order="K")
    return float(np.dot(flat, flat)) / max(1, flat.size)


def without_cancelling(blocks: Iterable[Parts]) -> Iterator[Float32[np.ndarray, " samples"]]:
    """One waveform: the mean over the channels, and the loudest channel where the mean is cancelled."""
    gains: np.ndarray | None = None
    for parts in blocks:
        mixed = parts[0].copy()
        if len(parts) == 1:
            gains = np.zeros_like(gains) if gains is not None and mixed.any() else None
            yield mixed
            continue
        for start in range(0, len(mixed), SEGMENT_SAMPLES):
            segment = slice(start, start + SEGMENT_SAMPLES)
            gains = _take_over(mixed[segment], parts[1:, segment], gains)
        yield mixed


def _take_over(mean: np.ndarray, lost: Parts, before: np.ndarray | None) -> np.ndarray:
    """Replace `mean` by the loudest channel as far as it is cancelled; returns the channels' gains."""
    channels = max(2, len(lost))
    differences = np.concatenate([lost, -lost]) if channels == 2 else lost * np.float32(channels**0.5)
    powers = np.array([mean_square(mean + difference) for difference in differences])
    after = np.zeros(channels, np.float32)
    kept = _kept(np.array([mean_square(mean)]), powers.mean(keepdims=True), channels)
    after[powers.argmax()] = _share(kept, CANCELLED)[0]
    before = after if before is None else before
    slope = np.arange(1, len(mean) + 1, dtype=np.float32) / np.float32(len(mean))
    for difference, first, last in zip(differences, before, after, strict=True):
        if first or last:
            mean += (first + (last - first) * slope) * difference
    return after


def _kept(mean_power: np.ndarray, powers: np.ndarray, channels: int) -> np.ndarray:
    """The power of the mean over that of independent channels; `channels` in silence."""
    all_kept = np.full_like(mean_power, channels)
    kept: np.ndarray = np.divide(channels * mean_power, powers, out=all_kept, where=powers > 0)
    return kept


def _share(kept: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    first, second = bounds
    share: np.ndarray = np.clip((first - kept) / (first - second), 0, 1)
    return share
