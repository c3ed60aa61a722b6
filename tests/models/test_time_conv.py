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
from soundkin.models.pca_init import LEVEL_WEIGHT, start_whitened
from soundkin.models.time_conv import HarmonyLevel, TimeConvNetwork

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


def harmony_level() -> HarmonyLevel:
    torch.manual_seed(0)
    return HarmonyLevel(24, 8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 23), st.floats(0.5, 4.0), st.floats(-3.0, 3.0), st.integers(0, 99))
def test_harmony_is_the_same_transposed_or_at_another_level(
    bands: int, loud: float, offset: float, seed: int
) -> None:
    model = harmony_level()
    chroma = torch.randn(3, 24, 5, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        model(loud * chroma.roll(bands, dims=1) + offset), model(chroma), rtol=5e-3, atol=5e-3
    )


def test_harmony_is_each_filter_at_every_transposition() -> None:
    model, chroma = harmony_level(), torch.randn(2, 24, 1)
    profile = chroma[:, :, 0]
    profile = (profile - profile.mean(1, keepdim=True)) / profile.std(1, keepdim=True, unbiased=False)
    responses = torch.stack(
        [(profile.roll(-n, 1) @ model.conv.weight[:, 0].T + model.conv.bias).clamp(min=0) for n in range(24)],
        dim=2,
    )
    expected = torch.cat([responses.max(dim=2).values, responses.mean(dim=2)], dim=1)
    torch.testing.assert_close(model(chroma), expected, rtol=1e-3, atol=1e-3)


def test_chroma_of_silence_has_a_finite_gradient() -> None:
    chroma = torch.zeros(2, 24, 3, requires_grad=True)
    harmony_level()(chroma).sum().backward()
    assert chroma.grad is not None and chroma.grad.isfinite().all()


def chroma_network(multi_level: bool = True) -> TimeConvNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(
        convolutions=(ConvConfig(filters=8, padded=True),), multi_level=multi_level, dense=(7,)
    )
    return TimeConvNetwork(config, mel_bands=4, chroma_bands=24)


@pytest.mark.slow
def test_harmony_learns_a_mode_in_keys_outside_the_training_set() -> None:
    """Trained on scales on six tonics, tested on the other six."""
    torch.manual_seed(0)
    scales = [(0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)]
    model, head = HarmonyLevel(24, 16), nn.Linear(32, 2)
    optimiser = torch.optim.Adam([*model.parameters(), *head.parameters()], 0.01)

    def drawn(tonics: range) -> tuple[torch.Tensor, torch.Tensor]:
        modes, chroma = torch.randint(2, (64,)), torch.rand(64, 24, 4)
        for row, mode in enumerate(modes.tolist()):
            tonic = tonics[int(torch.randint(len(tonics), ()))]
            for step in scales[mode]:
                chroma[row, (tonic + step) % 12 * 2] += 1 + torch.rand(())
        return chroma, modes

    for _ in range(150):
        chroma, modes = drawn(range(6))
        loss = nn.functional.cross_entropy(head(model(chroma)), modes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    chroma, modes = drawn(range(6, 12))
    assert (head(model(chroma)).argmax(1) == modes).float().mean() > 0.9


def test_harmony_is_one_more_pooled_level() -> None:
    for multi_level, depths in ((True, [0, 1, 1]), (False, [1, 1])):
        model = chroma_network(multi_level)
        assert [part.depth for part in model.levels] == depths
        assert model.pooled(torch.randn(5, 28, 20)).shape == (5, sum(part.size for part in model.levels))


def test_whitened_initialisation_weighs_harmony_as_the_first_convolution() -> None:
    model = chroma_network()
    start_whitened(model, torch.randn(200, 28, 20).split(50))
    assert model.shortcut is not None
    weights = model.shortcut.weight[:, -model.levels[-1].size :]
    assert weights.abs().max() > 0
    assert LEVEL_WEIGHT < 1
    quieter, chroma = torch.randn(1, 28, 20), torch.randn(1, 24, 20)
    other = torch.cat([quieter[:, :4], chroma], dim=1)
    assert not torch.allclose(model.eval()(quieter), model(other))


def test_mels_alone_reach_the_convolutions() -> None:
    model = chroma_network().eval()
    log_mel = torch.randn(1, 28, 20)
    changed = log_mel.clone()
    changed[:, 4:] += torch.randn(1, 24, 20)
    size = sum(part.size for part in model.levels[:-1])
    assert torch.equal(model.pooled(log_mel)[:, :size], model.pooled(changed)[:, :size])
