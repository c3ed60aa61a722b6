"""How much a classifier believes each label of each track, when it was taught on other tracks only.

Gaussian classes with one covariance (linear discriminant analysis: Fisher 1936), shrunk as Ledoit & Wolf
(2004) say: closed form, so that a thousand artists cost no more than ten genres. The mean of a class of few
tracks is drawn towards the mean of all. It is too sure of itself, since tracks of one artist are no
independent samples; one temperature, for all tracks and classes, mends that (Guo, Pleiss, Sun & Weinberger
2017).
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import StandardScaler

from soundkin.shapes import Bool, Float, Int, typechecked

RIDGE = (
    1e-6  # of a standardised dimension: keeps vectors that fill fewer dimensions than they have invertible
)
PRIOR_TRACKS = 2.0  # a class mean of n tracks counts n / (n + 2)
UNTAUGHT = -np.inf
HOTTEST = 100.0

Vectors = Float[np.ndarray, "tracks embedding"]
Classes = Bool[np.ndarray, "tracks classes"]
Scores = Float[np.ndarray, "tracks classes"]


@typechecked
def out_of_fold_scores(vectors: Vectors, classes: Classes, folds: Int[np.ndarray, " tracks"]) -> Scores:
    """Log-probability of each class up to a constant a track, by a classifier taught on the other folds.

    A track of several classes teaches each of them. A class that none of the other folds has scores -inf.
    """
    scores = np.full(classes.shape, UNTAUGHT)
    for tested in np.unique(folds):
        teaching = folds != tested
        taught = classes[teaching].any(axis=0)
        if taught.any():
            scores[np.ix_(~teaching, taught)] = class_scores(
                vectors[teaching], classes[teaching][:, taught], vectors[~teaching]
            )
    return scores


@typechecked
def class_scores(
    vectors: Vectors, classes: Classes, others: Float[np.ndarray, "others embedding"]
) -> Float[np.ndarray, "others classes"]:
    """Log-probability of each class up to a constant a row of `others`; every class has a track to learn
    from.
    """
    scaler = StandardScaler().fit(vectors.astype(np.float64))
    rows, answers = np.nonzero(classes)
    taught = scaler.transform(vectors.astype(np.float64))[rows]
    sizes = np.bincount(answers)
    means = np.stack([np.bincount(answers, column) for column in taught.T], axis=1) / sizes[:, None]
    covariance = _covariance(taught - means[answers], len(sizes))
    means *= (sizes / (sizes + PRIOR_TRACKS))[:, None]  # standardised: the mean of all is 0
    directions = np.linalg.solve(covariance, means.T)
    offsets = np.log(sizes / sizes.sum()) - 0.5 * np.einsum("cd,dc->c", means, directions)
    return np.asarray(scaler.transform(others.astype(np.float64)) @ directions + offsets)


@typechecked
def fit_temperature(scores: Scores, classes: Classes) -> float:
    """What to divide scores by so that the given labels, on the whole, are as likely as can be; in [1 / 100,
    100].
    """

    def surprise(log_temperature: float) -> float:
        return float(-log_belief(scores / np.exp(log_temperature), classes).mean())

    limit = np.log(HOTTEST)
    return float(np.exp(minimize_scalar(surprise, bounds=(-limit, limit), method="bounded").x))


@typechecked
def log_belief(scores: Scores, classes: Classes) -> Float[np.ndarray, " tracks"]:
    """Logarithm of the probability that a track has one of the classes that it is said to have."""
    logs = np.where(classes, log_softmax(scores, axis=1), -np.inf)
    return np.asarray(np.logaddexp.reduce(logs, axis=1))


@typechecked
def probabilities(scores: Scores) -> Scores:
    """Of each class, adding up to 1 a track."""
    return np.asarray(softmax(scores, axis=1))


def _covariance(residuals: np.ndarray, classes: int) -> np.ndarray:
    """Within classes, [embedding, embedding]; the means took `classes` degrees of freedom."""
    shrunk, _ = ledoit_wolf(residuals, assume_centered=True)
    free = max(1, len(residuals) - classes)
    return np.asarray(shrunk * (len(residuals) / free) + RIDGE * np.eye(residuals.shape[1]))
