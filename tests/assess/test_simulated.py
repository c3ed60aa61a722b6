"""Annotators that do not exist, through the real sessions: who is found out, how soon, and what weighting
gains.
"""

from functools import cache

import numpy as np
import pytest

from simulated_annotators import Outcome, World, agreement_with_truth, make_world, simulate
from soundkin.assess.annotator_state import SessionConfig, reliabilities
from soundkin.assess.answer_files import AnswerKind
from soundkin.catalog.annotators import training_weights

RUNS, STEPS = 30, 200
TEAM = ("careful", "careful", "sloppy", "sloppy", "random", "adversarial")


@cache
def world() -> World:
    return make_world()


@cache
def alone(kind: str) -> list[tuple[str, int]]:
    """Where each of many of a kind stood in the end, and after how many questions."""
    outcomes = [simulate(world(), [kind], STEPS, random_seed=seed) for seed in range(RUNS)]
    return [(one.stood[f"{kind} 1"], one.steps[f"{kind} 1"]) for one in outcomes]


@cache
def teams() -> list[Outcome]:
    """Six people who answer the same questions, and nobody is suspended."""
    lenient = SessionConfig(lowest_reliability=0.001, most_fast=1_000_000, judges=len(TEAM))
    return [simulate(world(), TEAM, 80, lenient, seed, questions=60, shared_share=1.0) for seed in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "within"), [("random", 160), ("adversarial", 24), ("hasty", 16)])
def test_the_bad_are_suspended_within(kind: str, within: int) -> None:
    assert all(stood == AnswerKind.SUSPENDED and steps <= within for stood, steps in alone(kind)), alone(kind)


@pytest.mark.slow
def test_the_careful_are_not_and_the_sloppy_seldom() -> None:
    assert not any(stood == AnswerKind.SUSPENDED for stood, _ in alone("careful"))
    assert sum(stood == AnswerKind.SUSPENDED for stood, _ in alone("sloppy")) <= RUNS * 0.3


@pytest.mark.slow
def test_reliability_ranks_them_right() -> None:
    for outcome in teams():
        found = reliabilities(outcome.rows(), outcome.gold)
        of_kind = {kind: [found[name] for name in found if outcome.kinds[name] == kind] for kind in TEAM}
        assert min(of_kind["careful"]) > max(of_kind["sloppy"])
        assert np.mean(of_kind["sloppy"]) > max(of_kind["random"])
        assert min(of_kind["random"]) > max(of_kind["adversarial"])


@pytest.mark.slow
def test_weighting_by_it_raises_agreement_with_the_truth() -> None:
    plain, weighted = [], []
    for outcome in teams():
        found = reliabilities(outcome.rows(), outcome.gold)
        weights = dict(zip(found, training_weights(np.array(list(found.values()))), strict=True))
        plain.append(agreement_with_truth(world(), outcome.rows(["main"]), dict.fromkeys(found, 1.0)))
        weighted.append(agreement_with_truth(world(), outcome.rows(["main"]), weights))
    assert np.mean(weighted) - np.mean(plain) > 0.05 and all(np.array(weighted) >= np.array(plain))
