"""How much of a label a simple classifier can read off frozen vectors.

Every track is classified once, by probes taught on the other folds only. Folds keep an artist's tracks together (an
album's, where the artist is the question), so that a probe is not paid for recognising a voice. All that is fitted,
standardisation and the strength of regularisation included, is fitted on the teaching folds.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from soundkin.evaluation import metrics
from soundkin.evaluation.measure import CHANCE, Measure
from soundkin.evaluation.questions import Question, group_numbers, memberships
from soundkin.evaluation.similarity import unit_length
from soundkin.shapes import Bool, Float, Int, typechecked

FOLDS = 5
INNER_FOLDS = 2  # of the teaching folds, each in turn judges the strengths below
STRENGTHS = (0.001, 0.01, 0.1, 1.0)  # C of scikit-learn's LogisticRegression: larger is less regularised
NEIGHBOURS = 10

Vectors = Float[np.ndarray, "tracks embedding"]
Classes = Bool[np.ndarray, "tracks classes"]
FoldNumbers = Int[np.ndarray, "tracks"]
Classifier = Callable[[Vectors, Classes, FoldNumbers, int], Int[np.ndarray, "taught_on_others"]]


def ask_probes(systems: Mapping[str, Vectors], question: Question, random_seed: int) -> list[Measure]:
    """Logistic and kNN accuracy on the label, plain and balanced (every class counts the same).

    Empty where there is nothing to keep folds apart by, or fewer than two classes that can be taught and tested.
    """
    fold_groups = group_numbers(question.filter_values)
    classes = teachable(memberships(question.values).toarray() > 0, fold_groups)
    if question.filtered_by is None or classes.shape[1] < 2:
        return []
    kept = np.asarray(classes.any(axis=1))
    folds = deal_folds(classes[kept], fold_groups[kept], random_seed)
    weights = _spread(kept, balance(classes[kept]))
    measures = []
    for protocol, classifier in CLASSIFIERS.items():
        with threadpool_limits(1):  # fits are small: several threads take eight times as long
            scores = {name: _scores(classifier, found[kept], classes[kept], folds) for name, found in systems.items()}
        scores[CHANCE] = metrics.accuracy(most_common(classes[kept]), classes[kept])
        spread = {name: _spread(kept, score) for name, score in scores.items()}
        for metric, weighting in (("accuracy", None), ("balanced accuracy", weights)):
            measures.append(
                Measure(protocol, question.label, metric, question.filtered_by, spread, question.groups, weighting)
            )
    return measures


@typechecked
def teachable(classes: Classes, groups: Int[np.ndarray, "tracks"]) -> Bool[np.ndarray, "tracks _"]:
    """The classes that stand in at least two groups: with one, there is none to teach or none to test."""
    spread = [len(np.unique(groups[column])) >= 2 for column in classes.T]
    return np.asarray(classes[:, np.array(spread, dtype=bool)])


@typechecked
def deal_folds(classes: Classes, groups: Int[np.ndarray, "tracks"], random_seed: int) -> FoldNumbers:
    """A fold number for each track: groups are dealt out in turn, class by class and the largest first."""
    names, first, place, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(random_seed).permutation(len(names))
    order = np.lexsort((shuffled, -sizes, classes[first].argmax(axis=1)))
    fold_of_group = np.empty(len(names), dtype=int)
    fold_of_group[order] = np.arange(len(names)) % min(FOLDS, len(names))
    return fold_of_group[place]


@typechecked
def balance(classes: Classes) -> Float[np.ndarray, "tracks"]:
    """Weights under which every class counts the same; a track of several classes gets the mean of theirs."""
    return np.asarray((classes / classes.sum(axis=0)).sum(axis=1) / classes.sum(axis=1))


def logistic(vectors: Vectors, classes: Classes, folds: FoldNumbers, tested: int) -> Int[np.ndarray, "_"]:
    """Multinomial regression on standardised vectors; strength chosen within the teaching folds."""
    teaching = folds != tested
    inner = [fold for fold in np.unique(folds) if fold != tested][:INNER_FOLDS]
    if len(inner) < 2:  # with two folds in all there is nothing to judge strengths on
        return _fitted(vectors[teaching], classes[teaching], STRENGTHS[1])(vectors[~teaching])

    def judged(strength: float) -> float:
        hits = []
        for fold in inner:
            taught, judging = teaching & (folds != fold), folds == fold
            predicted = _fitted(vectors[taught], classes[taught], strength)(vectors[judging])
            hits.append(metrics.accuracy(predicted, classes[judging]))
        return float(np.concatenate(hits).mean())

    best = max(STRENGTHS, key=judged)
    return _fitted(vectors[teaching], classes[teaching], best)(vectors[~teaching])


def nearest(vectors: Vectors, classes: Classes, folds: FoldNumbers, tested: int) -> Int[np.ndarray, "_"]:
    """The vote of the nearest teaching tracks by cosine, nearer ones counting a little more."""
    teaching, unit = folds != tested, unit_length(vectors)
    similarity = unit[~teaching] @ unit[teaching].T
    rows = np.argsort(-similarity, axis=1, kind="stable")[:, :NEIGHBOURS]
    weight = 1 + np.take_along_axis(similarity, rows, axis=1)
    votes = classes[teaching] / classes[teaching].sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("qk,qkc->qc", weight, votes[rows]).argmax(axis=1))


def most_common(classes: Classes) -> Int[np.ndarray, "tracks"]:
    """Chance: always the class that most tracks have."""
    return np.full(len(classes), classes.sum(axis=0).argmax())


CLASSIFIERS: dict[str, Classifier] = {"logistic probe": logistic, f"{NEIGHBOURS}-NN probe": nearest}


def _scores(classifier: Classifier, vectors: Vectors, classes: Classes, folds: FoldNumbers) -> np.ndarray:
    predicted = np.empty(len(folds), dtype=int)
    for fold in np.unique(folds):
        predicted[folds == fold] = classifier(vectors, classes, folds, fold)
    return metrics.accuracy(predicted, classes)


def _fitted(vectors: Vectors, classes: Classes, strength: float) -> Callable[[Vectors], Int[np.ndarray, "_"]]:
    """Teach a track of several classes once with each, at an equal share of its weight."""
    rows, answers = np.nonzero(classes)
    if len(np.unique(answers)) < 2:
        return lambda others: np.full(len(others), answers[0])
    probe: Any = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300, tol=1e-3))
    shares = 1 / classes.sum(axis=1)[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(vectors[rows], answers, logisticregression__sample_weight=shares)
    return lambda others: np.asarray(probe.predict(others))


def _spread(kept: Bool[np.ndarray, "tracks"], scores: np.ndarray) -> Float[np.ndarray, "tracks"]:
    """Scores of the kept tracks put back in their places; NaN elsewhere."""
    spread = np.full(len(kept), np.nan)
    spread[kept] = scores
    return spread
