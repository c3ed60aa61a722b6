"""Whitened initialisation: whitened vectors, whatever the patches."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.models import ConvConfig, NetworkConfig
from soundkin.models.pca_init import start_whitened, whitening
from soundkin.models.time_conv import TimeConvNetwork


@settings(deadline=None, max_examples=25)
@given(
    rows=st.integers(6, 40), pooled=st.integers(2, 30), components=st.integers(1, 8), seed=st.integers(0, 99)
)
def test_without_shrinkage_the_covariance_is_the_identity(
    rows: int, pooled: int, components: int, seed: int
) -> None:
    torch.manual_seed(seed)
    vectors = torch.randn(rows, pooled, dtype=torch.float64) @ torch.randn(
        pooled, pooled, dtype=torch.float64
    )
    centred = vectors - vectors.mean(dim=0)
    projection = whitening(centred, components, shrinkage=0.0)
    assert len(projection) == min(components, pooled, rows - 1)
    whitened = centred @ projection.T
    torch.testing.assert_close(whitened.T @ whitened / rows, torch.eye(len(projection), dtype=torch.float64))


def test_full_shrinkage_only_turns_and_scales_all_alike() -> None:
    torch.manual_seed(0)
    centred = torch.randn(20, 5)
    projection = whitening(centred - centred.mean(dim=0), 5, shrinkage=1.0)
    gram = projection @ projection.T
    torch.testing.assert_close(gram, gram[0, 0] * torch.eye(5), rtol=1e-4, atol=1e-5)


def network(embedding_size: int = 6) -> TimeConvNetwork:
    torch.manual_seed(0)
    convolution = ConvConfig(filters=8, padded=True)
    return TimeConvNetwork(
        NetworkConfig(convolutions=(convolution,), dense=(7,), embedding_size=embedding_size), mel_bands=4
    )


def test_a_started_network_gives_centred_vectors_of_even_spread() -> None:
    model = network()
    log_mel = 5 * torch.randn(200, 4, 20) - 30 + 10 * torch.randn(200, 1, 1)
    start_whitened(model, log_mel.split(50))
    vectors = model.eval()(log_mel).detach()
    torch.testing.assert_close(vectors.mean(dim=0), torch.zeros(6), atol=1e-3, rtol=0)
    spread = vectors.std(dim=0)
    assert spread.max() / spread.min() < 4
    correlation = torch.corrcoef(vectors.T) - torch.eye(6)
    assert correlation.abs().max() < 0.02


def test_fewer_patches_than_dimensions_leave_the_rest_at_zero() -> None:
    model = network(embedding_size=12)
    log_mel = torch.randn(5, 4, 20)
    start_whitened(model, [log_mel])
    vectors = model.eval()(log_mel)
    assert torch.isfinite(vectors).all()
    assert not vectors[:, 4:].any() and vectors[:, :4].any(dim=0).all()


def test_training_goes_on_from_there() -> None:
    model = network()
    start_whitened(model, [torch.randn(30, 4, 20)])
    assert model.training
    model(torch.randn(8, 4, 20)).square().sum().backward()
    assert model.shortcut is not None and model.shortcut.weight.grad is not None
    assert model.dense[-1].weight.grad.abs().sum() > 0  # type: ignore[union-attr]
