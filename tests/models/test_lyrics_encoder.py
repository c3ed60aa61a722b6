"""Reference and property tests of the text network and of the fusion of audio and lyrics."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from soundkin.config import validate
from soundkin.errors import ConfigError
from soundkin.features.lyric_tokens import SMALLEST_VOCABULARY
from soundkin.models.lyrics_encoder import LyricEncoder, LyricFusion, LyricsConfig, LyricTokens

CONFIG = LyricsConfig(vocabulary_size=300, token_size=5, state_size=4, window_tokens=3)
EMBEDDING = 6


def trained_fusion(config: LyricsConfig = CONFIG) -> LyricFusion:
    """A fusion with random weights, as after training, listening and not learning."""
    torch.manual_seed(1)
    fusion = LyricFusion(config, EMBEDDING)
    for parameter in fusion.parameters():
        nn.init.normal_(parameter)
    return fusion.eval()


def lyrics_of_lengths(lengths: list[int], places: int = 0, random_seed: int = 2) -> LyricTokens:
    """Random tokens, the same for a track whatever the others and the places behind them."""
    places = max(places, *lengths)
    tokens = torch.zeros(len(lengths), places, dtype=torch.int64)
    for row, length in enumerate(lengths):
        generator = torch.Generator().manual_seed(random_seed + row)
        tokens[row, :length] = torch.randint(1, 300, (length,), generator=generator)
    return LyricTokens(tokens, torch.tensor(lengths))


def test_the_state_of_an_empty_text_is_the_none_vector() -> None:
    encoder = trained_fusion().encoder
    texts = encoder(lyrics_of_lengths([0, 2, 0]))
    assert torch.equal(texts[0], encoder.none) and torch.equal(texts[2], encoder.none)
    assert not torch.allclose(texts[1], encoder.none)
    assert torch.equal(encoder(lyrics_of_lengths([0, 0])), encoder.none.expand(2, -1))


def test_a_text_is_the_mean_state_over_windows_read_in_both_directions() -> None:
    encoder = trained_fusion().encoder
    lyrics = lyrics_of_lengths([8])
    states = []
    for start in (0, 3, 6):  # windows of three tokens, the last one shorter
        embedded = encoder.embedding(lyrics.tokens[0, start : start + 3])
        backwards = states_of(encoder.backwards, embedded.flip(0)).flip(0)
        states.append(torch.cat([states_of(encoder.forwards, embedded), backwards], dim=1))
    mean = torch.cat(states).mean(dim=0)
    expected = (mean - mean.mean()) / (
        mean.var(correction=0) + 1e-5
    ).sqrt() * encoder.norm.weight + encoder.norm.bias
    torch.testing.assert_close(encoder(lyrics)[0], expected)


def states_of(gru: nn.GRU, embedded: Tensor) -> Tensor:
    """States [tokens, state] by the equations of the gated recurrent unit (Cho et al., 2014)."""
    weights, state, states = dict(gru.named_parameters()), torch.zeros(gru.hidden_size), []
    for token in embedded:
        from_token = (weights["weight_ih_l0"] @ token + weights["bias_ih_l0"]).chunk(3)
        from_state = (weights["weight_hh_l0"] @ state + weights["bias_hh_l0"]).chunk(3)
        reset, update = (from_token[0] + from_state[0]).sigmoid(), (from_token[1] + from_state[1]).sigmoid()
        state = (1 - update) * (from_token[2] + reset * from_state[2]).tanh() + update * state
        states.append(state)
    return torch.stack(states)


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.lists(st.integers(0, 10), min_size=2, max_size=5),
    more=st.integers(0, 7),
    rubbish=st.integers(0, 299),
)
def test_neither_padding_nor_the_other_tracks_make_a_difference(
    lengths: list[int], more: int, rubbish: int
) -> None:
    fusion = trained_fusion()
    vectors = torch.randn(len(lengths), EMBEDDING)
    lyrics = lyrics_of_lengths(lengths, max(lengths) + more)
    padding = torch.arange(lyrics.tokens.shape[1]) >= lyrics.lengths[:, None]
    together = fusion(vectors, LyricTokens(lyrics.tokens.masked_fill(padding, rubbish), lyrics.lengths))
    for row, length in enumerate(lengths):
        own = LyricTokens(lyrics.tokens[row : row + 1, :length], lyrics.lengths[row : row + 1])
        torch.testing.assert_close(
            together[row], fusion(vectors[row : row + 1], own)[0], rtol=1e-4, atol=1e-5
        )


def test_without_lyrics_the_vector_is_that_of_the_audio_bit_for_bit() -> None:
    fusion = trained_fusion()
    vectors = torch.randn(3, EMBEDDING)
    for lengths in ([0, 0, 0], [0, 4, 0], [0, 400, 0]):
        fused = fusion(vectors, lyrics_of_lengths(lengths))
        assert torch.equal(fused[[0, 2]], vectors[[0, 2]])
        assert torch.equal(fused[1], vectors[1]) == (lengths[1] == 0)
    assert torch.equal(fusion(vectors, None), vectors)


def test_a_text_that_says_nothing_changes_nothing() -> None:
    """The change comes from what a text makes different from none, not from there being one."""
    fusion = trained_fusion()
    with torch.no_grad():
        fusion.encoder.none.copy_(fusion.encoder(lyrics_of_lengths([4]))[0])
    vectors = torch.randn(1, EMBEDDING)
    torch.testing.assert_close(fusion(vectors, lyrics_of_lengths([4])), vectors, rtol=1e-5, atol=1e-5)


def test_it_starts_as_the_vector_of_the_audio() -> None:
    vectors = torch.randn(3, EMBEDDING)
    assert torch.equal(LyricFusion(CONFIG, EMBEDDING).eval()(vectors, lyrics_of_lengths([5, 0, 9])), vectors)


def test_a_batch_without_lyrics_trains_the_audio_as_if_there_were_no_text_network() -> None:
    fusion = trained_fusion().train()
    before = torch.get_rng_state()
    vectors = torch.randn(2, EMBEDDING, requires_grad=True)
    torch.set_rng_state(before)
    fusion(vectors, lyrics_of_lengths([0, 0])).square().sum().backward()
    assert vectors.grad is not None and torch.equal(vectors.grad, 2 * vectors.detach())
    assert torch.equal(torch.get_rng_state(), before), "nor is a random number drawn"


def test_the_gradient_reaches_every_weight_and_every_token_read() -> None:
    fusion = trained_fusion()
    lyrics = lyrics_of_lengths([0, 10])
    vectors = torch.randn(2, EMBEDDING, requires_grad=True)
    fusion(vectors, lyrics).square().sum().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.any()), name
        assert bool(torch.isfinite(parameter.grad).all()), name
    embedding = fusion.encoder.embedding.weight.grad
    assert embedding is not None
    assert set(embedding.any(dim=1).nonzero().flatten().tolist()) == set(lyrics.tokens[1].tolist())


def test_modality_dropout_withholds_its_share_and_only_in_training() -> None:
    tracks = 400
    fusion = trained_fusion(CONFIG.model_copy(update={"modality_dropout": 0.3})).train()
    vectors, lyrics = torch.randn(tracks, EMBEDDING), lyrics_of_lengths([3] * tracks)
    torch.manual_seed(0)
    fused = fusion(vectors, lyrics)
    torch.manual_seed(0)
    assert torch.equal(fusion(vectors, lyrics), fused), "torch's generator decides"
    withheld = (fused == vectors).all(dim=1)
    read = fusion.eval()(vectors, lyrics)
    torch.testing.assert_close(fused[~withheld], read[~withheld])
    moved = (read != vectors).any(dim=1)
    assert float(moved.float().mean()) > 0.9
    assert 0.2 < float(withheld[moved].float().mean()) < 0.4


def test_the_mean_gate_is_of_the_tracks_whose_lyrics_were_read() -> None:
    fusion = trained_fusion()
    vectors, lyrics = torch.randn(3, EMBEDDING), lyrics_of_lengths([0, 5, 0])
    fusion(vectors, lyrics)
    text = fusion.encoder(lyrics)[1]
    expected = (fusion.gate.weight @ torch.cat([vectors[1], text]) + fusion.gate.bias).sigmoid().mean()
    assert fusion.gate_mean is not None and not fusion.gate_mean.requires_grad
    torch.testing.assert_close(fusion.gate_mean, expected.detach())
    fusion(vectors, lyrics_of_lengths([0, 0, 0]))
    assert fusion.gate_mean is None
    fusion(vectors, lyrics)
    fusion(vectors, None)
    assert fusion.gate_mean is None
    assert "gate_mean" not in fusion.state_dict()
    copy.deepcopy(fusion)


def labelled_tracks() -> tuple[Tensor, LyricTokens, Tensor]:
    """Audio vectors that say nothing, random texts of half of the tracks with one telling word, and two
    classes.
    """
    labels, tokens = torch.arange(64) % 2, torch.randint(60, 300, (64, 12))
    tokens[:, 7] = 40 + labels
    return torch.randn(64, EMBEDDING), LyricTokens(tokens, torch.tensor([12, 12, 0, 0] * 16)), labels


@pytest.mark.slow
def test_lyrics_help_where_they_carry_the_label_and_cost_nothing_where_they_lack() -> None:
    torch.manual_seed(0)
    config = CONFIG.model_copy(update={"token_size": 16, "state_size": 16})
    fusion, head = LyricFusion(config, EMBEDDING), nn.Linear(EMBEDDING, 2)
    optimiser = torch.optim.Adam([*fusion.parameters(), *head.parameters()], lr=0.02)
    for _ in range(120):
        vectors, lyrics, labels = labelled_tracks()
        loss = nn.functional.cross_entropy(head(fusion(vectors, lyrics)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    vectors, lyrics, labels = labelled_tracks()
    fused = fusion.eval()(vectors, lyrics)
    right = head(fused).argmax(dim=1) == labels
    assert float(right[lyrics.lengths > 0].float().mean()) > 0.9
    assert torch.equal(fused[lyrics.lengths == 0], vectors[lyrics.lengths == 0])


def test_the_smallest_vocabulary_is_that_of_the_tokenizer() -> None:
    assert LyricsConfig(vocabulary_size=SMALLEST_VOCABULARY)
    with pytest.raises(ConfigError, match="vocabulary_size=256"):
        validate(LyricsConfig, {"vocabulary_size": SMALLEST_VOCABULARY - 1})


def test_a_text_network_is_built_from_its_config_alone() -> None:
    assert LyricEncoder(CONFIG).embedding.num_embeddings == CONFIG.vocabulary_size
