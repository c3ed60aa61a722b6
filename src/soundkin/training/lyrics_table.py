"""The words of training and held-out tracks as tokens, ready for the network."""

from dataclasses import dataclass

import torch
from torch import Tensor

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.errors import CatalogError
from soundkin.features.lyric_tokens import LyricTokenizer, pad
from soundkin.models import LyricsConfig, LyricTokens
from soundkin.training.data import PreparedData


@dataclass(frozen=True)
class LyricTable:
    """Token ids of each track, and the tokenizer that made them."""

    tokenizer: LyricTokenizer
    training: list[list[int]]
    held_out: list[list[int]]

    @classmethod
    def of(cls, config: LyricsConfig, data: PreparedData) -> "LyricTable":
        """Train a tokenizer on the training tracks' lyrics, and take all lyrics apart with it.

        Raises:
            CatalogError: no training track has lyrics.
        """
        texts = lyrics_of(data.train.catalog)
        if not any(texts):
            raise CatalogError(
                f"{data.train.catalog.source}: no training track has lyrics. Fill them in, or train without them: "
                "model.lyrics=null"
            )
        tokenizer = LyricTokenizer.train(texts, config.vocabulary_size)
        training, held_out = (
            tokenizer.encode(words, config.most_tokens) for words in (texts, lyrics_of(data.valid.catalog))
        )
        return cls(tokenizer, training, held_out)

    def of_training(self, rows: Tensor, device: torch.device) -> LyricTokens:
        """Padded tokens of training tracks."""
        return _as_tensors([self.training[row] for row in rows.tolist()], device)

    def of_held_out(self, rows: Tensor, device: torch.device) -> LyricTokens:
        """Padded tokens of held-out tracks."""
        return _as_tensors([self.held_out[row] for row in rows.tolist()], device)


def _as_tensors(tokens: list[list[int]], device: torch.device) -> LyricTokens:
    padded, lengths = pad(tokens)
    return LyricTokens(torch.from_numpy(padded).to(device), torch.from_numpy(lengths).to(device))
