"""Do two files hold the same music, and where? Fingerprints of their log-mels, slid along each other.

A fingerprint says, ten times a second, which pitches stand out from their neighbours, and more than a moment
before or after: int8 [frames, bands], each frame scaled to LARGEST. Loudness, equalisation and slow changes
fall out of it, and so do strokes of drums, which sound on all bands at once and alike in tracks that have
little else in common.

Similarity is the mean cosine of frames at the same moment, a silent frame counting as 0: 1 for equal
fingerprints, about 0.1 and at most some 0.4 for different music at its best offset, measured
(`benchmarks/duplicates.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.shapes import Float, Float32, Int, typechecked

# With all silence kept, places in a fingerprint are places in the file.
FRONT_END = LogMelFrontEnd(level_db=None, silence_db=None)
LONGEST_SECONDS = 300.0  # of a file are read: a fingerprint is at most 108 kB

MELS = 72  # up to 4.3 kHz, which a copy at 8 kHz still has
NEIGHBOURING_MELS = 12  # their mean is subtracted: some 400 Hz, and above 1 kHz half an octave
MELS_A_BAND = 2
BANDS = MELS // MELS_A_BAND
LOG_MELS_A_FRAME = 3  # 0.1 s
SMOOTHED_LOG_MELS = 6  # 0.2 s, so that half a frame off is still much the same
SECONDS_AROUND = 4.0  # their mean is subtracted
FAINTEST = 1.0  # norm of a frame that stands out; fainter ones are not blown up
LARGEST = 127

FRAMES_PER_SECOND = FRONT_END.frames_per_second / LOG_MELS_A_FRAME

LEAST_OVERLAP = 0.5  # of what sounds in the shorter one
LEAST_SECONDS = 3.0  # that sound on both sides; in less, much music is alike
PROMISING = 0.3  # below this, finer ratios are not tried

TEMPO_RATIOS = tuple(round(0.90 + 0.01 * step, 2) for step in range(21))
FINER_RATIOS = tuple(round(-0.008 + 0.002 * step, 3) for step in range(9))  # around the best of TEMPO_RATIOS
EXCERPT_SECONDS = 30.0  # a ratio that is off by 0.005 drifts by 0.075 s to either end of it

Fingerprint = Int[np.ndarray, "_frames bands"]  # two of them may differ in length


@dataclass(frozen=True)
class Alignment:
    """The best placement of one fingerprint on another.

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
"""The answer for files too short or too quiet to compare."""


def fingerprint_of_file(path: Path, longest_seconds: float = LONGEST_SECONDS) -> Fingerprint:
    """Fingerprint of a file's first `longest_seconds`; AudioError if it cannot be used."""
    return fingerprint(FRONT_END.frames(path, longest_seconds).numpy())


@typechecked
def fingerprint(log_mel: Float32[np.ndarray, "frames mels"]) -> Fingerprint:
    """Fingerprint of log-mel frames made with FRONT_END; no frame where there is less than 0.2 s."""
    if len(log_mel) < SMOOTHED_LOG_MELS:
        return np.empty((0, BANDS), np.int8)
    mels = log_mel[:, :MELS]
    windows = np.lib.stride_tricks.sliding_window_view(mels, SMOOTHED_LOG_MELS, axis=0)[::LOG_MELS_A_FRAME]
    smooth = np.asarray(windows.mean(axis=2))
    contrast = smooth - _means_around(smooth, NEIGHBOURING_MELS, axis=1)
    contrast -= _means_around(contrast, round(SECONDS_AROUND * FRAMES_PER_SECOND), axis=0)
    bands = contrast.reshape(len(contrast), BANDS, MELS_A_BAND).mean(axis=2)
    norms = np.linalg.norm(bands, axis=1, keepdims=True)
    scaled: np.ndarray = np.rint(LARGEST * bands / np.maximum(norms, FAINTEST)).astype(np.int8)
    return scaled


def _means_around(values: Float32[np.ndarray, "rows columns"], size: int, axis: int) -> np.ndarray:
    """The mean of the `size` values around each, along an axis that goes on at its ends as it ends."""
    reach = [(size // 2, size - 1 - size // 2) if each == axis else (0, 0) for each in range(2)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, "edge"), size, axis)
    means: np.ndarray = windows.mean(axis=-1)
    return means


@typechecked
def align(first: Fingerprint, second: Fingerprint) -> Alignment:
    """The best of all offsets at equal tempo."""
    return _best(first, second, [_Excerpt()])


@typechecked
def align_at_any_tempo(first: Fingerprint, second: Fingerprint) -> Alignment:
    """The best of all offsets and of the tempo ratios 0.89 to 1.11, at the same pitch and a steady ratio.

    Thirty seconds from the middle of the shorter fingerprint are tried at each of TEMPO_RATIOS. If one is
    promising, the whole fingerprints are aligned at ratios near it, and that is what is returned.
    """
    if len(first) > len(second):
        return align_at_any_tempo(second, first).seen_from_second()
    middle, reach = len(first) / 2, EXCERPT_SECONDS / 2 * FRAMES_PER_SECOND
    start, stop = max(0.0, middle - reach), min(float(len(first)), middle + reach)
    coarse = _best(first, second, [_Excerpt(start, stop, ratio) for ratio in TEMPO_RATIOS])
    if coarse.similarity < PROMISING:
        return coarse
    return _best(first, second, [_Excerpt(ratio=coarse.tempo_ratio + finer) for finer in FINER_RATIOS])


@dataclass(frozen=True)
class _Excerpt:
    """A fingerprint's frames from `start` to `stop` in steps of `ratio`, interpolated."""

    start: float = 0.0
    stop: float = np.inf
    ratio: float = 1.0

    def read(self, frames: Float32[np.ndarray, "frames bands"]) -> Float32[np.ndarray, "read bands"]:
        positions = np.arange(self.start, min(self.stop, len(frames) - 1 + 1e-6), self.ratio)
        left = np.minimum(positions.astype(int), len(frames) - 2)
        share = (positions - left).astype(np.float32)[:, None]
        interpolated: np.ndarray = frames[left] * (1 - share) + frames[left + 1] * share
        return interpolated


def _best(first: Fingerprint, second: Fingerprint, excerpts: Sequence[_Excerpt]) -> Alignment:
    """The best offset of the best of several excerpts of `first`."""
    if min(len(first), len(second)) < LEAST_SECONDS * FRAMES_PER_SECOND / 2:
        return APART
    first, second = (shape.astype(np.float32) / LARGEST for shape in (first, second))
    read = [excerpt.read(first) for excerpt in excerpts]
    size = 1 << (max(map(len, read)) + len(second) - 2).bit_length()
    spectrum = np.fft.rfft(second, size, axis=0)
    alignments = []
    for excerpt, frames in zip(excerpts, read, strict=True):
        products = np.fft.irfft((np.fft.rfft(frames, size, axis=0).conj() * spectrum).sum(axis=1), size)
        similarity, lag, overlap = _best_lag(products, _sounding(frames), _sounding(second))
        offset = (lag - excerpt.start / excerpt.ratio) / FRAMES_PER_SECOND
        alignments.append(Alignment(similarity, offset, excerpt.ratio, overlap))
    return max(alignments, key=lambda alignment: alignment.similarity)


def _best_lag(
    products: Float32[np.ndarray, " size"],
    first: Float[np.ndarray, " first"],
    second: Float[np.ndarray, " second"],
) -> tuple[float, int, float]:
    """Similarity, frames by which the first is moved, and overlap, where the similarity is highest.

    `products` are the sums of products of frames at each lag, negative ones at the end; `first` and `second`
    are the running sums of `_sounding`.
    """
    lags = np.arange(2 - len(first), len(second) - 1)
    starts, stops = np.maximum(0, -lags), np.minimum(len(first) - 1, len(second) - 1 - lags)
    in_first = first[stops] - first[starts]
    in_second = second[stops + lags] - second[starts + lags]
    overlap = (in_first if first[-1] <= second[-1] else in_second) / max(min(first[-1], second[-1]), 1e-9)
    least = LEAST_SECONDS * FRAMES_PER_SECOND
    enough = (overlap >= LEAST_OVERLAP) & (np.minimum(in_first, in_second) >= least)
    if not enough.any():
        return 0.0, 0, 0.0
    similarity = np.where(enough, products[lags] / np.maximum(np.maximum(in_first, in_second), 1e-9), -np.inf)
    best = int(similarity.argmax())
    return min(1.0, float(similarity[best])), int(lags[best]), min(1.0, float(overlap[best]))


def _sounding(frames: Float32[np.ndarray, "frames bands"]) -> Float[np.ndarray, " frames_and_one"]:
    """Running sum of squared norms: how much sounds before each frame, and in all."""
    return np.concatenate([[0.0], np.cumsum(np.square(frames).sum(axis=1), dtype=float)])
