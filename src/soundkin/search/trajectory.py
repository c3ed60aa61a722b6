"""Trajectories: how a song goes, whatever it sounds like, as one vector that is compared by cosine.

The vector is the song's self-similarity: which of its moments are like which. What they sound like is not in
it, as cosines about the song's own mean stay the same however its patch vectors are moved or rotated.
`benchmarks/trajectories.py` holds it beside path signatures and dynamic time warping.
"""

import numpy as np

from soundkin.shapes import Float, Float32, typechecked
from soundkin.statistics.scaling import unit_length

FEWEST_PATCHES = 5  # a song of fewer has no course to speak of
STEPS = 32  # to which every song is stretched
PLACES = STEPS * (STEPS - 1) // 2  # of a trajectory, whatever the song's length
BLUR_STEPS = 0.64  # sections of two songs of one form are never of quite the same lengths


@typechecked
def trajectory(patch_vectors: Float32[np.ndarray, "patches embedding"]) -> Float32[np.ndarray, " places"]:
    """The trajectory of a song, of unit length; zeros where it never changes or has under FEWEST_PATCHES."""
    if len(patch_vectors) < FEWEST_PATCHES:
        return np.zeros(PLACES, np.float32)
    units = unit_length(patch_vectors.astype(float))
    centred = units - units.mean(axis=0)
    if np.abs(centred).max() < 1e-5:
        return np.zeros(PLACES, np.float32)
    directions = unit_length(centred)
    similarity = _stretched(_stretched(directions @ directions.T).T)
    likeness = (_BLUR @ similarity @ _BLUR.T)[np.triu_indices(STEPS, 1)]
    return np.asarray(unit_length(likeness - likeness.mean()), np.float32)


@typechecked
def _stretched(rows: Float[np.ndarray, "patches columns"]) -> Float[np.ndarray, "steps columns"]:
    """STEPS rows in place of as many as there are."""
    before, after = ((np.arange(count) + 0.5) / count for count in (len(rows), STEPS))
    return np.array([np.interp(after, before, column) for column in rows.T]).T


def _blur() -> Float[np.ndarray, "steps steps"]:
    """A Gaussian along the steps; the first and the last one go on for ever."""
    offsets, steps = np.arange(-3, 4), np.arange(STEPS)
    weights = np.exp(-0.5 * (offsets / BLUR_STEPS) ** 2)
    blur = np.zeros((STEPS, STEPS))
    for offset, weight in zip(offsets, weights / weights.sum(), strict=True):
        np.add.at(blur, (steps, np.clip(steps + offset, 0, STEPS - 1)), weight)
    return blur


_BLUR = _blur()
