"""From a description of a track to its latent factors, without a network that hears: what one that does has
to beat.

As in van den Oord, Dieleman & Schrauwen (2013), section 4.1: principal components that keep 95% of the
variance, then linear regression, or a perceptron with one hidden layer of 1,000. Settings are chosen on
judging tracks, which teach nothing and should be by other artists.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from soundkin.errors import UsageError
from soundkin.shapes import Float, Float32

KEPT_VARIANCE = 0.95
STRENGTHS = tuple(10.0**power for power in range(-4, 7))  # of regularisation, for inputs of spread 1
HIDDEN = 1_000
MOST_EPOCHS = 200
PATIENCE = 10  # epochs without a better one

Vectors = Float[np.ndarray, "tracks described"]
LatentFactors = Float[np.ndarray, "tracks factors"]
Regression = Callable[[Vectors], Float32[np.ndarray, "tracks factors"]]


@dataclass(frozen=True)
class Examples:
    """Tracks as they are described, and the latent factors to be foretold."""

    described: Vectors
    factors: LatentFactors


def teach_linear(teaching: Examples, judging: Examples) -> Regression:
    """Ridge regression whose strength foretells the judging tracks best.

    Raises:
        UsageError: there are fewer than two tracks to teach, or none to judge.
    """
    project = _projection(teaching, judging)
    inputs = project(teaching.described)
    fits = [Ridge(alpha=strength).fit(inputs, teaching.factors) for strength in STRENGTHS]
    best = min(fits, key=lambda fit: _error(fit, project(judging.described), judging.factors))
    return lambda described: _foretold(best, project(described))


def teach_perceptron(
    teaching: Examples, judging: Examples, random_seed: int = 0, hidden: int = HIDDEN
) -> Regression:
    """A perceptron of one hidden layer (rectified linear, Adam), as it was after the epoch that judged best.

    Raises:
        UsageError: there are fewer than two tracks to teach, or none to judge.
    """
    project = _projection(teaching, judging)
    inputs, judged = project(teaching.described), project(judging.described)
    mean, spread = (
        teaching.factors.mean(axis=0),
        max(float(teaching.factors.std()), np.finfo(np.float32).tiny),
    )
    random = np.random.RandomState(random_seed)  # a number would give every epoch the same order
    perceptron = MLPRegressor(
        hidden_layer_sizes=(hidden,), batch_size=min(200, len(inputs)), random_state=random
    )
    best, least, since = perceptron, np.inf, 0
    with threadpool_limits(1):
        for _ in range(MOST_EPOCHS):
            perceptron.partial_fit(inputs, _single_or_several((teaching.factors - mean) / spread))
            error = _error(perceptron, judged, (judging.factors - mean) / spread)
            best, least, since = (
                (deepcopy(perceptron), error, 0) if error < least else (best, least, since + 1)
            )
            if since == PATIENCE:
                break
    return lambda described: (_foretold(best, project(described)) * spread + mean).astype(np.float32)


def _projection(teaching: Examples, judging: Examples) -> Callable[[Vectors], Vectors]:
    """Principal components of the teaching tracks, all divided by one number that makes their mean square 1."""
    if len(teaching.described) < 2 or not len(judging.described):
        raise UsageError(
            f"{len(teaching.described)} tracks to teach a regression and {len(judging.described)} to judge it are too "
            "few. Give two to teach and one to judge at least."
        )
    if not np.ptp(teaching.described, axis=0).any():
        raise UsageError(
            "all tracks to teach a regression are described alike. Describe them by what differs."
        )
    with threadpool_limits(1):  # so that rounding, and all that follows from it, is the same each time
        components = PCA(KEPT_VARIANCE).fit(teaching.described)
        spread = np.sqrt(np.mean(components.transform(teaching.described) ** 2))
    return lambda described: np.asarray(components.transform(described) / spread)


def _error(fit: Ridge | MLPRegressor, inputs: Vectors, factors: LatentFactors) -> float:
    return float(np.mean((_foretold(fit, inputs) - factors) ** 2))


def _foretold(fit: Ridge | MLPRegressor, inputs: Vectors) -> Float32[np.ndarray, "tracks factors"]:
    return np.asarray(fit.predict(inputs), dtype=np.float32).reshape(len(inputs), -1)


def _single_or_several(factors: LatentFactors) -> np.ndarray:
    """As scikit-learn's perceptron wants its targets: one figure a track is no matrix."""
    return factors[:, 0] if factors.shape[1] == 1 else factors
