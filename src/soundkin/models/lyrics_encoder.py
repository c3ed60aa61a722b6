"""Lyrics: a text network over subword tokens, and its fusion with the track vector of the audio.

Most tracks have no lyrics: their vector is that of the audio, and lyrics only move a vector.
"""

from typing import NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from soundkin.config import Config
from soundkin.shapes import Float, Int, typechecked


class LyricsConfig(Config):
    """Settings of the text network and its training.

    `vocabulary_size` counts the padding and 256 bytes, so that any script can be spelt.
    """

    vocabulary_size: int = Field(4096, ge=257, description="at most this many different tokens")
    token_size: PositiveInt = 64
    state_size: PositiveInt = Field(64, description="of the GRU, in each direction")
    most_tokens: PositiveInt = Field(512, description="longer texts are cut there")
    window_tokens: PositiveInt = Field(32, description="length of the windows that the GRU reads in parallel")
    modality_dropout: float = Field(0.5, ge=0.0, lt=1.0, description="share of lyrics dropped in training")


class LyricTokens(NamedTuple):
    """Lyrics of a batch: tokens from 1 on, padded with 0; length 0 means no lyrics."""

    tokens: Int[Tensor, "tracks tokens"]
    lengths: Int[Tensor, " tracks"]


class LyricEncoder(nn.Module):
    """A GRU over tokens in each direction, averaged over the text.

    It reads windows in parallel: one run over 512 tokens would cost more time than all of the audio.
    """

    def __init__(self, config: LyricsConfig) -> None:
        super().__init__()
        self.window_tokens = config.window_tokens
        self.text_size = 2 * config.state_size
        self.embedding = nn.Embedding(config.vocabulary_size, config.token_size)
        self.forwards = nn.GRU(config.token_size, config.state_size, batch_first=True)
        self.backwards = nn.GRU(config.token_size, config.state_size, batch_first=True)
        self.norm = nn.LayerNorm(self.text_size)
        self.none = nn.Parameter(torch.zeros(self.text_size))

    @typechecked
    def forward(self, lyrics: LyricTokens) -> Float[Tensor, "tracks text"]:
        """One text vector a track; the learnt `none` where there are no lyrics."""
        rows = lyrics.lengths.nonzero().squeeze(1)
        texts = self.none.expand(len(lyrics.lengths), -1)
        if not len(rows):
            return texts
        read: Tensor = self.norm(self._mean_state(lyrics.tokens[rows], lyrics.lengths[rows]))
        return texts.index_copy(0, rows, read.to(texts.dtype))

    def _mean_state(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Mean GRU state [texts, text] over the tokens of texts that all have some."""
        window = self.window_tokens
        windows = -(-int(lengths.max()) // window)
        missing = max(0, windows * window - tokens.shape[1])
        tokens = nn.functional.pad(tokens[:, : windows * window], (0, missing))
        starts = torch.arange(0, windows * window, window, device=lengths.device)
        window_lengths = (lengths[:, None] - starts).clamp(0, window).flatten()
        used = window_lengths.nonzero().squeeze(1)
        states = self._summed_states(tokens.reshape(-1, window)[used], window_lengths[used, None])
        sums = states.new_zeros(len(window_lengths), self.text_size).index_copy(0, used, states)
        return sums.view(len(lengths), windows, -1).sum(dim=1) / lengths[:, None]

    def _summed_states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Sum of the states [windows, text] over each window; `lengths` is [windows, 1].

        Padding comes last in both directions, so no state of a token depends on it. Packed sequences would
        serve as well, but the time of their backward pass grows with the square of the length.
        """
        places = torch.arange(tokens.shape[1], device=tokens.device)
        backwards = tokens.gather(1, (lengths - 1 - places).clamp(min=0))
        real = (places < lengths)[:, :, None]
        read = [self.forwards(self.embedding(tokens))[0], self.backwards(self.embedding(backwards))[0]]
        return torch.cat([torch.where(real, states, 0.0).sum(dim=1) for states in read], dim=1)


class LyricFusion(nn.Module):
    """Lets lyrics move the track vector of the audio.

        gated  = none + gate * (text - none)                       gate in (0, 1) for each feature of the text
        vector = audio + layers(audio, gated) - layers(audio, none)

    The change is what the words add to no words: for a track without lyrics it is zero whatever has been
    learnt, bit for bit, and a batch without lyrics trains the audio network as if there were no text network.
    A plain `audio + layers(audio, text)` would also learn an offset of all tracks that have lyrics, which
    would set them apart from the others in one index. In training, lyrics are dropped at random
    (`modality_dropout`), so that the audio network also learns from tracks whose words give the answer away.
    Initially all vectors are those of the audio.

    The gate is that of J. Arevalo et al., "Gated Multimodal Units for Information Fusion" (2017).

    `gate_mean` is the mean gate over the tracks whose lyrics were read in the last batch: a tensor without
    gradient, None if there were none.
    """

    def __init__(self, config: LyricsConfig, embedding_size: int) -> None:
        super().__init__()
        self.modality_dropout = config.modality_dropout
        self.encoder = LyricEncoder(config)
        joined_size = embedding_size + self.encoder.text_size
        self.gate = nn.Linear(joined_size, self.encoder.text_size)
        last = nn.Linear(embedding_size, embedding_size, bias=False)
        nn.init.zeros_(last.weight)
        self.layers = nn.Sequential(nn.Linear(joined_size, embedding_size), nn.ReLU(), last)
        self.gate_mean: Tensor | None = None

    @typechecked
    def forward(
        self, vectors: Float[Tensor, "tracks embedding"], lyrics: LyricTokens | None
    ) -> Float[Tensor, "tracks embedding"]:
        """Track vectors moved by their lyrics; `lyrics` None: no track has any."""
        self.gate_mean = None
        if lyrics is None:
            return vectors
        rows = lyrics.lengths.nonzero().squeeze(1)
        if self.training:
            rows = rows[(torch.rand(len(rows)) >= self.modality_dropout).to(rows.device)]
        if not len(rows):
            return vectors
        audio, none = vectors[rows], self.encoder.none
        text = self.encoder(LyricTokens(lyrics.tokens[rows], lyrics.lengths[rows])).to(vectors.dtype)
        gate = self.gate(torch.cat([audio, text], dim=1)).sigmoid()
        self.gate_mean = gate.detach().mean()
        with_words = self.layers(torch.cat([audio, none + gate * (text - none)], dim=1))
        without = self.layers(torch.cat([audio, none.expand_as(text)], dim=1))
        return vectors.index_add(0, rows, (with_words - without).to(vectors.dtype))
