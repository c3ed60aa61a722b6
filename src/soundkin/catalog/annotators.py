"""Annotators: how often each one is right, estimated from what several people say of the same questions.

A question is an anchor and two tracks, in either order. An annotator names the closer track with one
probability, the `reliability`, whichever track that is and however hard the question (A. Dawid and A. Skene,
"Maximum likelihood estimation of observer error-rates using the EM algorithm", 1979, with one rate a person;
J. Whitehill et al., "Whose vote should count more", 2009, without difficulty). A Beta prior shrinks those who
answered little to its mean (Q. Liu, J. Peng, A. Ihler, "Variational inference for crowdsourcing", 2012,
approximate mean field).

A person who answers a question twice counts once, by the mean of the answers. Each judgement without an
annotator counts as that of another person of whom nothing is known.

In the estimate, the answers of somebody below chance count for the contrary, as in Dawid and Skene. In
training they weigh nothing: below chance are those who misunderstood the task or mean harm, and nobody can
say that they stay so.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from soundkin.catalog.triplets_table import COLUMNS as TRACKS
from soundkin.errors import CatalogError
from soundkin.shapes import Float, Int, typechecked

PRIOR_HITS, PRIOR_MISSES = 3.0, 1.0  # as if everybody had answered four questions before, three of them right
PRIOR_RELIABILITY = PRIOR_HITS / (PRIOR_HITS + PRIOR_MISSES)
PRIOR_LOG_ODDS = math.log(PRIOR_HITS / PRIOR_MISSES)
MOST_EXPECTED = 1.0  # log-odds; a model's prediction counts no more than a person of reliability 0.73
MOST_ROUNDS = 500
PRECISION = 1e-6
UNKNOWN = -1  # number of an annotator who is not named


@dataclass(frozen=True, eq=False)
class Judgements:
    """Triplets as numbers, in the order of the table.

    `annotators` count from 0 in the order of `annotator_ids`, UNKNOWN where nobody is named. `answers` are 1
    where the track of the question whose id comes first is the closer one, else -1. `shares` are 1 / how
    often the annotator answered the question, and `own` [-1, 1] the mean of these answers.
    """

    annotator_ids: list[str]
    annotators: Int[np.ndarray, " judgements"]
    questions: Int[np.ndarray, " judgements"]
    answers: Float[np.ndarray, " judgements"]
    shares: Float[np.ndarray, " judgements"]
    own: Float[np.ndarray, " judgements"]
    question_count: int

    def log_odds(self, reliability: Float[np.ndarray, " annotators"]) -> Float[np.ndarray, " judgements"]:
        """The log-odds that each judgement's annotator is right."""
        log_odds: Float[np.ndarray, " judgements"] = np.append(_logit(reliability), PRIOR_LOG_ODDS)[
            self.annotators  # UNKNOWN is the last
        ]
        return log_odds

    def votes(self, reliability: Float[np.ndarray, " annotators"]) -> Float[np.ndarray, " questions"]:
        """Log-odds that the answers give to the first track of each question."""
        weights = self.shares * self.answers * self.log_odds(reliability)
        return np.bincount(self.questions, weights, minlength=self.question_count)


@dataclass(frozen=True, eq=False)
class Consensus:
    """What all say together.

    `reliability` [0, 1]: how likely each annotator is right. `log_odds`: of each question, that the track
    whose id comes first is the closer one; infinite where that is known. `others` [-1, 1]: of each judgement,
    how surely all but its annotator say that it is right (1) or wrong (-1); 0 where there is no other.
    """

    judgements: Judgements
    reliability: Float[np.ndarray, " annotators"]
    log_odds: Float[np.ndarray, " questions"]
    others: Float[np.ndarray, " judgements"]


def make_judgements(triplets: pd.DataFrame) -> Judgements:
    """Number the questions and annotators of `triplets` (TRACKS and perhaps `annotator_id`)."""
    numbers, answers, count = _number([triplets])
    return _by_annotator(triplets, numbers[0], answers[0], count)


def find_consensus(
    triplets: pd.DataFrame, gold: pd.DataFrame | None = None, expected: pd.DataFrame | None = None
) -> Consensus:
    """Estimate every annotator's reliability and every question's answer by EM.

    `gold` (anchor_id, closer_id, farther_id): questions whose answer is known, and counts as certain.
    `expected` has a column `probability` too: how likely a model holds the closer track to be closer, taken
    for a weak hint (at most MOST_EXPECTED). Weights from a model's own hints should not train that model:
    they would confirm it.
    """
    tables = [table if table is not None else triplets.iloc[:0] for table in (triplets, gold, expected)]
    questions, answers, count = _number(tables)
    judgements = _by_annotator(triplets, questions[0], answers[0], count)
    _reject_contradictions(tables[1], questions[1], answers[1])
    prior = np.zeros(count)
    if expected is not None:
        hints = _logit(expected["probability"].to_numpy(np.float64))
        prior[questions[2]] = answers[2] * np.clip(hints, -MOST_EXPECTED, MOST_EXPECTED)
    prior[questions[1]] = answers[1] * np.inf
    people = len(judgements.annotator_ids)
    named = judgements.annotators != UNKNOWN
    annotators, shares = judgements.annotators[named], judgements.shares[named]
    answered = np.bincount(annotators, shares, minlength=people)
    reliability = np.full(people, PRIOR_RELIABILITY)
    for _ in range(MOST_ROUNDS):
        log_odds = prior + judgements.votes(reliability)
        right = (1 + judgements.answers * np.tanh(log_odds / 2)[judgements.questions]) / 2
        hits = np.bincount(annotators, shares * right[named], minlength=people)
        last, reliability = reliability, (PRIOR_HITS + hits) / (PRIOR_HITS + PRIOR_MISSES + answered)
        if np.abs(reliability - last).max(initial=0.0) < PRECISION:
            break
    log_odds = prior + judgements.votes(reliability)
    others = log_odds[judgements.questions] - judgements.log_odds(reliability) * judgements.own
    return Consensus(judgements, reliability, log_odds, judgements.answers * np.tanh(others / 2))


@typechecked
def training_weights(reliability: Float[np.ndarray, " annotators"]) -> Float[np.ndarray, " annotators"]:
    """Weight of each annotator's judgements: 1 for somebody unknown, 0 at chance and below."""
    weights: Float[np.ndarray, " annotators"] = np.maximum(_logit(reliability) / PRIOR_LOG_ODDS, 0.0)
    return weights


def judgement_log_odds(triplets: pd.DataFrame) -> Float[np.ndarray, " judgements"]:
    """How much likelier each row makes its answer than the contrary, by its annotator; 0 below chance.

    A person's answers to one question share the weight of one.
    """
    consensus = find_consensus(triplets)
    log_odds = consensus.judgements.log_odds(consensus.reliability)
    weights: Float[np.ndarray, " judgements"] = consensus.judgements.shares * np.maximum(log_odds, 0.0)
    return weights


def _number(
    tables: list[pd.DataFrame],
) -> tuple[list[Int[np.ndarray, " rows"]], list[Float[np.ndarray, " rows"]], int]:
    """Each table's questions, by number, and answers (1 or -1), and how many questions there are."""
    ends = np.cumsum([len(table) for table in tables])[:-1]
    cells = pd.concat([table[name] for name in TRACKS for table in tables])
    anchor, closer, farther = pd.factorize(cells.to_numpy(object), sort=True)[0].reshape(3, -1)
    asked = np.column_stack([anchor, np.minimum(closer, farther), np.maximum(closer, farther)])
    unique, numbers = np.unique(asked, axis=0, return_inverse=True)
    answers = np.where(closer < farther, 1.0, -1.0)
    return np.split(numbers.reshape(-1), ends), np.split(answers, ends), len(unique)


def _by_annotator(
    triplets: pd.DataFrame,
    questions: Int[np.ndarray, " rows"],
    answers: Float[np.ndarray, " rows"],
    question_count: int,
) -> Judgements:
    names = triplets.get("annotator_id", pd.Series(None, triplets.index, dtype=object))
    annotators, ids = pd.factorize(names.to_numpy(object), sort=True)
    unnamed = len(ids) + np.arange(len(annotators))  # each of them another person
    persons = np.where(annotators == UNKNOWN, unnamed, annotators)
    pairs = np.unique(np.column_stack([persons, questions]), axis=0, return_inverse=True)[1].reshape(-1)
    times = np.bincount(pairs)[pairs]
    own = np.bincount(pairs, answers)[pairs] / times
    people = list(map(str, ids))
    return Judgements(
        people, annotators.astype(np.int64), questions, answers, 1.0 / times, own, question_count
    )


def _reject_contradictions(
    gold: pd.DataFrame, questions: Int[np.ndarray, " rows"], answers: Float[np.ndarray, " rows"]
) -> None:
    sums, times = np.bincount(questions, answers), np.bincount(questions)
    contradicted = np.flatnonzero(np.abs(sums[questions]) < times[questions])
    if len(contradicted):
        anchor, closer, farther = gold[TRACKS].iloc[contradicted[0]]
        both = f"of {anchor}, both {closer} and {farther} are said to be the closer"
        raise CatalogError(f"gold questions: {both}. Delete one row.")


def _logit(probability: Float[np.ndarray, " probabilities"]) -> Float[np.ndarray, " probabilities"]:
    from scipy.special import logit  # an extra brings it, and this is imported without one

    log_odds: Float[np.ndarray, " probabilities"] = logit(probability)
    return log_odds
