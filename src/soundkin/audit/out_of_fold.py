"""How much a classifier believes each label of each track, when it was trained on other tracks only.

Gaussian classes with one covariance (linear discriminant analysis: Fisher 1936), pooled and then shrunk
(Ledoit & Wolf 2004): closed form, so that a thousand artists cost no more than ten genres. scikit-learn
shrinks the covariance of each class, which for classes of few tracks is slower and finds fewer errors. Since
tracks of one artist are no independent samples, the classifier is too sure of itself; one temperature for all
tracks and classes corrects that (Guo, Pleiss, Sun & Weinberger 2017).
"""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from scipy.special import log_softmax, logsumexp
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import StandardScaler

from soundkin.shapes import Bool, Float, Int, typechecked

RIDGE = (
    1e-6  # of a standardised dimension: keeps vectors that fill fewer dimensions than they have invertible
)
PRIOR_TRACKS = 2.0  # a class mean of n tracks counts n / (n + 2)
HOTTEST = 100.0

Vectors = Float[np.ndarray, "tracks embedding"]
Classes = Bool[np.ndarray, "tracks classes"]
Scores = Float[np.ndarray, "tracks classes"]


@typechecked
def out_of_fold_scores(vectors: Vectors, classes: Classes, folds: Int[np.ndarray, " tracks"]) -> Scores:
    """Log-probability of each class up to a constant per track, by a classifier trained on the other folds.

    A track of several classes is a sample of each. A class that none of the other folds has scores -inf.
    """
    scores = np.full(classes.shape, -np.inf)
    for fold in np.unique(folds):
        train = folds != fold
        known = classes[train].any(axis=0)
        if known.any():
            fitted = class_scores(vectors[train], classes[train][:, known], vectors[~train])
            scores[np.ix_(~train, known)] = fitted
    return scores


@typechecked
def class_scores(
    vectors: Vectors, classes: Classes, held_out: Float[np.ndarray, "held_out embedding"]
) -> Float[np.ndarray, "held_out classes"]:
    """Log-probability of each class up to a constant per row of `held_out`; every class has a track."""
    scaler = StandardScaler().fit(vectors.astype(np.float64))
    standard = scaler.transform(vectors.astype(np.float64))
    rows, answers = np.nonzero(classes)
    sizes = np.bincount(answers)
    means = csr_matrix(classes, dtype=np.float64).T @ standard / sizes[:, None]
    shrunk, _ = ledoit_wolf(standard[rows] - means[answers], assume_centered=True)
    free = max(1, len(rows) - len(sizes))  # the means took a degree of freedom each
    covariance = shrunk * (len(rows) / free) + RIDGE * np.eye(len(shrunk))
    means *= (sizes / (sizes + PRIOR_TRACKS))[:, None]  # standardised: the mean of all is 0
    directions = np.linalg.solve(covariance, means.T)
    offsets = np.log(sizes / sizes.sum()) - 0.5 * np.einsum("cd,dc->c", means, directions)
    return np.asarray(scaler.transform(held_out.astype(np.float64)) @ directions + offsets)


@typechecked
def fit_temperature(scores: Scores, classes: Classes) -> float:
    """What to divide scores by to make the given labels most likely on the whole; in [1 / 100, 100]."""

    def surprise(log_temperature: float) -> float:
        return float(-log_belief(scores / np.exp(log_temperature), classes).mean())

    limit = np.log(HOTTEST)
    return float(np.exp(minimize_scalar(surprise, bounds=(-limit, limit), method="bounded").x))


@typechecked
def log_belief(scores: Scores, classes: Classes) -> Float[np.ndarray, " tracks"]:
    """Logarithm of the probability that a track has one of the classes that it is labelled with."""
    return np.asarray(logsumexp(np.where(classes, log_softmax(scores, axis=1), -np.inf), axis=1))
