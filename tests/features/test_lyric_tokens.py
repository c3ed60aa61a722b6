"""Property tests of the lyric tokenizer: any script, no unknown token, the same tokens whenever it is
trained.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import ArtefactError
from soundkin.features.lyric_tokens import SMALLEST_VOCABULARY, LyricTokenizer, pad

TEXTS = [
    "Birds flying high\nyou know how I feel\nSun in the sky, you know how I feel",
    "さくら さくら\n野山も里も\n見わたす限り",
    "يا ليل يا عين\nليل",
    "Ой, цветёт калина\nв поле под горой",
    "आवारा हूँ\nया गर्दिश में हूँ",
    "la la la 🎵🎶 👩‍🎤",
    "Mein Straßenlied: ça va déjà",
    "",
]
MOST = 512


@pytest.fixture(scope="module")
def tokenizer() -> LyricTokenizer:
    return LyricTokenizer.train(TEXTS, 400)


def spelt(tokenizer: LyricTokenizer, text: str) -> str:
    """The text that the tokens of `text` stand for."""
    # Byte-level BPE writes byte 0x21 as `!` and so on, and the 68 bytes that cannot be shown from 256 on.
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    byte_of = {chr(byte): byte for byte in shown} | {
        chr(256 + place): byte for place, byte in enumerate(hidden)
    }
    by_token = {
        token + 1: piece for piece, token in json.loads(tokenizer.to_json())["model"]["vocab"].items()
    }
    pieces = "".join(by_token[token] for token in tokenizer.encode([text], MOST)[0])
    return bytes(byte_of[piece] for piece in pieces).decode()


@pytest.mark.parametrize("text", TEXTS)
def test_every_script_is_spelt_in_full(tokenizer: LyricTokenizer, text: str) -> None:
    assert spelt(tokenizer, text).split() == text.lower().split()


@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=40))
def test_any_text_gives_tokens_of_the_vocabulary(tokenizer: LyricTokenizer, text: str) -> None:
    (tokens,) = tokenizer.encode([text], MOST)
    assert all(0 < token < tokenizer.vocabulary_size for token in tokens)
    spelt(tokenizer, text)


def test_writing_a_text_another_way_makes_no_difference(tokenizer: LyricTokenizer) -> None:
    for one, other in (
        ("I Feel", "i feel"),
        ("caf\u00e9", "cafe\u0301"),  # one character, and a letter with a combining mark
        ("\uff21\uff22\uff23\u3000\uff11", "abc 1"),  # full width, with an ideographic space
        ("ｻｸﾗ", "サクラ"),
        ("ﬂying", "flying"),
        ("ЦВЕТЁТ", "цветёт"),
        ("  in\n\n the\tsky ", "in the sky"),
    ):
        assert tokenizer.encode([one], MOST) == tokenizer.encode([other], MOST)


def test_a_mark_stays_with_its_letter() -> None:
    tokenizer = LyricTokenizer.train(["हूँ"] * 5, 400)
    assert len(tokenizer.encode(["हूँ"], MOST)[0]) == 1


def test_nothing_is_no_token(tokenizer: LyricTokenizer) -> None:
    assert tokenizer.encode(["", " \n\t　"], MOST) == [[], []]


def test_a_text_is_cut(tokenizer: LyricTokenizer) -> None:
    (whole,), (cut,) = tokenizer.encode(TEXTS[:1], MOST), tokenizer.encode(TEXTS[:1], 5)
    assert len(whole) > 5 and cut == whole[:5]


def test_a_text_cannot_spell_the_padding(tokenizer: LyricTokenizer) -> None:
    assert all(0 not in tokens for tokens in tokenizer.encode(["<pad> [PAD] <unk> <s> \0"], MOST))


@pytest.mark.parametrize("texts", [[], [""], ["a"], ["la"], ["la la la"]])
def test_few_or_tiny_lyrics_still_spell_everything(texts: list[str]) -> None:
    tokenizer = LyricTokenizer.train(texts, 1000)
    assert SMALLEST_VOCABULARY <= tokenizer.vocabulary_size <= SMALLEST_VOCABULARY + 3
    assert spelt(tokenizer, "東京 ok") == " 東京 ok"


def test_a_vocabulary_is_as_large_as_was_asked_for_at_most() -> None:
    assert LyricTokenizer.train(TEXTS * 9, 300).vocabulary_size == 300
    assert LyricTokenizer.train(TEXTS, SMALLEST_VOCABULARY).vocabulary_size == SMALLEST_VOCABULARY


def test_training_shortens_what_it_was_trained_on(tokenizer: LyricTokenizer) -> None:
    untrained = LyricTokenizer.train([], 400)
    for text in TEXTS[:2]:
        assert len(tokenizer.encode([text], MOST)[0]) < 0.8 * len(untrained.encode([text], MOST)[0])


def test_training_is_deterministic() -> None:
    """In any process, whatever its hash seed, and in any order of the tracks: ties are broken alike."""
    texts = ["ab cd ef gh", "cd ab gh ef", "ef gh ab cd"] * 2
    expected = LyricTokenizer.train(texts, 262).to_json()
    assert LyricTokenizer.train(texts[::-1], 262).to_json() == expected
    code = (
        "import sys; from soundkin.features.lyric_tokens import LyricTokenizer; "
        f"sys.stdout.write(LyricTokenizer.train({texts!r}, 262).to_json())"
    )
    environment = os.environ | {"PYTHONHASHSEED": "7"}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True).stdout
        == expected
    )


def test_it_comes_back_from_json(tokenizer: LyricTokenizer) -> None:
    again = LyricTokenizer.from_json(tokenizer.to_json())
    assert again.to_json() == tokenizer.to_json() and again.vocabulary_size == tokenizer.vocabulary_size
    assert again.encode(TEXTS, 9) == tokenizer.encode(TEXTS, 9)


def test_damaged_json_is_explained(tokenizer: LyricTokenizer) -> None:
    saved = json.loads(tokenizer.to_json())
    word_level = saved | {"model": {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}}
    gapped = json.loads(tokenizer.to_json())
    gapped["model"]["vocab"]["ĠĠĠ"] = 5000
    for text in (
        "",
        "{}",
        "[]",
        "null",
        tokenizer.to_json()[:-9],
        json.dumps(word_level),
        json.dumps(gapped),
    ):
        with pytest.raises(ArtefactError, match="the lyric tokenizer is"):
            LyricTokenizer.from_json(text)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux shows them")
def test_no_threads_are_left_behind() -> None:
    """A worker process is forked later, and threads do not survive that."""
    code = (
        "import os; from soundkin.features.lyric_tokens import LyricTokenizer; "
        "before = len(os.listdir('/proc/self/task')); texts = ['la lo li'] * 2000; "
        "LyricTokenizer.train(texts, 300).encode(texts, 9); "
        "print(len(os.listdir('/proc/self/task')) - before, 'TOKENIZERS_PARALLELISM' in os.environ)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "TOKENIZERS_PARALLELISM"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 False\n", "")


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(st.integers(1, 300), max_size=6), max_size=5))
def test_padding_keeps_every_token(token_lists: list[list[int]]) -> None:
    tokens, lengths = pad(token_lists)
    assert tokens.dtype == lengths.dtype == np.int64
    assert tokens.shape == (len(token_lists), max(map(len, token_lists), default=0))
    assert [row[:length].tolist() for row, length in zip(tokens, lengths, strict=True)] == token_lists
    assert (tokens > 0).sum() == lengths.sum()
