"""How far the labels of tracks are believed, and how often doubting one is right, by errors planted on
purpose.

A track's labels are believed as far as a classifier that was trained on other tracks finds them likely:
Gaussian classes with one covariance (linear discriminant analysis: Fisher 1936), pooled and then shrunk
(Ledoit & Wolf 2004), in closed form, so that a thousand artists cost no more than ten genres. scikit-learn
shrinks the covariance of each class, which for classes of few tracks is slower and finds fewer errors. Since
tracks of one artist are no independent samples, the classifier is too sure of itself; one temperature for all
corrects that (Guo, Pleiss, Sun & Weinberger 2017).

Then one label in twenty is swapped, round after round. On half of the rounds isotonic regression turns
beliefs into the chance that a label is a swapped one, and that the suggested one is the true one (Zadrozny &
Elkan 2002); the other half says how often doubts and suggestions are right. Labels that were not planted
count as right, so these figures are lower bounds: real errors among them count against it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.covariance import ledoit_wolf
from sklearn.isotonic import IsotonicRegression
from sklearn.preprocessing import StandardScaler

from soundkin.progress import progress
from soundkin.shapes import Bool, Float, Int, typechecked

PLANTED_SHARE = 0.05  # of the labels are swapped at a time
PLANTED, MOST_ROUNDS = 400, 20  # so many are swapped in all, in at most so many rounds
PRIOR_LABELS = 10.0  # so many more labels with the most evidence are taken to be wrong as often as all are
LEAST_CHANCE = 0.3  # that a label is wrong, to doubt it; that another is right, to suggest it
RIDGE = 1e-6  # of a standardised dimension: keeps vectors in fewer dimensions than they have invertible
PRIOR_TRACKS = 2.0  # a class mean of n tracks counts n / (n + 2)
HOTTEST = 100.0

Vectors = Float[np.ndarray, "tracks embedding"]
Classes = Bool[np.ndarray, "tracks classes"]
Scores = Float[np.ndarray, "tracks classes"]


def judge_labels(
    vectors: np.ndarray, classes: np.ndarray, folds: np.ndarray, random_seed: int
) -> "tuple[pd.DataFrame, PlantedErrors]":
    """`beliefs`, with `doubt` in the labels, `belief` in the suggested one, and if the likeliest `agrees`.

    Also how often doubts are right. Tracks are left out of which the other folds have no label.
    """
    scores = out_of_fold_scores(vectors, classes, folds)
    fair = np.isfinite(np.where(classes, scores, -np.inf)).any(axis=1)
    scores, classes, folds = scores[fair], classes[fair], folds[fair]
    temperature = fit_temperature(scores, classes)
    calibrating, checking = plant_errors(vectors[fair], classes, folds, temperature, random_seed)
    calibration = Calibration.from_planted(calibrating)
    judged = beliefs(scores / temperature, classes).set_index(np.flatnonzero(fair))
    judged["doubt"], judged["belief"] = calibration.chances(judged)
    judged["agrees"] = np.take_along_axis(classes, scores.argmax(axis=1)[:, None], axis=1)
    return judged, calibration.check(checking)


class PlantedErrors(BaseModel, frozen=True):
    """How doubts fare on labels swapped on purpose: `found` of the `doubted` ones are swapped, and so on."""

    planted: int
    doubted: int
    found: int
    offered: int  # corrections
    right: int

    @property
    def in_words(self) -> str:
        """Recall and precision of doubts and of corrections, each with what it is counted over."""
        words = f"of {self.planted} labels swapped on purpose, one in twenty at a time, {self.found} were"
        words += " doubted"
        if self.doubted:
            share = self.found / self.doubted
            words += f", and at least {self.found} of {self.doubted} doubts were right ({share:.0%})"
        if self.offered:
            share = self.right / self.offered
            words += f"; so were at least {self.right} of {self.offered} corrections offered ({share:.0%})"
        return words


@dataclass(frozen=True, eq=False)
class Calibration:
    """Chances that given labels are wrong, and if so that the suggested one is right, by belief in them."""

    wrong: IsotonicRegression
    right: IsotonicRegression

    @classmethod
    def from_planted(cls, known: pd.DataFrame) -> "Calibration":
        """Fit both to the rows of `plant_errors`."""
        planted = known[known["planted"]]
        return cls(
            _isotonic(-known["given"], known["planted"]), _isotonic(planted["confidence"], planted["true"])
        )

    def chances(
        self, beliefs: pd.DataFrame
    ) -> tuple[Float[np.ndarray, " labels"], Float[np.ndarray, " labels"]]:
        """That each given label is wrong, and that it is and the suggested one is right; both in [0, 1]."""
        wrong = self.wrong.predict(-beliefs["given"])
        return wrong, wrong * self.right.predict(beliefs["confidence"])

    def check(self, known: pd.DataFrame) -> PlantedErrors:
        """How doubts and corrections fare on other planted errors."""
        doubts, chances = self.chances(known)
        doubted = doubts >= LEAST_CHANCE
        offered = doubted & (chances >= LEAST_CHANCE)
        return PlantedErrors(
            planted=known["planted"].sum(),
            doubted=doubted.sum(),
            found=(doubted & known["planted"]).sum(),
            offered=offered.sum(),
            right=(offered & known["planted"] & known["true"]).sum(),
        )


def _isotonic(evidence: "pd.Series[float]", happened: "pd.Series[bool]") -> IsotonicRegression:
    """The chance of what becomes more frequent as evidence grows.

    PRIOR_LABELS more labels with the most evidence and the mean chance keep the few with the most from
    deciding.
    """
    weights = np.append(np.ones(len(evidence)), PRIOR_LABELS)
    model = IsotonicRegression(out_of_bounds="clip")
    return model.fit(np.append(evidence, evidence.max()), np.append(happened, happened.mean()), weights)


def plant_errors(
    vectors: np.ndarray, classes: np.ndarray, folds: np.ndarray, temperature: float, random_seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Beliefs over rounds of planting: those to calibrate on, and as many to check with.

    Columns of `beliefs`, whether the label is `planted`, and whether the suggested class is the `true` one.
    """
    rng = np.random.default_rng(random_seed)
    count = max(1, round(PLANTED_SHARE * len(classes)))
    everything = np.arange(len(classes))
    rounds = []
    for _ in progress(
        range(2 * min(MOST_ROUNDS // 2, -(-PLANTED // (2 * count)))), "planting errors", unit="round"
    ):
        mistaken, chosen = swap_labels(classes, count, rng)
        believed = beliefs(out_of_fold_scores(vectors, mistaken, folds) / temperature, mistaken)
        true = classes[everything, believed["suggested"]]
        rounds.append(believed.assign(planted=np.isin(everything, chosen), true=true))
    return pd.concat(rounds[::2]), pd.concat(rounds[1::2])


@typechecked
def beliefs(scores: Scores, classes: Classes) -> pd.DataFrame:
    """Belief in the labels of each track (`given`), likeliest other class (`suggested`), its `confidence`."""
    others = np.where(classes, -1.0, softmax(scores, axis=1))
    given = np.exp(log_belief(scores, classes))
    return pd.DataFrame(
        {"given": given, "suggested": others.argmax(axis=1), "confidence": others.max(axis=1)}
    )


@typechecked
def swap_labels(
    classes: Classes, count: int, rng: np.random.Generator
) -> tuple[Classes, Int[np.ndarray, " swapped"]]:
    """`count` tracks get one class that is not theirs in place of their own; also which tracks these are."""
    wrong = classes.copy()
    able = np.flatnonzero(~classes.all(axis=1))
    chosen = rng.choice(able, min(count, len(able)), replace=False)
    for row in chosen:
        wrong[row] = False
        wrong[row, rng.choice(np.flatnonzero(~classes[row]))] = True
    return wrong, chosen


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
