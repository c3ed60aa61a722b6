"""How well two sides of tracks can be told apart, held against chance, and which lean to the other side.

A linear support vector machine sees no track of a group (artist, album) that it is tested on: told apart
otherwise, sides seem further apart than they are. Accuracy is the mean of both sides', so that one large
side does not make it.
"""

from dataclasses import dataclass

from soundkin.extras import require

require("explore", "a comparison")

import numpy as np
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC

from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.statistics.scaling import unit_length

FOLDS = 5
SHUFFLES = 100
RESAMPLES = 1_000


@dataclass(frozen=True)
class Separability:
    """`accuracy` from 0 to 1 of telling sides apart, its 95 % interval by resampling groups, and the range in
    which 95 % of accuracies lie when sides are dealt to the groups at random.
    """

    accuracy: float
    low: float
    high: float
    chance_low: float
    chance_high: float

    @property
    def is_told_apart(self) -> bool:
        """Whether the accuracy is above what chance gives."""
        return self.accuracy > self.chance_high


@typechecked
def separability(
    vectors: Float[np.ndarray, "tracks embedding"],
    second: Bool[np.ndarray, " tracks"],
    groups: Int[np.ndarray, " tracks"],
    random_seed: int,
) -> Separability | None:
    """Tell tracks of the `second` side from the others; None where a side has fewer than two groups."""
    if min(len(np.unique(groups[second])), len(np.unique(groups[~second]))) < 2:
        return None
    kernel = (unit := unit_length(vectors).astype(float)) @ unit.T
    rng = np.random.default_rng(random_seed)
    told = _told(kernel, second, groups, random_seed)
    resampled = _resampled(second, told, groups, rng)
    by_chance = []
    for _ in range(SHUFFLES):
        dealt = _dealt(second, groups, rng)
        by_chance.append(balanced_accuracy_score(dealt, _told(kernel, dealt, groups, random_seed)))
    return Separability(
        float(balanced_accuracy_score(second, told)),
        *map(float, np.quantile(resampled, (0.025, 0.975))),
        *map(float, np.quantile(by_chance, (0.025, 0.975))),
    )


def lean(
    vectors: Float[np.ndarray, "tracks embedding"], second: Bool[np.ndarray, " tracks"]
) -> Float[np.ndarray, " tracks"]:
    """Each track's mean cosine with the second side, less that with the first, itself left out."""
    unit = unit_length(vectors).astype(float)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, 0.0)
    sizes = [np.maximum(side.sum() - side, 1) for side in (second, ~second)]
    result: Float[np.ndarray, " tracks"] = (
        cosines[:, second].sum(axis=1) / sizes[0] - cosines[:, ~second].sum(axis=1) / sizes[1]
    )
    return result


def _told(
    kernel: Float[np.ndarray, "tracks tracks"],
    second: Bool[np.ndarray, " tracks"],
    groups: Int[np.ndarray, " tracks"],
    random_seed: int,
) -> Bool[np.ndarray, " tracks"]:
    """The side of each track as told by a machine that saw no track of its group."""
    groups_of_side = [len(np.unique(groups[side])) for side in (second, ~second)]
    folds = StratifiedGroupKFold(min(FOLDS, *groups_of_side), shuffle=True, random_state=random_seed)
    told = np.zeros(len(second), bool)
    for train, test in folds.split(kernel, second, groups):
        if len(np.unique(second[train])) == 1:
            told[test] = second[train][0]
            continue
        machine = SVC(kernel="precomputed", class_weight="balanced")
        machine.fit(kernel[np.ix_(train, train)], second[train])
        told[test] = machine.predict(kernel[np.ix_(test, train)])
    return told


def _resampled(
    second: Bool[np.ndarray, " tracks"],
    told: Bool[np.ndarray, " tracks"],
    groups: Int[np.ndarray, " tracks"],
    rng: np.random.Generator,
) -> list[float]:
    """Accuracies of groups drawn anew, each side's with replacement."""
    recalls = []
    for side in (second, ~second):
        names, numbers = np.unique(groups[side], return_inverse=True)
        right = np.bincount(numbers, (second == told)[side])
        drawn = rng.integers(len(names), size=(RESAMPLES, len(names)))
        recalls.append(right[drawn].sum(axis=1) / np.bincount(numbers)[drawn].sum(axis=1))
    return list(np.mean(recalls, axis=0))


def _dealt(
    second: Bool[np.ndarray, " tracks"], groups: Int[np.ndarray, " tracks"], rng: np.random.Generator
) -> Bool[np.ndarray, " tracks"]:
    """Sides dealt to whole groups at random; to tracks where a group has tracks on both sides."""
    _, first, numbers = np.unique(groups, return_index=True, return_inverse=True)
    if (second == second[first][numbers]).all():
        return np.asarray(rng.permutation(second[first])[numbers])
    return rng.permutation(second)
