"""Errors planted on purpose: what doubting a label is worth where the truth is known.

One label in twenty is swapped, round after round. On half of the rounds isotonic regression turns beliefs
into the chance that a label is one of the swapped ones, and that the suggested one is the true one (Zadrozny
& Elkan 2002); the other half says how often doubts and offered corrections are right. All labels that were
not planted count as right, so these figures are the least that can be true: real errors among them count
against it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydantic import BaseModel
from sklearn.isotonic import IsotonicRegression

from soundkin.audit.out_of_fold import log_belief, out_of_fold_scores, probabilities
from soundkin.progress import progress
from soundkin.shapes import Bool, Float, Int, typechecked

PLANTED_SHARE, PLANTED = (
    0.05,
    400,
)  # so many labels are swapped at a time, and in all, in at most so many rounds
MOST_ROUNDS = 20
PRIOR_LABELS = 10.0  # so many more labels with the most evidence are taken to be wrong as often as all are
LEAST_CHANCE = 0.3  # that a label is wrong, to doubt it; that another is right, to offer it as a correction


class PlantedErrors(BaseModel, frozen=True):
    """How doubts fare on labels swapped on purpose: of `doubted` labels, `found` are swapped ones, and so on."""

    planted: int
    doubted: int
    found: int
    offered: int  # corrections
    right: int

    @property
    def in_words(self) -> str:
        """Recall and precision of doubts and of offered corrections, each with what it stands on."""
        words = (
            f"of {self.planted} labels swapped on purpose, one in twenty at a time, {self.found} were doubted"
        )
        if self.doubted:
            words += f", and at least {self.found} of {self.doubted} doubts were right ({self.found / self.doubted:.0%})"
        if self.offered:
            share = self.right / self.offered
            words += f"; so were at least {self.right} of {self.offered} corrections offered ({share:.0%})"
        return words


class Beliefs(NamedTuple):
    """How far labels are believed, [labels] each: in [0, 1], with the likeliest other class and how likely it
    is.
    """

    given: Float[np.ndarray, " labels"]
    suggested: Int[np.ndarray, " labels"]
    confidence: Float[np.ndarray, " labels"]


class Planted(NamedTuple):
    """Beliefs over rounds of planting; which labels are planted, and for which the suggested class is the
    true one.
    """

    beliefs: Beliefs
    planted: Bool[np.ndarray, " labels"]
    true: Bool[np.ndarray, " labels"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """Chances that given labels are wrong, by belief in them; where they are, that the suggested one is
    right.
    """

    wrong: IsotonicRegression
    right: IsotonicRegression

    @classmethod
    def from_planted(cls, known: Planted) -> "Calibration":
        """Fit both to labels of which it is known whether they are planted."""
        planted = known.planted
        return cls(
            _isotonic(-known.beliefs.given, planted),
            _isotonic(known.beliefs.confidence[planted], known.true[planted]),
        )

    def chances(self, beliefs: Beliefs) -> tuple[Float[np.ndarray, " labels"], Float[np.ndarray, " labels"]]:
        """That each given label is wrong, and that it is and the suggested one is right; both in [0, 1]."""
        wrong = self.wrong.predict(-beliefs.given)
        return wrong, wrong * self.right.predict(beliefs.confidence)

    def check(self, known: Planted) -> PlantedErrors:
        """How doubts and offers fare on other planted errors."""
        doubts, chances = self.chances(known.beliefs)
        doubted = doubts >= LEAST_CHANCE
        offered = doubted & (chances >= LEAST_CHANCE)
        return PlantedErrors(
            planted=int(known.planted.sum()),
            doubted=int(doubted.sum()),
            found=int((doubted & known.planted).sum()),
            offered=int(offered.sum()),
            right=int((offered & known.planted & known.true).sum()),
        )


def plant_errors(
    vectors: np.ndarray, classes: np.ndarray, folds: np.ndarray, temperature: float, random_seed: int
) -> tuple[Planted, Planted]:
    """Beliefs over rounds of planting: those to calibrate on, and as many to check with."""
    rng = np.random.default_rng(random_seed)
    count = max(1, round(PLANTED_SHARE * len(classes)))
    rounds: list[Planted] = []
    for _ in progress(
        range(2 * min(MOST_ROUNDS // 2, -(-PLANTED // (2 * count)))), "planting errors", unit="round"
    ):
        mistaken, chosen = swap_labels(classes, count, rng)
        found = beliefs(out_of_fold_scores(vectors, mistaken, folds) / temperature, mistaken)
        planted = np.isin(np.arange(len(classes)), chosen)
        rounds.append(Planted(found, planted, classes[np.arange(len(classes)), found.suggested]))
    return _joined(rounds[::2]), _joined(rounds[1::2])


def _joined(rounds: list[Planted]) -> Planted:
    of_beliefs, planted, true = zip(*rounds, strict=True)
    joined = Beliefs(*(np.concatenate(part) for part in zip(*of_beliefs, strict=True)))
    return Planted(joined, np.concatenate(planted), np.concatenate(true))


@typechecked
def beliefs(
    scores: Float[np.ndarray, "tracks classes"], classes: Bool[np.ndarray, "tracks classes"]
) -> Beliefs:
    """How far the labels of each track are believed, and the likeliest class beside them."""
    others = np.where(classes, -1.0, probabilities(scores))
    return Beliefs(np.exp(log_belief(scores, classes)), others.argmax(axis=1), others.max(axis=1))


def _isotonic(evidence: np.ndarray, happened: np.ndarray) -> IsotonicRegression:
    """The chance of what becomes more frequent as evidence grows.

    Few labels have the most evidence; PRIOR_LABELS more with the mean chance keep these few from deciding
    alone.
    """
    weights = np.append(np.ones(len(evidence)), PRIOR_LABELS)
    model = IsotonicRegression(out_of_bounds="clip")
    return model.fit(np.append(evidence, evidence.max()), np.append(happened, happened.mean()), weights)


@typechecked
def swap_labels(
    classes: Bool[np.ndarray, "tracks classes"], count: int, rng: np.random.Generator
) -> tuple[Bool[np.ndarray, "tracks classes"], Int[np.ndarray, " swapped"]]:
    """`count` tracks get one class that is not theirs in place of their own; also which tracks these are."""
    wrong = classes.copy()
    able = np.flatnonzero(~classes.all(axis=1))
    chosen = rng.choice(able, min(count, len(able)), replace=False)
    for row in chosen:
        wrong[row] = False
        wrong[row, rng.choice(np.flatnonzero(~classes[row]))] = True
    return wrong, chosen
