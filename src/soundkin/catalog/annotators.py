"""Annotators: how often each one is right, told from what several people say of the same questions.

A question is an anchor and two tracks, in either order. An annotator names the closer track with one
probability, the `reliability`, whichever track that is and however hard the question (A. Dawid and A. Skene,
"Maximum likelihood estimation of observer error-rates using the EM algorithm", 1979, with one rate a person;
J. Whitehill et al., "Whose vote should count more", 2009, without difficulty). A Beta prior shrinks those who
answered little to its mean (Q. Liu, J. Peng, A. Ihler, "Variational inference for crowdsourcing", 2012,
approximate mean field).

A person who answers a question twice counts once, by the mean of the answers. Judgements without an annotator
may be anybody's: they count as those of somebody of whom nothing is known.

In the estimate, the answers of somebody below chance speak for the contrary, as in Dawid and Skene. In
training they weigh nothing: below chance are those who misunderstood the task or mean harm, and nobody can
say that they stay so.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logit

from soundkin.errors import CatalogError
from soundkin.shapes import Float, Int, typechecked

PRIOR_HITS, PRIOR_MISSES = 3.0, 1.0  # as if everybody had answered four questions before, three of them right
PRIOR_RELIABILITY = PRIOR_HITS / (PRIOR_HITS + PRIOR_MISSES)
MOST_EXPECTED = 1.0  # log-odds; a model's prediction counts no more than a person of reliability 0.73
MOST_ROUNDS = 500
PRECISION = 1e-6

TRACKS = ["anchor_id", "closer_id", "farther_id"]
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

    def of_annotators(
        self, values: Float[np.ndarray, " annotators"], unknown: float
    ) -> Float[np.ndarray, " judgements"]:
        """The value of each judgement's annotator; `unknown` where nobody is named."""
        chosen: Float[np.ndarray, " judgements"] = np.append(values, unknown)[
            self.annotators
        ]  # UNKNOWN is the last
        return chosen


@dataclass(frozen=True, eq=False)
class Consensus:
    """What all say together.

    `reliability` [0, 1]: how likely each annotator is right. `log_odds`: of each question, that the track
    whose id comes first is the closer one; infinite where that is known. `others` [-1, 1]: of each judgement,
    how surely all but its annotator say that it is right (1) or wrong (-1); 0 where nobody else speaks.
    """

    judgements: Judgements
    reliability: Float[np.ndarray, " annotators"]
    log_odds: Float[np.ndarray, " questions"]
    others: Float[np.ndarray, " judgements"]


def make_judgements(triplets: pd.DataFrame) -> Judgements:
    """Number the questions and annotators of `triplets` (anchor_id, closer_id, farther_id[, annotator_id])."""
    return _number(triplets)[0]


def find_consensus(
    triplets: pd.DataFrame, gold: pd.DataFrame | None = None, expected: pd.DataFrame | None = None
) -> Consensus:
    """Estimate every annotator's reliability and every question's answer by EM.

    `gold` (anchor_id, closer_id, farther_id): questions whose answer is known, and counts as certain.
    `expected` has a column `probability` too: how likely a model holds the closer track to be closer, taken
    for a weak hint (at most MOST_EXPECTED). Weights from a model's own hints should not teach that model:
    they would confirm it.

    Raises:
        CatalogError: gold questions contradict each other.
    """
    judgements, known, hints = _number(triplets, gold, expected)
    before = _prior_log_odds(judgements.question_count, known, hints)
    count = len(judgements.annotator_ids)
    named = judgements.annotators != UNKNOWN
    annotators, shares = judgements.annotators[named], judgements.shares[named]
    answered = np.bincount(annotators, shares, minlength=count)
    reliability = np.full(count, PRIOR_RELIABILITY)
    for _ in range(MOST_ROUNDS):
        log_odds = before + _votes(judgements, reliability)
        right = (1 + judgements.answers * np.tanh(log_odds / 2)[judgements.questions]) / 2
        hits = np.bincount(annotators, shares * right[named], minlength=count)
        last, reliability = reliability, (PRIOR_HITS + hits) / (PRIOR_HITS + PRIOR_MISSES + answered)
        if np.abs(reliability - last).max(initial=0.0) < PRECISION:
            break
    log_odds = before + _votes(judgements, reliability)
    weights = judgements.of_annotators(logit(reliability), float(logit(PRIOR_RELIABILITY)))
    others = log_odds[judgements.questions] - weights * judgements.own
    return Consensus(judgements, reliability, log_odds, judgements.answers * np.tanh(others / 2))


@typechecked
def training_weights(reliability: Float[np.ndarray, " annotators"]) -> Float[np.ndarray, " annotators"]:
    """How much a judgement of each counts: log-odds of `reliability`; 1 for somebody unknown, 0 at chance and
    below.
    """
    weights: Float[np.ndarray, " annotators"] = np.maximum(logit(reliability) / logit(PRIOR_RELIABILITY), 0.0)
    return weights


def judgement_log_odds(triplets: pd.DataFrame) -> Float[np.ndarray, " judgements"]:
    """How much likelier each row makes its answer than the contrary, by its annotator; 0 for those below
    chance.

    A person's answers to one question share what one of them would say.
    """
    consensus = find_consensus(triplets)
    judgements = consensus.judgements
    said = judgements.of_annotators(
        np.maximum(logit(consensus.reliability), 0.0), float(logit(PRIOR_RELIABILITY))
    )
    log_odds: Float[np.ndarray, " judgements"] = judgements.shares * said
    return log_odds


def _votes(
    judgements: Judgements, reliability: Float[np.ndarray, " annotators"]
) -> Float[np.ndarray, " questions"]:
    """Log-odds that the answers give to the first track of each question."""
    weights = judgements.of_annotators(logit(reliability), float(logit(PRIOR_RELIABILITY)))
    said = judgements.shares * judgements.answers * weights
    return np.bincount(judgements.questions, said, minlength=judgements.question_count)


_Sides = tuple[
    Int[np.ndarray, " rows"], Float[np.ndarray, " rows"]
]  # questions, and which side they speak for


def _number(
    triplets: pd.DataFrame, gold: pd.DataFrame | None = None, expected: pd.DataFrame | None = None
) -> tuple[Judgements, _Sides, _Sides]:
    """The judgements, the gold answers, and the hints with their log-odds, all with the same numbers of
    questions.
    """
    tables = [table if table is not None else triplets.iloc[:0] for table in (triplets, gold, expected)]
    ends = np.cumsum([len(table) for table in tables])[:-1]
    tracks = pd.factorize(
        pd.concat([table[name] for name in TRACKS for table in tables]).to_numpy(object), sort=True
    )
    anchor, closer, farther = tracks[0].reshape(3, -1)
    asked = np.column_stack([anchor, np.minimum(closer, farther), np.maximum(closer, farther)])
    found, numbers = np.unique(asked, axis=0, return_inverse=True)
    questions, known, hinted = np.split(numbers.reshape(-1), ends)
    answers, known_answers, hints = np.split(np.where(closer < farther, 1.0, -1.0), ends)
    if expected is not None:
        probability = expected["probability"].to_numpy(np.float64)
        hints = hints * np.clip(logit(probability), -MOST_EXPECTED, MOST_EXPECTED)
    _refuse_contradictions(gold, known, known_answers)
    return _by_annotator(triplets, questions, answers, len(found)), (known, known_answers), (hinted, hints)


def _by_annotator(
    triplets: pd.DataFrame,
    questions: Int[np.ndarray, " rows"],
    answers: Float[np.ndarray, " rows"],
    count: int,
) -> Judgements:
    names = (
        triplets["annotator_id"]
        if "annotator_id" in triplets
        else pd.Series(None, triplets.index, dtype=object)
    )
    annotators, ids = pd.factorize(names.to_numpy(object), sort=True)
    annotators = annotators.astype(np.int64)
    nobody = annotators == UNKNOWN
    persons = np.where(nobody, len(ids) + np.arange(len(annotators)), annotators)  # each unknown one apart
    pairs = np.unique(np.column_stack([persons, questions]), axis=0, return_inverse=True)[1].reshape(-1)
    times = np.bincount(pairs)[pairs]
    own = np.bincount(pairs, answers)[pairs] / times
    return Judgements([str(name) for name in ids], annotators, questions, answers, 1.0 / times, own, count)


def _prior_log_odds(count: int, known: _Sides, hints: _Sides) -> Float[np.ndarray, " questions"]:
    log_odds: Float[np.ndarray, " questions"] = np.zeros(count)
    log_odds[hints[0]] = hints[1]
    log_odds[known[0]] = known[1] * np.inf
    return log_odds


def _refuse_contradictions(
    gold: pd.DataFrame | None, questions: Int[np.ndarray, " rows"], answers: Float[np.ndarray, " rows"]
) -> None:
    if gold is None:
        return
    sums, times = np.bincount(questions, answers), np.bincount(questions)
    contradicted = np.flatnonzero(np.abs(sums[questions]) < times[questions])
    if len(contradicted):
        anchor, closer, farther = gold[TRACKS].iloc[contradicted[0]]
        raise CatalogError(
            f"gold questions: of {anchor}, both {closer} and {farther} are said to be the closer. Delete one row."
        )
