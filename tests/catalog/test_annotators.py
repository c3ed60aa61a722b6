"""The estimate of who is right: planted annotators, hand-made cases, and what must not matter."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from soundkin.catalog.annotators import (
    PRIOR_RELIABILITY,
    TRACKS,
    find_consensus,
    judgement_log_odds,
    make_judgements,
    training_weights,
)
from soundkin.errors import CatalogError

KINDS = {"careful": 0.95, "average": 0.85, "sloppy": 0.7, "random": 0.5, "adversarial": 0.2}


def table(*rows: str) -> pd.DataFrame:
    """Rows such as `abc anna`; nobody is named where there is one word."""
    words = [(*row.split(), None)[:2] for row in rows]
    cells = [(*str(tracks), name) for tracks, name in words]
    return pd.DataFrame(cells, columns=[*TRACKS, "annotator_id"], dtype=object)


def simulate(rng: np.random.Generator, questions: int, answers: int) -> pd.DataFrame:
    """Three annotators of each kind; in column `right`, whether a judgement is; half the truths are in either
    order.
    """
    names = [f"{kind}-{number}" for kind in KINDS for number in range(3)]
    rows = []
    for question in range(questions):
        one, other = (f"t{question:04d}x", f"t{question:04d}y")
        truth = (one, other) if rng.random() < 0.5 else (other, one)
        for name in rng.choice(names, answers, replace=False):
            right = rng.random() < KINDS[name.split("-")[0]]
            rows.append((f"t{question:04d}a", *(truth if right else truth[::-1]), name, right))
    return pd.DataFrame(rows, columns=[*TRACKS, "annotator_id", "right"])


def shares_right(triplets: pd.DataFrame, weights: np.ndarray) -> float:
    """Share of questions on which the weighted answers name the truth; a tie is half a question."""
    sums = (
        pd.Series(np.where(triplets["right"], weights, -weights))
        .groupby(triplets["anchor_id"].to_numpy())
        .sum()
    )
    return float(((sums > 1e-9) + 0.5 * (sums.abs() <= 1e-9)).mean())


@pytest.fixture(scope="module")
def simulated() -> pd.DataFrame:
    return simulate(np.random.default_rng(0), questions=600, answers=5)


def test_estimated_reliability_ranks_annotators_right_and_is_near_the_truth(simulated: pd.DataFrame) -> None:
    consensus = find_consensus(simulated)
    names = consensus.judgements.annotator_ids
    truth = np.array([KINDS[name.split("-")[0]] for name in names])
    assert np.abs(consensus.reliability - truth).max() < 0.1
    ranges = [consensus.reliability[[name.startswith(kind) for name in names]] for kind in KINDS]
    assert all(better.min() > worse.max() for better, worse in pairwise(ranges))


def test_weighting_raises_agreement_with_the_truth_over_plain_majority(simulated: pd.DataFrame) -> None:
    plain = shares_right(simulated, np.ones(len(simulated)))
    weighed = shares_right(simulated, judgement_log_odds(simulated))
    assert weighed > plain + 0.12 and weighed > 0.9


def test_log_odds_of_questions_are_as_sure_as_they_are_often_right() -> None:
    simulated = simulate(np.random.default_rng(2), questions=2500, answers=5)
    consensus = find_consensus(simulated)
    judgements = consensus.judgements
    chosen = expit(judgements.answers * consensus.log_odds[judgements.questions])
    for low, high in ((0.0, 0.05), (0.3, 0.7), (0.95, 1.0)):
        within = (chosen >= low) & (chosen <= high)
        assert abs(simulated["right"].to_numpy()[within].mean() - chosen[within].mean()) < 0.06


def test_few_answers_shrink_to_the_prior() -> None:
    few = find_consensus(table("abc anna", "abc ben", "abc cleo")).reliability
    many = find_consensus(simulate(np.random.default_rng(1), 400, 5)).reliability
    assert np.all(np.abs(few - PRIOR_RELIABILITY) < 0.06) and many.max() > 0.9


def test_answers_that_nobody_else_gives_say_nothing() -> None:
    alone = table(*(f"{anchor}xy anna" for anchor in "abcdefghij"))
    consensus = find_consensus(alone)
    assert consensus.reliability == pytest.approx([PRIOR_RELIABILITY], abs=1e-6)
    assert consensus.others == pytest.approx(np.zeros(10), abs=1e-9)


def test_two_against_one_by_hand() -> None:
    """One round of EM from the prior, whose fixed point is then checked: hits are what the answers make
    likely.
    """
    consensus = find_consensus(table("abc anna", "abc ben", "acb cleo"))
    weights = logit(consensus.reliability)
    belief = expit(weights[0] + weights[1] - weights[2])
    assert consensus.log_odds[0] == pytest.approx(logit(belief))
    assert consensus.reliability == pytest.approx(
        [(3 + belief) / 5, (3 + belief) / 5, (4 - belief) / 5], abs=1e-5
    )
    assert consensus.others[2] == pytest.approx(-np.tanh((weights[0] + weights[1]) / 2))


def test_gold_questions_are_certain() -> None:
    """Two against one, and the one is right: without gold nobody could tell."""
    anchors = "abcdefgh"
    answers = [f"{anchor}xy {name}" for anchor in anchors for name in ("anna", "ben")]
    answers += [f"{anchor}yx cleo" for anchor in anchors]
    gold = table(*(f"{anchor}yx" for anchor in anchors), "zxy")
    blind, told = find_consensus(table(*answers)), find_consensus(table(*answers), gold=gold)
    assert blind.reliability[2] < 0.5 < blind.reliability[0]
    assert told.reliability == pytest.approx([3 / 12, 3 / 12, 11 / 12])
    assert (
        np.isinf(told.log_odds).all()
        and (told.others == np.where(told.judgements.annotators == 2, 1, -1)).all()
    )


def test_a_models_hint_settles_a_tie_and_does_not_outvote_people() -> None:
    tie, hint = table("abc anna", "acb ben"), table("acb").assign(probability=0.999)
    settled = find_consensus(tie, expected=hint)
    assert settled.reliability[1] > settled.reliability[0] and settled.log_odds[0] < 0
    agreed = find_consensus(table("abc anna", "abc ben"), expected=hint)
    assert agreed.log_odds[0] > 0
    indifferent = find_consensus(tie, expected=hint.assign(probability=0.5))
    assert indifferent.log_odds[0] == pytest.approx(0.0)


def test_gold_questions_that_contradict_each_other() -> None:
    with pytest.raises(CatalogError, match="of a, both b and c are said to be the closer"):
        find_consensus(table("abc anna"), gold=table("abc", "acb"))


def test_a_person_counts_once_a_question_however_often_it_is_answered() -> None:
    once = table("abc anna", "acb ben", "dbc anna", "dbc ben")
    often = table("abc anna", "abc anna", "abc anna", "acb ben", "dbc anna", "dbc ben")
    first, second = find_consensus(once), find_consensus(often)
    assert second.reliability == pytest.approx(first.reliability)
    assert second.log_odds == pytest.approx(first.log_odds)
    said = judgement_log_odds(often)
    assert said[:3].sum() == pytest.approx(judgement_log_odds(once)[0])


def test_who_contradicts_themselves_says_nothing() -> None:
    consensus = find_consensus(table("abc anna", "acb anna", "abc ben"))
    assert consensus.judgements.own.tolist() == [0.0, 0.0, 1.0]
    assert consensus.log_odds[0] == pytest.approx(logit(consensus.reliability[1]))


def test_judgements_of_nobody_are_those_of_strangers() -> None:
    unnamed = table("abc", "abc", "acb")
    consensus = find_consensus(unnamed)
    assert consensus.judgements.annotator_ids == [] and len(consensus.reliability) == 0
    assert consensus.log_odds[0] == pytest.approx(logit(PRIOR_RELIABILITY))
    assert judgement_log_odds(unnamed) == pytest.approx(np.full(3, logit(PRIOR_RELIABILITY)))
    assert judgement_log_odds(unnamed[TRACKS]) == pytest.approx(judgement_log_odds(unnamed))


def test_an_empty_table_has_no_annotators() -> None:
    consensus = find_consensus(table())
    assert len(consensus.reliability) == len(consensus.log_odds) == len(consensus.others) == 0
    assert len(judgement_log_odds(table())) == 0


def test_training_weights_by_hand() -> None:
    weights = training_weights(np.array([PRIOR_RELIABILITY, 0.5, 0.2, 0.9]))
    assert weights == pytest.approx([1.0, 0.0, 0.0, np.log(9) / np.log(3)])


JUDGED = st.lists(
    st.tuples(st.sampled_from(["abc", "acb", "bac", "bca", "cab"]), st.sampled_from(["", " x", " y", " z"])),
    min_size=1,
    max_size=20,
)


@given(rows=JUDGED, data=st.data())
@settings(max_examples=50, deadline=None)
def test_neither_order_nor_names_matter(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(rows))))
    renamed = {"x": "q", "y": "p", "z": "r", None: None}
    first = table(*("".join(row) for row in rows))
    second = first.iloc[list(order)].reset_index(drop=True)
    second["annotator_id"] = second["annotator_id"].map(renamed)
    said = judgement_log_odds(first)
    assert np.isfinite(said).all() and (said >= 0).all()
    assert judgement_log_odds(second) == pytest.approx(said[list(order)], abs=1e-4)


@given(rows=JUDGED)
@settings(max_examples=50, deadline=None)
def test_mirrored_answers_mirror_the_consensus(rows: list[tuple[str, str]]) -> None:
    """Which of the two tracks has the name that comes first has nothing to do with who is right."""
    first = table(*("".join(row) for row in rows))
    mirrored = first.rename(columns={"closer_id": "farther_id", "farther_id": "closer_id"})
    one, other = find_consensus(first), find_consensus(mirrored)
    assert other.reliability == pytest.approx(one.reliability, abs=1e-6)
    assert other.log_odds == pytest.approx(-one.log_odds, abs=1e-6)


def test_questions_are_the_same_in_either_order() -> None:
    judgements = make_judgements(table("abc x", "acb y", "bac x"))
    assert judgements.questions[0] == judgements.questions[1] != judgements.questions[2]
    assert judgements.answers.tolist() == [1.0, -1.0, 1.0] and judgements.question_count == 2
