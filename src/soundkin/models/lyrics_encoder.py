"""Lyrics: a text network over subword tokens, and the fusion of what it reads with the track vector of the
audio.

Most tracks have no lyrics at hand: their vector is that of the audio, and lyrics only move a vector.
`LyricFusion` says what that guarantees.
"""

from typing import NamedTuple

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from soundkin.config import Config
from soundkin.shapes import Float, Int, typechecked


class LyricsConfig(Config):
    """What the text network is made of, and how it is trained.

    `vocabulary_size` counts the padding and 256 bytes, so that any script can be spelt.
    """

    vocabulary_size: int = Field(4096, ge=257, description="at most this many different tokens")
    token_size: PositiveInt = 64
    state_size: PositiveInt = Field(64, description="of the GRU, in each direction")
    most_tokens: PositiveInt = Field(512, description="what is longer is cut there")
    window_tokens: PositiveInt = Field(
        32, description="the GRU reads windows of so many tokens, side by side"
    )
    modality_dropout: float = Field(
        0.5, ge=0.0, lt=1.0, description="share of the lyrics that training withholds"
    )


class LyricTokens(NamedTuple):
    """The lyrics of a batch: tokens from 1 on, 0 where a text is shorter than the longest; length 0 for no
    lyrics.
    """

    tokens: Int[Tensor, "tracks tokens"]
    lengths: Int[Tensor, " tracks"]


class LyricEncoder(nn.Module):
    """A GRU over tokens in each direction, averaged over the text.

    They read windows: a GRU takes one token after the other, and 512 of them cost more time than all of the
    audio.
    """

    def __init__(self, config: LyricsConfig) -> None:
        super().__init__()
        self.config = config
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
        window = self.config.window_tokens
        windows = -(-int(lengths.max()) // window)
        tokens = nn.functional.pad(
            tokens[:, : windows * window], (0, max(0, windows * window - tokens.shape[1]))
        )
        starts = torch.arange(0, windows * window, window, device=lengths.device)
        window_lengths = (lengths[:, None] - starts).clamp(0, window).flatten()
        used = window_lengths.nonzero().squeeze(1)
        states = self._summed_states(tokens.reshape(-1, window)[used], window_lengths[used, None])
        sums = states.new_zeros(len(window_lengths), self.text_size).index_copy(0, used, states)
        return sums.view(len(lengths), windows, -1).sum(dim=1) / lengths[:, None]

    def _summed_states(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Sum of the states [windows, text] over each window; `lengths` is [windows, 1].

        Padding comes last in both directions, so that no state of a token knows of it. Packed sequences would
        serve as well, but the time of their backward pass grows with the square of the length.
        """
        places = torch.arange(tokens.shape[1], device=tokens.device)
        backwards = tokens.gather(1, (lengths - 1 - places).clamp(min=0))
        real = (places < lengths)[:, :, None]
        read = [self.forwards(self.embedding(tokens))[0], self.backwards(self.embedding(backwards))[0]]
        return torch.cat([torch.where(real, states, 0.0).sum(dim=1) for states in read], dim=1)


class LyricFusion(nn.Module):
    """Lets lyrics move the track vector of the audio.

        heard  = none + gate * (text - none)                         gate in (0, 1) for each feature of the
        text vector = audio + layers(audio, heard) - layers(audio, none)

    So the change is what the words make different from no words. For a track without lyrics it is zero,
    whatever has been learnt: its vector is that of the audio, bit for bit, and a batch without lyrics trains
    the audio network as if there were no text network. What a plain `audio + layers(audio, text)` would learn
    for every track that has lyrics, whatever they say, cancels out: it would set those tracks apart from the
    others in one index. In training, lyrics are withheld at random, so that the audio network also learns
    from the tracks whose words give the answer away. It starts as the vector of the audio for all tracks.

    The gate is that of J. Arevalo et al., "Gated Multimodal Units for Information Fusion" (2017).

    `gate_mean` tells how far the gate stood open in the last batch, over the tracks whose lyrics were read: a
    tensor without gradient, None where there was no such track.
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
        rows = self._read(lyrics.lengths)
        if not len(rows):
            return vectors
        audio, none = vectors[rows], self.encoder.none
        text = self.encoder(LyricTokens(lyrics.tokens[rows], lyrics.lengths[rows])).to(vectors.dtype)
        gate = self.gate(torch.cat([audio, text], dim=1)).sigmoid()
        self.gate_mean = gate.detach().mean()
        change = self._layers(audio, none + gate * (text - none)) - self._layers(audio, none.expand_as(text))
        return vectors.index_add(0, rows, change.to(vectors.dtype))

    def _read(self, lengths: Tensor) -> Tensor:
        """Int [read]: the tracks whose lyrics are there, and not withheld."""
        rows = lengths.nonzero().squeeze(1)
        if not self.training:
            return rows
        return rows[(torch.rand(len(rows)) >= self.modality_dropout).to(rows.device)]

    def _layers(self, audio: Tensor, text: Tensor) -> Tensor:
        changed: Tensor = self.layers(torch.cat([audio, text], dim=1))
        return changed
