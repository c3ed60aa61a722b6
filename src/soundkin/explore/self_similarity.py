"""A song beside itself: how alike each two of its beats are, and where what came and what comes differ."""

import numpy as np

from soundkin.shapes import Float, typechecked
from soundkin.statistics.scaling import standardise, unit_length

NOVELTY_BEATS = 16  # on each side
TAPER = 0.4  # deviation of the kernel's Gaussian, in halves of the kernel


@typechecked
def self_similarity(
    features: Float[np.ndarray, "beats features"], smooth_beats: int = 1
) -> Float[np.ndarray, "beats beats"]:
    """Cosines of the standardised features of each two beats.

    With `smooth_beats`, means over so many pairs of beats that run side by side, which brings out passages
    that come again (M. Mueller, "Fundamentals of Music Processing", 4.2.2).
    """
    units = unit_length(standardise(features))
    similarity = units @ units.T
    if smooth_beats < 2:
        return np.asarray(similarity)
    total, count, beats = np.zeros_like(similarity), np.zeros_like(similarity), len(similarity)
    first = -(smooth_beats // 2)
    for step in range(max(first, 1 - beats), min(first + smooth_beats, beats)):
        here, there = slice(max(0, -step), beats - max(0, step)), slice(max(0, step), beats - max(0, -step))
        total[here, here] += similarity[there, there]
        count[here, here] += 1
    return np.asarray(total / count)


@typechecked
def novelty(similarity: Float[np.ndarray, "beats beats"]) -> Float[np.ndarray, " beats"]:
    """How much what comes at each beat differs from what came: 0 to 1, the greatest change of the song 1.

    J. Foote, "Automatic audio segmentation using a measure of audio novelty" (2000), with a tapered kernel.
    """
    half = min(NOVELTY_BEATS, max(1, len(similarity) // 4))
    places = (np.arange(-half, half) + 0.5) / half
    taper = np.exp(-((places / TAPER) ** 2) / 2)
    kernel = np.outer(np.sign(places) * taper, np.sign(places) * taper)
    padded = np.pad(similarity, half, mode="edge")
    windows = (padded[at : at + 2 * half, at : at + 2 * half] for at in range(len(similarity)))
    curve = np.maximum([float((window * kernel).sum()) for window in windows], 0.0)
    return np.asarray(curve / max(curve.max(), 1e-9))
