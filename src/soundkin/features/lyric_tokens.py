"""Lyrics as subword tokens: byte-level byte-pair encoding, learnt from the lyrics of the training tracks.

Every text in every script can be spelt, byte by byte if need be, so there is no unknown token. Tokens count
from 1, and 0 is padding. Compatibility forms (full-width letters, ligatures), case and runs of white space
make no difference.
"""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import numpy as np

from soundkin.errors import ArtefactError
from soundkin.extras import require
from soundkin.shapes import Int

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LYRICS = "a model that reads lyrics"  # what needs the extra
SMALLEST_VOCABULARY = 257  # padding and the 256 bytes
# A word with the space before it; combining marks (vowels of Hindi, Thai, Arabic) belong to their letters.
WORDS = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+"


class LyricTokenizer:
    """Texts to tokens. The same texts train the same tokenizer."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        self._tokenizer = tokenizer

    @classmethod
    def train(cls, texts: Iterable[str], vocabulary_size: int) -> Self:
        """Learn the tokens that spell `texts` shortest, at most `vocabulary_size` with the padding.

        Few or short texts give fewer tokens, down to `SMALLEST_VOCABULARY`.
        """
        assert vocabulary_size >= SMALLEST_VOCABULARY
        require("lyrics", LYRICS)
        from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

        tokenizer = Tokenizer(models.BPE())
        tokenizer.normalizer = normalizers.Sequence(
            [
                normalizers.NFKC(),
                normalizers.Lowercase(),
                normalizers.Replace(Regex(r"\s+"), " "),
                normalizers.Strip(),
                normalizers.Prepend(" "),
            ]
        )
        words = pre_tokenizers.Split(Regex(WORDS), "isolated")
        as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, as_bytes])
        trainer = trainers.BpeTrainer(
            vocab_size=vocabulary_size - 1,  # the padding is ours: no text can spell it
            min_frequency=2,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        with _one_thread():
            tokenizer.train_from_iterator(texts, trainer)
        return cls(tokenizer)

    @property
    def vocabulary_size(self) -> int:
        """How many different tokens there are, with the padding: tokens lie in [0, vocabulary_size)."""
        return int(self._tokenizer.get_vocab_size()) + 1

    def encode(self, texts: Iterable[str], most_tokens: int) -> list[list[int]]:
        """The first `most_tokens` tokens of each text; none of one that is empty or white space."""
        # Singly: a batch would go to threads, which do not survive a fork.
        return [[token + 1 for token in self._tokenizer.encode(text).ids[:most_tokens]] for text in texts]

    def to_json(self) -> str:
        """The tokenizer as text, for the model bundle."""
        return str(self._tokenizer.to_str())

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The tokenizer of `to_json`; ArtefactError if it is damaged or of another kind."""
        require("lyrics", LYRICS)
        from tokenizers import Tokenizer
        from tokenizers.pre_tokenizers import ByteLevel

        try:
            tokenizer = Tokenizer.from_str(text)
            kind = json.loads(text)["model"]["type"]
            tokens = sorted(tokenizer.get_vocab().values())
            if tokens != list(range(len(tokens))):
                raise ValueError("its tokens have gaps")
        except Exception as error:  # the library raises nothing narrower
            raise ArtefactError(
                f"the lyric tokenizer is damaged ({error}). Copy or train the model again."
            ) from error
        if kind != "BPE" or not set(ByteLevel.alphabet()) <= tokenizer.get_vocab().keys():
            raise ArtefactError(
                "the lyric tokenizer is not a byte-level BPE. Use the one that was trained with the model."
            )
        return cls(tokenizer)


def pad(
    token_lists: Sequence[Sequence[int]],
) -> tuple[Int[np.ndarray, "tracks tokens"], Int[np.ndarray, " tracks"]]:
    """Tokens of each text, padded with 0 to the longest, and the lengths; both int64."""
    lengths = np.array([len(tokens) for tokens in token_lists], dtype=np.int64)
    padded = np.zeros((len(lengths), lengths.max(initial=0)), dtype=np.int64)
    for row, tokens in zip(padded, token_lists, strict=True):
        row[: len(tokens)] = tokens
    return padded, lengths


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep the library from starting threads: it would complain of them at every later fork."""
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        del os.environ["TOKENIZERS_PARALLELISM"]
        if before is not None:
            os.environ["TOKENIZERS_PARALLELISM"] = before
