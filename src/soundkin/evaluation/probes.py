"""Probes: how much of a label a simple classifier can read off frozen vectors.

Every track is classified once, by probes trained on the other folds only. Folds keep an artist's tracks
together (an album's, where the artist is the question), so that a probe is not rewarded for recognising a
voice. All that is fitted, standardisation and the strength of regularisation included, is fitted on the
training folds. Classes are sparse ones, [tracks, classes]: of many artists, a table of all cells would not
fit in memory.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
from scipy.sparse import csr_matrix, diags
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from soundkin.evaluation.label_questions import Question, group_numbers, memberships
from soundkin.shapes import Bool, Float, Int
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.nearest_neighbours import CHUNK, nearest
from soundkin.statistics.scaling import unit_length

FOLDS = 5
VALIDATION_FOLDS = 2  # of the training folds, each in turn validates the settings of a probe

Vectors = Float[np.ndarray, "tracks embedding"]
FoldNumbers = Int[np.ndarray, " tracks"]
ClassNumbers = Int[np.ndarray, " tracks"]
Settings = Mapping[str, Sequence[float]]


def ask_probes(systems: Mapping[str, Vectors], question: Question, random_seed: int) -> list[Measure]:
    """Logistic and kNN accuracy on the label, plain and balanced (every class counts the same).

    Empty where there is nothing to keep folds apart by, or fewer than two classes to train and test on.
    """
    fold_groups = group_numbers(question.filter_values)
    classes = in_two_groups(memberships(question.values), fold_groups)
    if question.filtered_by is None or classes.shape[1] < 2:
        return []
    kept = np.diff(classes.indptr) > 0
    classes = classes[kept]
    folds = deal_folds(classes, fold_groups[kept], random_seed)
    weights = _spread(kept, balance(classes))
    measures = []
    for protocol, (probe, settings) in PROBES.items():
        with threadpool_limits(1):  # fits are small: several threads take eight times as long
            guesses = {
                name: predicted(probe, settings, vectors[kept], classes, folds)
                for name, vectors in systems.items()
            }
        guesses[CHANCE] = np.full(len(folds), classes.getnnz(axis=0).argmax())  # always the commonest class
        scores = {name: _spread(kept, hits(guess, classes)) for name, guess in guesses.items()}
        for metric, weighting in (("accuracy", None), ("balanced accuracy", weights)):
            measures.append(
                Measure(
                    protocol, question.label, metric, question.filtered_by, scores, question.groups, weighting
                )
            )
    return measures


def in_two_groups(classes: csr_matrix, groups: Int[np.ndarray, " tracks"]) -> csr_matrix:
    """The classes that at least two groups have: with one, there is none to train on or none to test on."""
    names, numbers = np.unique(groups, return_inverse=True)
    in_group = csr_matrix(
        (np.ones(len(groups)), (numbers, np.arange(len(groups)))), (len(names), len(groups))
    )
    return classes[:, np.flatnonzero((in_group @ classes).getnnz(axis=0) >= 2)]


def deal_folds(
    classes: csr_matrix | Bool[np.ndarray, "tracks classes"],
    groups: Int[np.ndarray, " tracks"],
    random_seed: int,
) -> FoldNumbers:
    """A fold number for each track: groups are dealt out in turn, class by class and the largest first.

    Like scikit-learn's StratifiedGroupKFold, without its table of groups x classes.
    """
    names, first, place, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(random_seed).permutation(len(names))
    order = np.lexsort((shuffled, -sizes, np.asarray(csr_matrix(classes)[first].argmax(axis=1)).ravel()))
    fold_of_group = np.empty(len(names), dtype=int)
    fold_of_group[order] = np.arange(len(names)) % min(FOLDS, len(names))
    return fold_of_group[place]


def balance(classes: csr_matrix) -> Float[np.ndarray, " tracks"]:
    """Weights under which every class counts the same; a track of several classes gets the mean of theirs."""
    return np.asarray(classes @ (1 / classes.getnnz(axis=0)) / np.diff(classes.indptr))


def hits(guesses: ClassNumbers, classes: csr_matrix) -> Float[np.ndarray, " tracks"]:
    """1 where the predicted class is one of the track's own, else 0."""
    return np.asarray(classes[np.arange(len(guesses)), guesses], dtype=float).ravel()


class LogisticProbe(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Multinomial regression on standardised vectors; a track's classes share its weight equally."""

    def __init__(self, strength: float = 0.01) -> None:
        self.strength = strength

    def fit(self, vectors: Vectors, classes: csr_matrix) -> Self:
        """Train on one row for each class of each track."""
        rows, answers = classes.nonzero()
        regression = LogisticRegression(C=self.strength, max_iter=300, tol=1e-3)
        classifier = regression if np.ptp(answers) else DummyClassifier()
        self.pipeline = Pipeline([("scale", StandardScaler()), ("classify", classifier)])
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # of few samples a class, and of fits cut off: both show in the score
            self.pipeline.fit(
                vectors[rows], answers, classify__sample_weight=1 / np.diff(classes.indptr)[rows]
            )
        return self

    def predict(self, vectors: Vectors) -> ClassNumbers:
        """The likeliest class of each track."""
        blocks = np.split(
            vectors, np.arange(CHUNK, len(vectors), CHUNK)
        )  # of many classes, all would not fit
        return np.concatenate([self.pipeline.predict(block) for block in blocks])


class NearestNeighbourProbe(BaseEstimator):  # type: ignore[misc]
    """The vote of the nearest training tracks by cosine, nearer ones counting a little more."""

    def __init__(self, neighbours: int = 5) -> None:
        self.neighbours = neighbours

    def fit(self, vectors: Vectors, classes: csr_matrix) -> Self:
        """Keep the tracks; one of several classes votes for each with an equal share."""
        self.unit = unit_length(np.asarray(vectors, dtype=np.float32))
        self.votes = csr_matrix(diags(1 / np.diff(classes.indptr)) @ classes)
        return self

    def predict(self, vectors: Vectors) -> ClassNumbers:
        """The class with most votes."""
        cosines, rows = nearest(
            unit_length(np.asarray(vectors, dtype=np.float32)), self.unit, self.neighbours
        )
        starts = rows.shape[1] * np.arange(len(rows) + 1)
        weights = csr_matrix(((1 + cosines).ravel(), rows.ravel(), starts), (len(rows), len(self.unit)))
        return np.asarray((weights @ self.votes).argmax(axis=1)).ravel()


# Classifiers with the settings to choose from; their own are used where there is nothing to choose by.
PROBES: dict[str, tuple[BaseEstimator, Settings]] = {
    "logistic probe": (LogisticProbe(), {"strength": (0.01, 0.001, 0.1, 1.0)}),
    "kNN probe": (NearestNeighbourProbe(), {"neighbours": (5, 1, 10, 20)}),
}


def predicted(
    probe: BaseEstimator, settings: Settings, vectors: Vectors, classes: csr_matrix, folds: FoldNumbers
) -> ClassNumbers:
    """Each track's class by a probe that was trained, and its settings chosen, on the other folds."""
    guesses = np.empty(len(folds), dtype=int)
    for tested in np.unique(folds):
        training = folds != tested
        inner = folds[training]
        validation = np.unique(inner)[:VALIDATION_FOLDS]
        splits = [(np.flatnonzero(inner != fold), np.flatnonzero(inner == fold)) for fold in validation]
        classifier = clone(probe)
        if len(validation) > 1:
            classifier = GridSearchCV(probe, settings, scoring=_share_right, cv=splits)
        guesses[~training] = classifier.fit(vectors[training], classes[training]).predict(vectors[~training])
    return guesses


def _share_right(probe: BaseEstimator, vectors: Vectors, classes: csr_matrix) -> float:
    return float(hits(probe.predict(vectors), classes).mean())


def _spread(kept: Bool[np.ndarray, " tracks"], scores: np.ndarray) -> Float[np.ndarray, " tracks"]:
    """Scores of the kept tracks put back in their places; NaN elsewhere."""
    spread = np.full(len(kept), np.nan)
    spread[kept] = scores
    return spread
