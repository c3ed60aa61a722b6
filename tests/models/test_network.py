"""The whole network: patches of several tracks in one batch, each track's vector its own."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.models import (
    PATCH_POOLINGS,
    ConvConfig,
    LyricsConfig,
    LyricTokens,
    NetworkConfig,
    build_network,
)
from soundkin.models.network import by_track

SMALL = dict(convolutions=(ConvConfig(filters=6, padded=True),), dense=(), embedding_size=5)


@pytest.mark.parametrize("pooling", PATCH_POOLINGS)
@settings(deadline=None, max_examples=10)
@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_a_track_is_the_same_alone_and_in_company(pooling: str, lengths: list[int]) -> None:
    torch.manual_seed(0)
    network = build_network(NetworkConfig(**SMALL, patch_pooling=pooling), mel_bands=4).eval()
    log_mel = torch.randn(sum(lengths), 4, 9)
    together = network(log_mel, torch.tensor(lengths))
    for patches, vector in zip(log_mel.split(lengths), together, strict=True):
        torch.testing.assert_close(
            network(patches, torch.tensor([len(patches)]))[0], vector, rtol=1e-4, atol=1e-5
        )


def test_patches_stand_under_their_tracks() -> None:
    vectors = torch.arange(12.0).reshape(6, 2)
    padded, mask = by_track(vectors, torch.tensor([1, 3, 2]))
    assert mask.tolist() == [[True, False, False], [True, True, True], [True, True, False]]
    assert torch.equal(padded[mask], vectors)
    assert not padded[~mask].any()


def test_words_change_the_vector_of_their_track_alone() -> None:
    torch.manual_seed(0)
    network = build_network(NetworkConfig(**SMALL, lyrics=LyricsConfig()), mel_bands=4).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # fusion starts as no change at all
    log_mel, lengths = torch.randn(2, 4, 9), torch.tensor([1, 1])
    with_words = network(log_mel, lengths, LyricTokens(torch.tensor([[3, 4], [0, 0]]), torch.tensor([2, 0])))
    without = network(log_mel, lengths)
    assert not torch.allclose(with_words[0], without[0])
    torch.testing.assert_close(with_words[1], without[1])
