"""Bags of MFCC codewords: the timbre that van den Oord, Dieleman & Schrauwen (2013) set their network beside.

Their section 4.1: 13 MFCCs a frame with first and second order differences, a dictionary of 4,000 by K-means,
and how often each codeword is the nearest in a track. Three choices are ours: differences are regression
slopes, as in `baselines`; each of the 39 figures is standardised first, since loudness alone would else
decide which is nearest; and counts become shares, since tracks here are of any length.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import savgol_filter
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin
from threadpoolctl import threadpool_limits

from soundkin.errors import UsageError
from soundkin.evaluation.baselines import DELTA_FRAMES
from soundkin.shapes import Float, Float32, typechecked

CODEWORDS = 4_000
COEFFICIENTS = 13
PASSES = 10  # over the frames that the codewords are learnt from
FRAMES_TO_START = 3  # a codeword: of so many, spread out, the first codewords are picked
FRAMES_AT_ONCE = 8_192

Frames = Float[np.ndarray, "frames coefficients"]


@typechecked
def with_differences(coefficients: Frames) -> Float32[np.ndarray, "frames described"]:
    """The first 13 MFCCs of each frame, their slopes and the slopes' slopes: 39 figures a frame."""
    courses = np.asarray(coefficients[:, :COEFFICIENTS], dtype=np.float32)
    slopes = [
        savgol_filter(courses, DELTA_FRAMES, polyorder=order, deriv=order, axis=0, mode="nearest")
        for order in (1, 2)
    ]
    return np.concatenate([courses, *slopes], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Codebook:
    """Codewords [codewords, 39], and the mean and spread [39] of the frames they were learnt from."""

    codewords: Float32[np.ndarray, "codewords described"]
    mean: Float32[np.ndarray, " described"]
    spread: Float32[np.ndarray, " described"]

    @classmethod
    def fit(cls, frames: Frames, codewords: int = CODEWORDS, random_seed: int = 0) -> "Codebook":
        """Learn codewords from a sample of frames, as `with_differences` gives them, of many tracks.

        The same sample and seed give the same codewords.

        Raises:
            UsageError: there are fewer frames than codewords.
        """
        if len(frames) < codewords:
            raise UsageError(
                f"{len(frames)} frames cannot teach {codewords} codewords. Sample more frames, or ask for fewer."
            )
        sample = np.asarray(frames, dtype=np.float32)
        mean, spread = sample.mean(axis=0), sample.std(axis=0)
        means = MiniBatchKMeans(
            codewords,
            max_iter=PASSES,
            batch_size=FRAMES_AT_ONCE,
            init_size=FRAMES_TO_START * codewords,
            n_init=1,
            random_state=random_seed,
        )
        with threadpool_limits(1):  # several threads add up in any order
            means.fit(_standardised(sample, mean, spread))
        return cls(means.cluster_centers_.astype(np.float32), mean, spread)

    @typechecked
    def histogram(self, frames: Frames) -> Float32[np.ndarray, " codewords"]:
        """The share of a track's frames that each codeword is the nearest to; all zero where there are no
        frames.
        """
        counts = np.zeros(len(self.codewords), dtype=int)
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            block = _standardised(frames[start : start + FRAMES_AT_ONCE], self.mean, self.spread)
            counts += np.bincount(pairwise_distances_argmin(block, self.codewords), minlength=len(counts))
        return (counts / max(len(frames), 1)).astype(np.float32)


def _standardised(
    frames: Frames, mean: np.ndarray, spread: np.ndarray
) -> Float32[np.ndarray, "frames described"]:
    return np.asarray((frames - mean) / np.where(spread > 0, spread, 1), dtype=np.float32)
