"""Reference and property tests of the network."""

from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from soundkin.config import validate
from soundkin.models import ConvConfig, NetworkConfig
from soundkin.models.time_conv import TimeConvNetwork

PRESETS = sorted((Path(__file__).parents[2] / "configs" / "model").glob("*.yaml"))


def preset(name: str) -> NetworkConfig:
    path = next(path for path in PRESETS if path.stem == name)
    return validate(NetworkConfig, yaml.safe_load(path.read_text()) or {})


def test_the_2014_network_is_the_published_one() -> None:
    network = TimeConvNetwork(preset("dieleman2014"), mel_bands=128).eval()
    frames = []

    def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        frames.append(output.shape[2])

    for block in network.blocks:
        block.conv.register_forward_hook(note)
        if isinstance(block.pool, nn.MaxPool1d):
            block.pool.register_forward_hook(note)
    assert network(torch.randn(2, 128, 599)).shape == (2, 40)
    assert frames == [596, 149, 146, 73, 70, 35, 32]
    assert sum(parameter.numel() for parameter in network.parameters()) == 9_393_704


def test_a_valid_convolution_is_the_sum_it_claims_to_be() -> None:
    config = NetworkConfig(convolutions=(ConvConfig(filters=3, width=4),), normalisation="none", dropout=0.0)
    block = TimeConvNetwork(config, mel_bands=5).blocks[0]
    log_mel = torch.randn(1, 5, 9)
    by_hand = torch.stack(
        [
            (block.conv.weight * log_mel[0, :, t : t + 4]).sum(dim=(1, 2)) + block.conv.bias  # type: ignore[operator]
            for t in range(6)
        ],
        dim=1,
    ).clamp(min=0)
    torch.testing.assert_close(block(log_mel)[0], by_hand)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_preset_takes_any_length_from_its_minimum_on(path: Path) -> None:
    network = TimeConvNetwork(preset(path.stem), mel_bands=128).eval()
    for frames in (network.minimum_frames, network.minimum_frames + 1, 300):
        assert network(torch.randn(1, 128, frames)).shape == (1, network.embedding_size)
    if network.minimum_frames > 1:
        with pytest.raises(RuntimeError):
            network(torch.randn(1, 128, network.minimum_frames - 1))


@settings(deadline=None, max_examples=10)
@given(order=st.permutations(range(4)))
def test_a_vector_does_not_depend_on_its_company(order: list[int]) -> None:
    torch.manual_seed(0)
    network = TimeConvNetwork(NetworkConfig(), mel_bands=16).eval()
    log_mel = torch.randn(4, 16, 64)
    torch.testing.assert_close(network(log_mel)[order], network(log_mel[order]), rtol=1e-5, atol=1e-6)


def test_residual_blocks_keep_frames_and_pass_the_input_on() -> None:
    config = NetworkConfig(
        convolutions=(ConvConfig(filters=16, width=5, padded=True, residual=True),), normalisation="none"
    )
    block = TimeConvNetwork(config, mel_bands=16).blocks[0]
    nn.init.zeros_(block.conv.weight)
    nn.init.zeros_(block.conv.bias)
    log_mel = torch.randn(2, 16, 33)
    torch.testing.assert_close(block(log_mel), log_mel)
