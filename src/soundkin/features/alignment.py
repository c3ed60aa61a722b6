"""Do two files hold the same music, and where? Outlines of their log-mels, slid along each other.

An fingerprint says, ten times a second, which pitches stand out from those beside them, and more than a
moment before or after: int8 [frames, bands], each frame scaled to LARGEST. Loudness, equalisation and slow
changes fall out of it, and so do strokes of drums, which sound on all bands at once and alike in tracks that
have little else in common.

Similarity is the mean cosine of the frames that lie on each other, a silent frame counting as 0: 1 for equal
outlines, about 0.1 and at most some 0.4 for different music at its best offset, measured
(`benchmarks/duplicates.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.ndimage import uniform_filter1d

from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.shapes import Float, Float32, Int, typechecked

FRONT_END = LogMelFrontEnd(level_db=None, silence_db=None)  # places in an fingerprint are places in the file
LONGEST_SECONDS = 300.0  # of a file are read: an fingerprint is at most 108 kB

MELS = 72  # up to 4.3 kHz, which a copy at 8 kHz still has
MELS_BESIDE = 12  # their mean is taken off: some 400 Hz, and above 1 kHz half an octave
MELS_A_BAND = 2
BANDS = MELS // MELS_A_BAND
LOG_MELS_A_FRAME = 3  # 0.1 s
SMOOTHED_LOG_MELS = 6  # 0.2 s, so that half a frame off is still much the same
SECONDS_AROUND = 4.0  # their mean is taken off
FAINTEST = 1.0  # norm of a frame that stands out; what stands out less is not blown up
LARGEST = 127

FRAMES_PER_SECOND = FRONT_END.frames_per_second / LOG_MELS_A_FRAME

LEAST_OVERLAP = 0.5  # of what sounds in the shorter one
LEAST_SECONDS = 3.0  # that sound on both sides; in less, much music is alike
PROMISING = 0.3  # below this, finer ratios are not tried

TEMPO_RATIOS = tuple(round(0.90 + 0.01 * step, 2) for step in range(21))
FINER_RATIOS = tuple(round(-0.008 + 0.002 * step, 3) for step in range(9))  # around the best of TEMPO_RATIOS
EXCERPT_SECONDS = 30.0  # a ratio that is off by 0.005 drifts by 0.075 s to either end of it

Outline = Int[np.ndarray, "_frames bands"]  # two of them may differ in length


@dataclass(frozen=True)
class Alignment:
    """How one fingerprint lies on another at its best.

    A moment `t` of the first, in seconds, sounds in the second at `offset_seconds + t / tempo_ratio`, to
    within a frame. `similarity` is in [-1, 1]; `overlap` is the share of what sounds in the shorter one that
    lies on the other.
    """

    similarity: float
    offset_seconds: float
    tempo_ratio: float
    overlap: float

    def seen_from_second(self) -> "Alignment":
        """The same, with first and second exchanged."""
        ratio = 1 / self.tempo_ratio
        return Alignment(self.similarity, -self.offset_seconds * self.tempo_ratio, ratio, self.overlap)


APART = Alignment(similarity=0.0, offset_seconds=0.0, tempo_ratio=1.0, overlap=0.0)
"""What there is to say of files too short or too quiet to compare."""


def fingerprint_of_file(path: Path) -> Outline:
    """Outline of a file's first LONGEST_SECONDS.

    Raises:
        AudioError: the file cannot be used; `decode` says when.
    """
    return fingerprint(FRONT_END.frames(path, LONGEST_SECONDS).numpy())


@typechecked
def fingerprint(log_mel: Float32[np.ndarray, "frames mels"]) -> Outline:
    """Outline of log-mel frames made with FRONT_END; no frame where there is less than 0.2 s."""
    smooth = _means(log_mel[:, :MELS])
    if not len(smooth):
        return np.empty((0, BANDS), np.int8)
    contrast = smooth - uniform_filter1d(smooth, MELS_BESIDE, axis=1, mode="nearest")
    contrast -= uniform_filter1d(contrast, round(SECONDS_AROUND * FRAMES_PER_SECOND), axis=0, mode="nearest")
    bands = contrast.reshape(len(contrast), BANDS, MELS_A_BAND).mean(axis=2)
    norms = np.linalg.norm(bands, axis=1, keepdims=True)
    scaled: np.ndarray = np.rint(LARGEST * bands / np.maximum(norms, FAINTEST)).astype(np.int8)
    return scaled


@typechecked
def align(first: Outline, second: Outline) -> Alignment:
    """The best of all offsets at equal tempo."""
    return _best(first, second, [_Reading()])


@typechecked
def align_at_any_tempo(first: Outline, second: Outline) -> Alignment:
    """The best of all offsets and of the tempo ratios 0.89 to 1.11, at kept pitch and a steady ratio.

    Thirty seconds from the middle of the shorter fingerprint are tried at each of TEMPO_RATIOS. If one is
    promising, the whole outlines are aligned at ratios near it, and that is what is returned.
    """
    if len(first) > len(second):
        return align_at_any_tempo(second, first).seen_from_second()
    middle, reach = len(first) / 2, EXCERPT_SECONDS / 2 * FRAMES_PER_SECOND
    start, stop = max(0.0, middle - reach), min(float(len(first)), middle + reach)
    found = _best(first, second, [_Reading(start, stop, ratio) for ratio in TEMPO_RATIOS])
    if found.similarity < PROMISING:
        return found
    return _best(first, second, [_Reading(ratio=found.tempo_ratio + finer) for finer in FINER_RATIOS])


@dataclass(frozen=True)
class _Reading:
    """An outline's frames from `start` to `stop`, read `ratio` of them at a time, between two where it falls
    so.
    """

    start: float = 0.0
    stop: float = np.inf
    ratio: float = 1.0

    def of(self, frames: Float32[np.ndarray, "frames bands"]) -> Float32[np.ndarray, "read bands"]:
        positions = np.arange(self.start, min(self.stop, len(frames) - 1 + 1e-6), self.ratio)
        left = np.minimum(positions.astype(int), len(frames) - 2)
        share = (positions - left).astype(np.float32)[:, None]
        read: np.ndarray = frames[left] * (1 - share) + frames[left + 1] * share
        return read


def _best(first: Outline, second: Outline, readings: Sequence[_Reading]) -> Alignment:
    """The best offset of the best of several readings of `first`."""
    if min(len(first), len(second)) < LEAST_SECONDS * FRAMES_PER_SECOND / 2:
        return APART
    unit = [shape.astype(np.float32) / LARGEST for shape in (first, second)]
    read = [reading.of(unit[0]) for reading in readings]
    size = next_fast_len(max(map(len, read)) + len(second) - 1, real=True)
    spectrum = rfft(unit[1], size, axis=0)
    found = []
    for reading, frames in zip(readings, read, strict=True):
        products = irfft((rfft(frames, size, axis=0).conj() * spectrum).sum(axis=1), size)
        similarity, lag, overlap = _best_lag(products, _sounding(frames), _sounding(unit[1]))
        offset = (lag - reading.start / reading.ratio) / FRAMES_PER_SECOND
        found.append(Alignment(similarity, offset, reading.ratio, overlap))
    return max(found, key=lambda alignment: alignment.similarity)


def _best_lag(
    products: Float32[np.ndarray, " size"],
    first: Float[np.ndarray, " first"],
    second: Float[np.ndarray, " second"],
) -> tuple[float, int, float]:
    """Similarity, frames by which the first is moved, and overlap, where the similarity is highest.

    `products` are the sums of products of frames at each lag, negative ones at the end; `first` and `second`
    say how much sounds up to each frame.
    """
    lags = np.arange(2 - len(first), len(second) - 1)
    starts, stops = np.maximum(0, -lags), np.minimum(len(first) - 1, len(second) - 1 - lags)
    of_first = first[stops] - first[starts]
    of_second = second[stops + lags] - second[starts + lags]
    overlap = (of_first if first[-1] <= second[-1] else of_second) / max(min(first[-1], second[-1]), 1e-9)
    enough = (overlap >= LEAST_OVERLAP) & (
        np.minimum(of_first, of_second) >= LEAST_SECONDS * FRAMES_PER_SECOND
    )
    if not enough.any():
        return 0.0, 0, 0.0
    similarity = np.where(enough, products[lags] / np.maximum(np.maximum(of_first, of_second), 1e-9), -np.inf)
    best = int(similarity.argmax())
    return min(1.0, float(similarity[best])), int(lags[best]), min(1.0, float(overlap[best]))


def _sounding(frames: Float32[np.ndarray, "frames bands"]) -> Float[np.ndarray, " frames_and_one"]:
    """How much sounds before each frame, and in all: the running sum of squared norms."""
    return np.concatenate([[0.0], np.cumsum(np.square(frames).sum(axis=1), dtype=float)])


def _means(log_mel: Float32[np.ndarray, "frames mels"]) -> Float32[np.ndarray, "outline mels"]:
    """Means over SMOOTHED_LOG_MELS frames, LOG_MELS_A_FRAME apart."""
    if len(log_mel) < SMOOTHED_LOG_MELS:
        return np.empty((0, log_mel.shape[1]), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(log_mel, SMOOTHED_LOG_MELS, axis=0)[::LOG_MELS_A_FRAME]
    return np.asarray(windows.mean(axis=2))
