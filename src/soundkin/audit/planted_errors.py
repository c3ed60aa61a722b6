"""Errors planted on purpose: how often doubting a label is right, where the truth is known.

One label in twenty is swapped, round after round. On half of the rounds isotonic regression turns beliefs
into the chance that a label is a swapped one, and that the suggested one is the true one (Zadrozny & Elkan
2002); the other half says how often doubts and suggestions are right. Labels that were not planted count as
right, so these figures are lower bounds: real errors among them count against it.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from pydantic import BaseModel
from scipy.special import softmax
from sklearn.isotonic import IsotonicRegression

from soundkin.audit.out_of_fold import Classes, Scores, log_belief, out_of_fold_scores
from soundkin.progress import progress
from soundkin.shapes import Float, Int, typechecked

PLANTED_SHARE, PLANTED = (
    0.05,
    400,
)  # so many labels are swapped at a time, and in all, in at most so many rounds
MOST_ROUNDS = 20
PRIOR_LABELS = 10.0  # so many more labels with the most evidence are taken to be wrong as often as all are
LEAST_CHANCE = 0.3  # that a label is wrong, to doubt it; that another is right, to suggest it


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
        words = (
            f"of {self.planted} labels swapped on purpose, one in twenty at a time, {self.found} were doubted"
        )
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
