"""The asymmetric loss against its formula, and what it says of absent tags."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score

from soundkin.catalog.labels import Vocabulary
from soundkin.tasks.tags import TagsConfig, TagsTask

NAMES = ("calm", "fast", "slow")


def task(**settings: float) -> TagsTask:
    torch.manual_seed(0)
    return TagsTask(TagsConfig(**settings), Vocabulary(NAMES), 4)


def gradient_of_absent(likelihood: float) -> float:
    logit = torch.tensor([[math.log(likelihood / (1 - likelihood))]], requires_grad=True)
    task().costs(logit, torch.zeros(1, 1)).sum().backward()
    assert logit.grad is not None
    return float(logit.grad)


@given(
    logits=st.lists(st.floats(-12, 12), min_size=1, max_size=8),
    focus=st.sampled_from([0.0, 0.5, 1.0, 4.0]),
    shift=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_costs_are_the_formula(logits: list[float], focus: float, shift: float) -> None:
    present = [number % 2 == 0 for number in range(len(logits))]
    expected = []
    for logit, there in zip(logits, present, strict=True):
        likely = 1 / (1 + math.exp(-logit))
        shifted = max(likely - shift, 0.0)
        expected.append(-math.log(likely) if there else -(shifted**focus) * math.log(1 - shifted))
    costs = task(absent_focus=focus, absent_shift=shift).costs(
        torch.tensor([logits]), torch.tensor([present]).float()
    )
    torch.testing.assert_close(
        costs[0], torch.tensor(expected), atol=2e-3 if focus == 0.5 else 1e-5, rtol=1e-3
    )


def test_without_focus_and_shift_it_is_binary_cross_entropy_however_sure() -> None:
    logits, targets = torch.tensor([[-80.0, -1.0, 0.0, 3.0, 30.0]] * 2), torch.tensor([[1.0] * 5, [0.0] * 5])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    torch.testing.assert_close(
        task(absent_focus=0, absent_shift=0).costs(logits, targets), expected, atol=1e-5, rtol=1e-5
    )


def test_an_absent_tag_counts_less_where_it_is_unlikely_and_where_it_was_likely_forgotten() -> None:
    assert gradient_of_absent(0.04) == 0.0
    assert gradient_of_absent(0.3) < gradient_of_absent(0.8) / 10
    assert gradient_of_absent(0.9999) < gradient_of_absent(0.8) / 10


def test_loss_sums_over_tags_and_averages_over_tracks_with_any() -> None:
    tags = task()
    vectors = torch.randn(3, 4)
    targets = torch.tensor([[1.0, 0.0, 1.0], [math.nan] * 3, [0.0, 1.0, 0.0]])
    costs = tags.costs(tags.logits(vectors), targets.nan_to_num())
    torch.testing.assert_close(tags.loss(vectors, targets), (costs[0].sum() + costs[2].sum()) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_average_precision_is_that_of_scikit_learn(seed: int) -> None:
    tags = task()
    generator = np.random.default_rng(seed)
    targets = (generator.random((6, 3)) < 0.5).astype(np.float32)
    targets[targets.sum(axis=1) == 0, 0] = 1.0
    vectors = torch.from_numpy(generator.normal(size=(6, 4)).astype(np.float32))
    expected = label_ranking_average_precision_score(targets, tags.logits(vectors).detach().numpy())
    assert abs(tags.metrics(vectors, torch.from_numpy(targets))["average_precision"] - expected) < 1e-6
