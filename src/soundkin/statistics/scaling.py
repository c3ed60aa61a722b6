"""Scaling of vectors: to unit length, or each dimension to mean 0 and deviation 1."""

import numpy as np

from soundkin.shapes import Float, typechecked

NO_SPREAD = 1e-9  # a deviation below this is rounding


@typechecked
def unit_length(vectors: Float[np.ndarray, "*tracks embedding"]) -> Float[np.ndarray, "*tracks embedding"]:
    """Each vector (the last axis) divided by its norm; a zero vector stays zero."""
    norms = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))  # half the time of np.linalg.norm
    if (norms > 0).all():
        return np.asarray(vectors / norms)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0))


@typechecked
def standardise(
    vectors: Float[np.ndarray, "tracks embedding"],
    over: Float[np.ndarray, "reference embedding"] | None = None,
) -> Float[np.ndarray, "tracks embedding"]:
    """Each dimension with mean 0 and deviation 1 over these tracks, or over those of `over`.

    A dimension without spread becomes 0.
    """
    reference = vectors if over is None else over
    spread = reference.std(axis=0)
    centred = vectors - reference.mean(axis=0)
    return np.asarray(np.divide(centred, spread, out=np.zeros_like(centred), where=spread > NO_SPREAD))
