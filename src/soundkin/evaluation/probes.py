"""How much of a label a simple classifier can read off frozen vectors.

Every track is classified once, by probes taught on the other folds only. Folds keep an artist's tracks
together (an album's, where the artist is the question), so that a probe is not paid for recognising a voice.
All that is fitted, standardisation and the strength of regularisation included, is fitted on the teaching
folds. Which track has which class is kept sparse: of many artists, a table of all cells would not fit in
memory.
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, diags
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from soundkin.evaluation.label_questions import Question, group_numbers, memberships
from soundkin.shapes import Bool, Float, Int
from soundkin.statistics.measure import CHANCE, Measure
from soundkin.statistics.nearest_neighbours import CHUNK
from soundkin.statistics.scaling import unit_length

FOLDS = 5
JUDGING_FOLDS = 2  # of the teaching folds, each in turn judges the settings of a probe

Vectors = Float[np.ndarray, "tracks embedding"]
Classes = Bool[np.ndarray, "tracks classes"] | csr_matrix  # sparse ones, or true, where a track has a class
FoldNumbers = Int[np.ndarray, " tracks"]
Classify = Callable[[Vectors], Int[np.ndarray, " others"]]


def ask_probes(systems: Mapping[str, Vectors], question: Question, random_seed: int) -> list[Measure]:
    """Logistic and kNN accuracy on the label, plain and balanced (every class counts the same).

    Empty where there is nothing to keep folds apart by, or fewer than two classes that can be taught and
    tested.
    """
    fold_groups = group_numbers(question.filter_values)
    classes = csr_matrix(teachable(memberships(question.values), fold_groups))
    if question.filtered_by is None or classes.shape[1] < 2:
        return []
    kept = np.diff(classes.indptr) > 0
    folds = deal_folds(classes[kept], fold_groups[kept], random_seed)
    weights = _spread(kept, balance(classes[kept]))
    measures = []
    for protocol, probe in PROBES.items():
        with threadpool_limits(1):  # fits are small: several threads take eight times as long
            guesses = {
                name: predicted(probe, found[kept], classes[kept], folds) for name, found in systems.items()
            }
        guesses[CHANCE] = most_common(classes[kept])
        spread = {name: _spread(kept, hits(guess, classes[kept])) for name, guess in guesses.items()}
        for metric, weighting in (("accuracy", None), ("balanced accuracy", weights)):
            measures.append(
                Measure(
                    protocol, question.label, metric, question.filtered_by, spread, question.groups, weighting
                )
            )
    return measures


def teachable(classes: Classes, groups: Int[np.ndarray, " tracks"]) -> Classes:
    """The classes that stand in at least two groups: with one, there is none to teach or none to test."""
    names, numbers = np.unique(groups, return_inverse=True)
    rows = np.arange(len(groups))
    of_groups = csr_matrix((np.ones(len(groups)), (numbers, rows)), shape=(len(names), len(groups)))
    spread = np.asarray((of_groups @ _sparse(classes)).getnnz(axis=0))
    return classes[:, np.flatnonzero(spread >= 2)]


def deal_folds(classes: Classes, groups: Int[np.ndarray, " tracks"], random_seed: int) -> FoldNumbers:
    """A fold number for each track: groups are dealt out in turn, class by class and the largest first."""
    names, first, place, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    shuffled = np.random.default_rng(random_seed).permutation(len(names))
    order = np.lexsort((shuffled, -sizes, np.asarray(_sparse(classes)[first].argmax(axis=1)).ravel()))
    fold_of_group = np.empty(len(names), dtype=int)
    fold_of_group[order] = np.arange(len(names)) % min(FOLDS, len(names))
    return fold_of_group[place]


def balance(classes: Classes) -> Float[np.ndarray, " tracks"]:
    """Weights under which every class counts the same; a track of several classes gets the mean of theirs."""
    table = _sparse(classes)
    return np.asarray(table @ (1 / table.getnnz(axis=0)) / np.diff(table.indptr))


def hits(predicted: Int[np.ndarray, " tracks"], classes: Classes) -> Float[np.ndarray, " tracks"]:
    """1 where the predicted class is one of the track's own, else 0."""
    return np.asarray(_sparse(classes)[np.arange(len(predicted)), predicted], dtype=float).ravel()


def _sparse(classes: Classes) -> csr_matrix:
    return csr_matrix(classes, dtype=np.float32)


def predicted(
    probe: "Probe", vectors: Vectors, classes: Classes, folds: FoldNumbers
) -> Int[np.ndarray, " tracks"]:
    """Each track's class according to a probe taught, with a setting chosen, on the other folds."""
    found, classes = np.empty(len(folds), dtype=int), _sparse(classes)
    for tested in np.unique(folds):
        teaching = folds != tested
        setting = _chosen_setting(probe, vectors[teaching], classes[teaching], folds[teaching])
        found[~teaching] = probe.teach(vectors[teaching], classes[teaching], setting)(vectors[~teaching])
    return found


def _chosen_setting(probe: "Probe", vectors: Vectors, classes: Classes, folds: FoldNumbers) -> float:
    """The setting that does best on some of the teaching folds when taught on the rest of them."""
    judging_folds = np.unique(folds)[:JUDGING_FOLDS]
    if len(np.unique(folds)) < 2:
        return probe.settings[0]

    def share_right(setting: float) -> float:
        scores = []
        for fold in judging_folds:
            classify = probe.teach(vectors[folds != fold], classes[folds != fold], setting)
            scores.append(hits(classify(vectors[folds == fold]), classes[folds == fold]))
        return float(np.concatenate(scores).mean())

    return max(probe.settings, key=share_right)


def teach_logistic(vectors: Vectors, classes: Classes, strength: float) -> Classify:
    """Multinomial regression on standardised vectors; a track of several classes teaches each at an equal
    share.
    """
    classes = _sparse(classes)
    rows, answers = classes.nonzero()
    if len(np.unique(answers)) < 2:
        return lambda others: np.full(len(others), answers[0])
    regression: Any = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=300, tol=1e-3))
    shares = 1 / np.diff(classes.indptr)[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few samples a class, and of fits cut off: both show in the score
        regression.fit(vectors[rows], answers, logisticregression__sample_weight=shares)
    return lambda others: np.concatenate([regression.predict(block) for block in _blocks(others)])


def teach_nearest(vectors: Vectors, classes: Classes, neighbours: float) -> Classify:
    """The vote of the nearest teaching tracks by cosine, nearer ones counting a little more."""
    unit, classes = unit_length(vectors), _sparse(classes)
    votes = diags(1 / np.diff(classes.indptr)) @ classes

    def classify(others: Vectors) -> Int[np.ndarray, " others"]:
        similarity = unit_length(others) @ unit.T
        rows = np.argsort(-similarity, axis=1, kind="stable")[:, : int(neighbours)]
        weight = 1 + np.take_along_axis(similarity, rows, axis=1)
        starts = rows.shape[1] * np.arange(len(rows) + 1)
        weighted = csr_matrix((weight.ravel(), rows.ravel(), starts), shape=similarity.shape)
        return np.asarray((weighted @ votes).argmax(axis=1)).ravel()

    return lambda others: np.concatenate([classify(block) for block in _blocks(others)])


def _blocks(vectors: Vectors) -> list[Vectors]:
    return np.split(vectors, np.arange(CHUNK, len(vectors), CHUNK))


class Probe(NamedTuple):
    """How to teach a classifier, and the settings to choose from; the first where there is nothing to choose
    by.
    """

    teach: Callable[[Vectors, Classes, float], Classify]
    settings: tuple[float, ...]


PROBES = {
    "logistic probe": Probe(
        teach_logistic, settings=(0.01, 0.001, 0.1, 1.0)
    ),  # C: larger is less regularised
    "kNN probe": Probe(teach_nearest, settings=(5, 1, 10, 20)),  # how many neighbours vote
}


def most_common(classes: Classes) -> Int[np.ndarray, " tracks"]:
    """Chance: always the class that most tracks have."""
    table = _sparse(classes)
    return np.full(table.shape[0], table.getnnz(axis=0).argmax())


def _spread(kept: Bool[np.ndarray, " tracks"], scores: np.ndarray) -> Float[np.ndarray, " tracks"]:
    """Scores of the kept tracks put back in their places; NaN elsewhere."""
    spread = np.full(len(kept), np.nan)
    spread[kept] = scores
    return spread
