"""Joining task losses, and measuring whether they pull the same way."""

import math

import pytest
import torch
from torch import nn

from soundkin.training.weighting import TaskWeighting, gradient_cosines


def test_fixed_weights_are_factors() -> None:
    weighting = TaskWeighting("fixed", {"a": 2.0, "b": 0.5})
    assert not list(weighting.parameters())
    assert float(weighting({"a": torch.tensor(3.0), "b": torch.tensor(4.0)})) == 8.0


def test_uncertainty_is_the_formula() -> None:
    weighting = TaskWeighting("uncertainty", {"a": 2.0})
    with torch.no_grad():
        weighting.log_variances["a"].fill_(0.7)
    expected = 2.0 * (math.exp(-0.7) * 3.0 + 0.35)
    assert float(weighting({"a": torch.tensor(3.0)}).detach()) == pytest.approx(expected)


@pytest.mark.slow
def test_uncertainty_settles_where_its_derivative_is_zero() -> None:
    """d/ds (exp(-s) L + s / 2) = 0 at s = log 2 L: the factor of a loss becomes 1 / 2L."""
    weighting = TaskWeighting("uncertainty", {"easy": 1.0, "hard": 1.0})
    optimiser = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for _ in range(500):
        optimiser.zero_grad()
        weighting({"easy": torch.tensor(0.1), "hard": torch.tensor(3.0)}).backward()
        optimiser.step()
    assert float(weighting.factor("easy").detach()) == pytest.approx(5.0, rel=0.02)
    assert float(weighting.factor("hard").detach()) == pytest.approx(1 / 6, rel=0.02)


@pytest.mark.slow
def test_a_batch_without_labels_teaches_no_weight() -> None:
    weighting = TaskWeighting("uncertainty", {"seldom": 1.0})
    optimiser = torch.optim.Adam(weighting.parameters(), lr=0.05)
    for step in range(3000):
        optimiser.zero_grad()
        total = weighting({"seldom": torch.tensor(1.0 if step % 10 == 0 else 0.0)})
        if total.requires_grad:
            total.backward()
            optimiser.step()
    assert float(weighting.factor("seldom").detach()) == pytest.approx(0.5, rel=0.1)


def test_cosines_of_gradients() -> None:
    shared = nn.Parameter(torch.tensor([1.0, 2.0]))
    toward = torch.tensor([3.0, 4.0])
    losses = {
        "same": shared @ toward,
        "again": 5 * shared @ toward,
        "against": -(shared @ toward),
        "across": shared @ torch.tensor([-4.0, 3.0]),
        "silent": shared.sum() * 0,
    }
    cosines = gradient_cosines(losses, [shared])
    assert cosines["same.again"] == pytest.approx(1.0)
    assert cosines["same.against"] == pytest.approx(-1.0)
    assert cosines["same.across"] == pytest.approx(0.0, abs=1e-6)
    assert not any("silent" in pair for pair in cosines)
