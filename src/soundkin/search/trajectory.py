"""Trajectories: how a song goes, whatever it sounds like, as one vector that is compared by cosine.

The vector is the song's self-similarity: which of its moments are like which. What they sound like is not in
it, as cosines about the song's own mean stay the same however its patch vectors are moved or rotated.
`benchmarks/trajectories.py` holds it beside path signatures and dynamic time warping.
"""

from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from soundkin.embedding.store import read_patches
from soundkin.search.library_sample import LibrarySample
from soundkin.search.vector_index import Index
from soundkin.shapes import Float, Float32, typechecked
from soundkin.statistics.scaling import unit_length

FEWEST_PATCHES = 5  # a song of fewer has no course to speak of
STEPS = 32  # to which every song is stretched
BLUR_STEPS = 0.64  # sections of two songs of one form are never of quite the same lengths
SAMPLE = 512  # tracks that say how alike two are usually


@typechecked
def trajectory(patch_vectors: Float32[np.ndarray, "patches embedding"]) -> Float32[np.ndarray, " places"]:
    """The trajectory of a song, of unit length; zeros where it never changes or has under FEWEST_PATCHES.

    `places` are STEPS * (STEPS - 1) / 2 whatever the song's length.
    """
    places = np.triu_indices(STEPS, 1)
    if len(patch_vectors) < FEWEST_PATCHES:
        return np.zeros(len(places[0]), np.float32)
    units = unit_length(patch_vectors.astype(float))
    centred = units - units.mean(axis=0)
    if np.abs(centred).max() < 1e-5:
        return np.zeros(len(places[0]), np.float32)
    directions = unit_length(centred)
    similarity = _stretched(_stretched(directions @ directions.T).T)
    likeness = (_BLUR @ similarity @ _BLUR.T)[places]
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


class Trajectories:
    """Those of all tracks of an index, by row; zeros where there is none."""

    def __init__(self, vectors: Float32[np.ndarray, "tracks places"]) -> None:
        self.vectors = vectors
        self.known = vectors.any(axis=1)
        self.unknown = set(np.flatnonzero(~self.known).tolist())
        rows = np.flatnonzero(self.known)
        self.sample = LibrarySample(vectors[rows[:: max(1, len(rows) // SAMPLE)]])


_trajectories: "WeakKeyDictionary[Index, Trajectories]" = WeakKeyDictionary()


def trajectories_of(index: Index, embeddings: Path) -> Trajectories:
    """The trajectories of an opened index, from the patch vectors in `embeddings`, made once.

    Raises UsageError where these hold no patch vectors.
    """
    if index not in _trajectories:
        vectors = np.zeros((len(index), STEPS * (STEPS - 1) // 2), np.float32)
        for patches in read_patches(embeddings):
            row = index.tracks.row(patches.track_id)
            if row is not None:
                vectors[row] = trajectory(patches.vectors)
        _trajectories[index] = Trajectories(vectors)
    return _trajectories[index]
