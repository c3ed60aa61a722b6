"""Reference and property tests of time pooling and patch pooling."""

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from soundkin.models import PATCH_POOLINGS
from soundkin.models.pooling import PatchPoolingName, TimePooling, TimePoolingName

EMBEDDING = 6
NAMES = get_args(TimePoolingName)
GARBAGE = st.sampled_from([0.0, 1e30, float("nan"), float("inf"), float("-inf")])


def test_statistics_match_numpy() -> None:
    features = torch.rand(2, 3, 7)
    array = features.numpy()
    changes = np.abs(np.diff(array, axis=2)).mean(2)
    expected = [
        array.mean(2),
        array.max(2),
        np.linalg.norm(array, axis=2) / np.sqrt(7),
        array.std(2),
        changes,
    ]
    np.testing.assert_allclose(TimePooling(NAMES)(features), np.concatenate(expected, axis=1), rtol=1e-5)


def test_gradient_of_silent_features_is_finite() -> None:
    features = torch.zeros(1, 2, 5, requires_grad=True)
    TimePooling(NAMES)(features).sum().backward()
    assert features.grad is not None and bool(torch.isfinite(features.grad).all())


def test_a_single_frame_does_not_change() -> None:
    assert not TimePooling(("change",))(torch.rand(2, 3, 1)).any()


@settings(deadline=None, max_examples=20)
@given(repeats=st.integers(1, 5))
def test_a_loop_played_again_sounds_the_same(repeats: int) -> None:
    features = torch.rand(1, 4, 6)
    pooling = TimePooling(("mean", "max", "l2", "std"))
    torch.testing.assert_close(
        pooling(features.repeat(1, 1, repeats)), pooling(features), rtol=1e-4, atol=1e-5
    )


def trained(name: str) -> nn.Module:
    """A patch pooling with random weights, as after training."""
    torch.manual_seed(1)
    pooling = PATCH_POOLINGS[name](EMBEDDING)
    for parameter in pooling.parameters():
        nn.init.normal_(parameter)
    return pooling


def batch_of(lengths: list[int], padding: float, places: int) -> tuple[Tensor, Tensor]:
    """Patch vectors [tracks, places, embedding] with `padding` behind each track's own, and their mask."""
    torch.manual_seed(2)
    mask = torch.arange(places) < torch.tensor(lengths)[:, None]
    return torch.where(mask[:, :, None], torch.randn(len(lengths), places, EMBEDDING), padding), mask


def alone(pooling: nn.Module, patch_vectors: Tensor) -> Tensor:
    """The vector [embedding] of one track, given as [patches, embedding], without padding."""
    vector: Tensor = pooling(patch_vectors[None], torch.ones(1, len(patch_vectors), dtype=torch.bool))[0]
    return vector


def test_the_names_are_those_of_the_registry() -> None:
    assert get_args(PatchPoolingName) == tuple(PATCH_POOLINGS)


@pytest.mark.parametrize("name", PATCH_POOLINGS)
@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), padding=GARBAGE, more=st.integers(0, 5))
def test_padding_makes_no_difference(name: str, lengths: list[int], padding: float, more: int) -> None:
    pooling = trained(name)
    patch_vectors, mask = batch_of(lengths, padding, max(lengths) + more)
    together = pooling(patch_vectors, mask)
    for vector, patches, length in zip(together, patch_vectors, lengths, strict=True):
        torch.testing.assert_close(vector, alone(pooling, patches[:length]), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", PATCH_POOLINGS)
@settings(deadline=None, max_examples=25)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4), padding=GARBAGE)
def test_real_patches_alone_get_a_gradient(name: str, lengths: list[int], padding: float) -> None:
    pooling = trained(name)
    patch_vectors, mask = batch_of(lengths, padding, 10)
    patch_vectors.requires_grad_()
    pooling(patch_vectors, mask).square().sum().backward()
    gradient = patch_vectors.grad
    assert gradient is not None and bool((gradient[~mask] == 0).all())
    assert bool(torch.isfinite(gradient).all()) and bool(gradient[mask].any(dim=1).all())
    for parameter in pooling.parameters():
        assert parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())


@pytest.mark.parametrize("name", PATCH_POOLINGS)
def test_a_track_of_equal_patches_has_a_finite_gradient(name: str) -> None:
    patch_vectors = torch.ones(2, 3, EMBEDDING, requires_grad=True)
    trained(name)(patch_vectors, torch.tensor([[True] * 3, [True, False, False]])).sum().backward()
    assert patch_vectors.grad is not None and bool(torch.isfinite(patch_vectors.grad).all())


@pytest.mark.parametrize("name", PATCH_POOLINGS)
def test_every_pooling_starts_as_the_mean(name: str) -> None:
    patch_vectors = torch.randn(5, EMBEDDING)
    torch.testing.assert_close(
        alone(PATCH_POOLINGS[name](EMBEDDING), patch_vectors), patch_vectors.mean(dim=0)
    )


@pytest.mark.parametrize("name", [name for name in PATCH_POOLINGS if name != "mean"])
def test_what_is_learnt_reaches_the_vector(name: str) -> None:
    """From the start, which is the mean, the gradient leads away."""
    torch.manual_seed(3)
    pooling = PATCH_POOLINGS[name](EMBEDDING)
    patch_vectors, target = torch.randn(4, 7, EMBEDDING), torch.randn(4, EMBEDDING)
    mask = torch.ones(4, 7, dtype=torch.bool)
    optimiser = torch.optim.Adam(pooling.parameters(), lr=0.03)
    losses = []
    for _ in range(60):
        loss = (pooling(patch_vectors, mask) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("patches", [1, 2, 7, 33, 500])
def test_mean_pooling_is_the_mean_bit_for_bit(patches: int) -> None:
    patch_vectors = torch.randn(patches, 128)
    assert torch.equal(alone(PATCH_POOLINGS["mean"](128), patch_vectors), torch.mean(patch_vectors, dim=0))


def test_mean_std_pooling_is_a_linear_map_of_the_two() -> None:
    pooling = trained("mean_std")
    array = np.random.default_rng(0).standard_normal((9, EMBEDDING))
    weight, bias = (parameter.detach().numpy() for parameter in pooling.parameters())
    expected = array.mean(0) + weight @ np.concatenate([array.mean(0), array.std(0)]) + bias
    vector = alone(pooling, torch.tensor(array, dtype=torch.float32))
    np.testing.assert_allclose(vector.detach().numpy(), expected, rtol=1e-4, atol=1e-5)


def test_attention_pooling_is_the_gated_attention_of_the_paper() -> None:
    pooling = trained("attention")
    array = np.random.default_rng(0).standard_normal((5, EMBEDDING))
    weights = {name: parameter.detach().double().numpy() for name, parameter in pooling.named_parameters()}
    scores = []
    for patch in array:
        content = np.tanh(weights["content.weight"] @ patch + weights["content.bias"])
        gate = 1 / (1 + np.exp(-(weights["gate.weight"] @ patch + weights["gate.bias"])))
        scores.append(weights["score.weight"][0] @ (content * gate))
    shares = np.exp(scores) / np.exp(scores).sum()
    vector = alone(pooling, torch.tensor(array, dtype=torch.float32))
    np.testing.assert_allclose(vector.detach().numpy(), shares @ array, rtol=1e-4, atol=1e-5)


def test_gru_pooling_depends_on_the_order_and_the_rest_do_not() -> None:
    patch_vectors = torch.randn(6, EMBEDDING)
    for name in PATCH_POOLINGS:
        pooling = trained(name)
        same = torch.allclose(alone(pooling, patch_vectors), alone(pooling, patch_vectors.flip(0)), atol=1e-4)
        assert same == (name != "gru")


@pytest.mark.parametrize("name", PATCH_POOLINGS)
def test_a_track_much_longer_than_any_in_training_sounds_as_its_loop(name: str) -> None:
    pooling = trained(name)
    loop = torch.randn(8, EMBEDDING)
    with torch.inference_mode():
        once, long = alone(pooling, loop.repeat(30, 1)), alone(pooling, loop.repeat(600, 1))
    torch.testing.assert_close(long, once, rtol=0.02, atol=0.02)
