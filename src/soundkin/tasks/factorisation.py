"""Weighted matrix factorisation by alternating least squares: Y. Hu, Y. Koren, C. Volinsky, "Collaborative
Filtering for Implicit Feedback Datasets" (2008), with the conjugate gradients of G. Takács et al. (2011).

It minimises sum over all users and tracks of c_ui (p_ui - x_u . y_i)^2 + regularisation (|x_u|^2 + |y_i|^2).
"""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from soundkin.shapes import Float, Float32, Int, typechecked

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Factors(NamedTuple):
    """A vector per user and per track; their product is the predicted preference."""

    users: Float32[np.ndarray, "users factors"]
    tracks: Float32[np.ndarray, "tracks factors"]


def factorise(
    confidence: "csr_matrix[np.float32]",
    factors: int,
    iterations: int,
    regularisation: float,
    random_seed: int,
) -> Factors:
    """Factors of the users and tracks in `confidence` [users, tracks], signed as `Interactions` has it.

    The same numbers give the same factors, bit for bit, whatever the number of threads. The last half-step,
    from users to tracks, is solved exactly.
    """
    import threadpoolctl
    from implicit.cpu.als import AlternatingLeastSquares  # half a second that only training should wait for

    # A row is solved on one thread each; BLAS with several would be slower, and is what `implicit` warns of.
    with threadpoolctl.threadpool_limits(1, "blas"):
        options = {"iterations": iterations, "random_state": random_seed}
        model = AlternatingLeastSquares(factors, regularisation, **options)
        model.fit(confidence, show_progress=False)
        tracks = np.arange(confidence.shape[1])
        return Factors(model.user_factors, model.recalculate_item(tracks, confidence.T.tocsr()))


@typechecked
def fold_in(
    factors: Float[np.ndarray, "rows factors"],
    rows: Int[np.ndarray, " known"],
    confidence: Float[np.ndarray, " known"],
    regularisation: float,
) -> Float32[np.ndarray, " factors"]:
    """The factors of one more user (or track), given those of the tracks (or users): a half-step of Hu et al.

    x = (Y' C Y + regularisation I)^-1 Y' C p, with Y = `factors`, of which `rows` are known; `confidence` is
    signed as `Interactions` has it. Unknown rows count as dislikes of confidence 1. Without regularisation,
    of many solutions the shortest.
    """
    known = np.asarray(factors[rows], np.float64)
    surer = np.abs(confidence)[:, None] - 1
    every = np.asarray(factors, np.float64)
    curvature = every.T @ every + known.T @ (surer * known) + regularisation * np.eye(factors.shape[1])
    vector: np.ndarray = np.linalg.lstsq(curvature, known.T @ np.maximum(confidence, 0))[0]
    return vector.astype(np.float32)
