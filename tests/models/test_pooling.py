"""Reference and property tests of time pooling and patch pooling."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.models import PATCH_POOLINGS
from soundkin.models.time_pooling import TimePooling


def test_statistics_match_numpy() -> None:
    features = torch.rand(2, 3, 7)
    array = features.numpy()
    expected = np.concatenate([array.mean(2), array.max(2), np.linalg.norm(array, axis=2) / np.sqrt(7)], axis=1)
    np.testing.assert_allclose(TimePooling(("mean", "max", "l2"))(features), expected, rtol=1e-5)


def test_gradient_of_silent_features_is_finite() -> None:
    features = torch.zeros(1, 2, 5, requires_grad=True)
    TimePooling(("mean", "max", "l2"))(features).sum().backward()
    assert features.grad is not None and bool(torch.isfinite(features.grad).all())


@settings(deadline=None, max_examples=20)
@given(repeats=st.integers(1, 5))
def test_a_loop_played_again_sounds_the_same(repeats: int) -> None:
    features = torch.rand(1, 4, 6)
    pooling = TimePooling(("mean", "max", "l2"))
    torch.testing.assert_close(pooling(features.repeat(1, 1, repeats)), pooling(features), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", PATCH_POOLINGS)
def test_every_patch_pooling_gives_one_vector_for_any_number_of_patches(name: str) -> None:
    pooling = PATCH_POOLINGS[name]()
    for patches in (1, 2, 9):
        vector = pooling(torch.randn(patches, 8))
        assert vector.shape == (8,) and bool(torch.isfinite(vector).all())


def test_mean_pooling_is_the_mean() -> None:
    torch.testing.assert_close(
        PATCH_POOLINGS["mean"]()(torch.tensor([[1.0, 2.0], [3.0, 6.0]])), torch.tensor([2.0, 4.0])
    )
