"""The harmony level: the same whatever the key, and heard by the network."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from soundkin.models import ConvConfig, NetworkConfig
from soundkin.models.harmony import HarmonyLevel
from soundkin.models.pca_init import LEVEL_WEIGHT, start_whitened
from soundkin.models.time_conv import TimeConvNetwork


def level() -> HarmonyLevel:
    torch.manual_seed(0)
    return HarmonyLevel(24, 8)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 23), st.floats(0.5, 4.0), st.floats(-3.0, 3.0), st.integers(0, 99))
def test_transposing_and_another_level_change_nothing(
    bands: int, loud: float, offset: float, seed: int
) -> None:
    hears = level()
    chroma = torch.randn(3, 24, 5, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        hears(loud * chroma.roll(bands, dims=1) + offset), hears(chroma), rtol=5e-3, atol=5e-3
    )


def test_answers_are_those_of_the_filter_at_each_transposition() -> None:
    hears, chroma = level(), torch.randn(2, 24, 1)
    profile = chroma[:, :, 0]
    profile = (profile - profile.mean(1, keepdim=True)) / profile.std(1, keepdim=True, unbiased=False)
    answers = torch.stack(
        [(profile.roll(-n, 1) @ hears.conv.weight[:, 0].T + hears.conv.bias).clamp(min=0) for n in range(24)],
        dim=2,
    )
    expected = torch.cat([answers.max(dim=2).values, answers.mean(dim=2)], dim=1)
    torch.testing.assert_close(hears(chroma), expected, rtol=1e-3, atol=1e-3)


def test_silence_has_a_finite_gradient() -> None:
    chroma = torch.zeros(2, 24, 3, requires_grad=True)
    level()(chroma).sum().backward()
    assert chroma.grad is not None and chroma.grad.isfinite().all()


def network(multi_level: bool = True) -> TimeConvNetwork:
    torch.manual_seed(0)
    config = NetworkConfig(
        convolutions=(ConvConfig(filters=8, padded=True),), multi_level=multi_level, dense=(7,)
    )
    return TimeConvNetwork(config, mel_bands=4, chroma_bands=24)


def test_it_learns_a_mode_in_keys_it_was_not_taught() -> None:
    """Scales on six tonics teach major from minor; the other six judge."""
    torch.manual_seed(0)
    scales = [(0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 11)]
    hears, head = HarmonyLevel(24, 16), nn.Linear(32, 2)
    optimiser = torch.optim.Adam([*hears.parameters(), *head.parameters()], 0.01)

    def drawn(tonics: range) -> tuple[torch.Tensor, torch.Tensor]:
        modes, chroma = torch.randint(2, (64,)), torch.rand(64, 24, 4)
        for row, mode in enumerate(modes.tolist()):
            tonic = tonics[int(torch.randint(len(tonics), ()))]
            for step in scales[mode]:
                chroma[row, (tonic + step) % 12 * 2] += 1 + torch.rand(())
        return chroma, modes

    for _ in range(150):
        chroma, modes = drawn(range(6))
        loss = nn.functional.cross_entropy(head(hears(chroma)), modes)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    chroma, modes = drawn(range(6, 12))
    assert (head(hears(chroma)).argmax(1) == modes).float().mean() > 0.9


def test_it_is_one_more_level_of_what_is_pooled() -> None:
    for multi_level, depths in ((True, [0, 1, 1]), (False, [1, 1])):
        hears = network(multi_level)
        assert [part.depth for part in hears.levels] == depths
        assert hears.pooled(torch.randn(5, 28, 20)).shape == (5, sum(part.size for part in hears.levels))


def test_the_start_weighs_it_as_what_one_convolution_hears() -> None:
    hears = network()
    start_whitened(hears, torch.randn(200, 28, 20).split(50))
    assert hears.shortcut is not None
    heard = hears.shortcut.weight[:, -hears.levels[-1].size :]
    assert heard.abs().max() > 0
    assert LEVEL_WEIGHT < 1
    quieter, chroma = torch.randn(1, 28, 20), torch.randn(1, 24, 20)
    other = torch.cat([quieter[:, :4], chroma], dim=1)
    assert not torch.allclose(hears.eval()(quieter), hears(other))


def test_mels_alone_reach_the_convolutions() -> None:
    hears = network().eval()
    log_mel = torch.randn(1, 28, 20)
    changed = log_mel.clone()
    changed[:, 4:] += torch.randn(1, 24, 20)
    size = sum(part.size for part in hears.levels[:-1])
    assert torch.equal(hears.pooled(log_mel)[:, :size], hears.pooled(changed)[:, :size])
