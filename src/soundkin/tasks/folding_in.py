"""Folding in: factors of one more user, or track, where those of the other side stand fixed."""

import numpy as np

from soundkin.shapes import Float, Float32, Int, typechecked


@typechecked
def fold_in(
    factors: Float[np.ndarray, "others factors"],
    rows: Int[np.ndarray, " known"],
    confidence: Float[np.ndarray, " known"],
    regularisation: float,
) -> Float32[np.ndarray, " factors"]:
    """The half-step of Hu, Koren & Volinsky (2008): x = (Y' C Y + regularisation I)^-1 Y' C p, with Y =
    `factors`.

    `rows` of Y are those of which something is known; `confidence` is signed as `Interactions` has it: above
    0 for a liking, below 0 for a dislike. All other rows count as dislikes of confidence 1. Where
    regularisation is 0 and there are fewer rows than factors, it is the shortest of all that fit as well.
    """
    known = np.asarray(factors[rows], np.float64)
    surer = np.abs(confidence)[:, None] - 1
    every = np.asarray(factors, np.float64)
    curvature = every.T @ every + known.T @ (surer * known) + regularisation * np.eye(factors.shape[1])
    vector: np.ndarray = np.linalg.lstsq(curvature, known.T @ np.maximum(confidence, 0))[0]
    return vector.astype(np.float32)
