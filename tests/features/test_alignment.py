from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import AudioError
from soundkin.features.alignment import (
    BANDS,
    FRAMES_PER_SECOND,
    FRONT_END,
    LARGEST,
    LEAST_OVERLAP,
    LEAST_SECONDS,
    Alignment,
    Fingerprint,
    align,
    align_at_any_tempo,
    fingerprint,
    fingerprint_of_file,
)
from soundkin.features.frontends.log_mel import LogMel

RATE = FRONT_END.sample_rate_hz


def noise_fingerprint(frames: int, random_seed: int, smooth: int = 3) -> Fingerprint:
    """A fingerprint of nothing in particular, that changes slowly enough to be read between its frames."""
    drawn = np.random.default_rng(random_seed).standard_normal((frames + smooth, BANDS))
    slow = np.stack([drawn[start : start + frames] for start in range(smooth)]).mean(axis=0)
    return np.rint(LARGEST * slow / np.linalg.norm(slow, axis=1, keepdims=True)).astype(np.int8)


def melody(seconds: float, random_seed: int = 0) -> np.ndarray:
    """A new tone every 0.3 s: float32 [samples]."""
    random = np.random.default_rng(random_seed)
    length = round(0.3 * RATE)
    time = np.arange(length) / RATE
    tones = [np.sin(2 * np.pi * hz * time) for hz in random.uniform(150, 3_000, round(seconds / 0.3))]
    return (0.2 * np.concatenate(tones)).astype(np.float32)


def fingerprint_of_samples(samples: np.ndarray) -> Fingerprint:
    return fingerprint(LogMel(FRONT_END)(torch.from_numpy(samples)).numpy())


def by_hand(first: Fingerprint, second: Fingerprint, lag: int) -> tuple[float, float]:
    """Similarity and overlap with `first` moved by `lag` frames, frame by frame."""
    a, b = first / LARGEST, second / LARGEST
    pairs = [(a[n], b[n + lag]) for n in range(len(a)) if 0 <= n + lag < len(b)]
    dots = sum(float(x @ y) for x, y in pairs)
    sounds = [sum(float(x @ x) for x in side) for side in zip(*pairs, strict=True)]
    whole = [float(np.square(side).sum()) for side in (a, b)]
    shorter = int(np.argmin(whole))
    return dots / max(sounds), sounds[shorter] / whole[shorter]


def test_the_best_offset_is_the_best_by_hand() -> None:
    first, second = noise_fingerprint(50, 0), noise_fingerprint(64, 1)
    found = align(first, second)
    tried = {lag: by_hand(first, second, lag) for lag in range(-45, 60)}
    allowed = {
        lag: similarity
        for lag, (similarity, overlap) in tried.items()
        if overlap >= LEAST_OVERLAP and min(50, 64 - lag, 50 + lag) >= LEAST_SECONDS * FRAMES_PER_SECOND
    }
    best = max(allowed, key=lambda lag: allowed[lag])
    assert found.offset_seconds == pytest.approx(best / FRAMES_PER_SECOND)
    assert found.similarity == pytest.approx(allowed[best], abs=1e-4)
    assert found.overlap == pytest.approx(tried[best][1], abs=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(60, 150), st.integers(-25, 25), st.integers(0, 5))
def test_a_piece_is_found_where_it_was_cut(frames: int, start: int, random_seed: int) -> None:
    whole = noise_fingerprint(frames + 60, random_seed)
    found = align(whole[30 + start : 30 + start + frames], whole)
    assert found.similarity == pytest.approx(1.0, abs=1e-5)
    assert found.offset_seconds == pytest.approx((30 + start) / FRAMES_PER_SECOND)
    assert found.overlap == pytest.approx(1.0)
    assert found.tempo_ratio == 1.0


@settings(max_examples=20, deadline=None)
@given(st.integers(40, 120), st.integers(40, 120), st.integers(0, 100))
def test_either_may_come_first(first_frames: int, second_frames: int, random_seed: int) -> None:
    first, second = (
        noise_fingerprint(first_frames, random_seed),
        noise_fingerprint(second_frames, random_seed + 1),
    )
    there, back = align(first, second), align(second, first).seen_from_second()
    assert there.similarity == pytest.approx(back.similarity, abs=1e-4)
    assert there.overlap == pytest.approx(back.overlap, abs=0.05)


def test_seen_from_the_second_and_back_is_the_same() -> None:
    found = Alignment(similarity=0.8, offset_seconds=-3.0, tempo_ratio=1.05, overlap=0.9)
    seen = found.seen_from_second()
    moment = 10.0
    there = found.offset_seconds + moment / found.tempo_ratio
    assert seen.offset_seconds + there / seen.tempo_ratio == pytest.approx(moment)
    back = seen.seen_from_second()
    assert (back.offset_seconds, back.tempo_ratio) == pytest.approx((found.offset_seconds, found.tempo_ratio))


@pytest.mark.parametrize("ratio", [0.92, 0.975, 1.0, 1.034, 1.08])
def test_another_tempo_is_found_either_way_round(ratio: float) -> None:
    slow = melody(20.0)
    length = len(slow) / 0.3 / RATE
    tones = np.array_split(slow, round(length))
    fast = np.concatenate(
        [
            tone[: round(len(tone) / ratio)] if ratio > 1 else np.resize(tone, round(len(tone) / ratio))
            for tone in tones
        ]
    )
    first, second = fingerprint_of_samples(slow), fingerprint_of_samples(fast)
    found = align_at_any_tempo(first, second)
    assert found.similarity > 0.8
    assert found.tempo_ratio == pytest.approx(ratio, abs=0.006)
    assert found.offset_seconds == pytest.approx(0.0, abs=0.15)
    back = align_at_any_tempo(second, first)
    assert back.similarity == pytest.approx(found.similarity, abs=0.05)
    assert back.tempo_ratio == pytest.approx(1 / ratio, abs=0.006)
    if abs(ratio - 1) > 0.03:
        assert align(first, second).similarity < found.similarity - 0.2


def test_a_later_start_is_given_in_the_time_of_the_second() -> None:
    samples = melody(20.0)
    silence = np.zeros(round(2.5 * RATE), np.float32)
    found = align(fingerprint_of_samples(samples), fingerprint_of_samples(np.concatenate([silence, samples])))
    assert found.similarity > 0.9
    assert found.offset_seconds == pytest.approx(2.5, abs=0.1)
    assert found.overlap > 0.95


def test_other_music_is_not_alike() -> None:
    first, second = fingerprint_of_samples(melody(20.0, 0)), fingerprint_of_samples(melody(20.0, 1))
    assert align(first, second).similarity < 0.3
    assert align_at_any_tempo(first, second).similarity < 0.3


@settings(max_examples=10, deadline=None)
@given(st.floats(-20.0, 10.0), st.integers(0, 3))
def test_a_fingerprint_ignores_loudness(gain_db: float, random_seed: int) -> None:
    samples = melody(6.0, random_seed)
    found = align(
        fingerprint_of_samples(samples), fingerprint_of_samples(samples * np.float32(10 ** (gain_db / 20)))
    )
    assert found.similarity > 0.95
    assert found.offset_seconds == 0.0


def test_a_fingerprint_ignores_what_stays() -> None:
    """A band that is louder throughout, as another mastering makes it, changes nothing."""
    log_mel = LogMel(FRONT_END)(torch.from_numpy(melody(6.0))).numpy()
    lifted = log_mel + np.linspace(0, 5, log_mel.shape[1], dtype=np.float32)
    np.testing.assert_allclose(fingerprint(lifted), fingerprint(log_mel), atol=1)


def test_drums_alone_say_nothing() -> None:
    """What sounds on all bands at once is in no fingerprint."""
    log_mel = np.zeros((200, FRONT_END.mel_bands), np.float32)
    log_mel[::15] = 8.0
    assert not fingerprint(log_mel).any()


@pytest.mark.parametrize("frames", [0, 1, 5, 6, 30])
def test_too_little_is_apart(frames: int) -> None:
    short = fingerprint(np.random.default_rng(0).random((frames, FRONT_END.mel_bands), dtype=np.float32))
    for compare in (align, align_at_any_tempo):
        assert compare(short, noise_fingerprint(100, 0)).similarity == 0.0
        assert compare(noise_fingerprint(100, 0), short).similarity == 0.0
        assert compare(short, short).similarity == 0.0


def test_silence_is_like_nothing() -> None:
    silent = fingerprint_of_samples(np.zeros(6 * RATE, np.float32))
    assert not silent.any()
    assert align(silent, silent).similarity == 0.0
    assert align_at_any_tempo(silent, noise_fingerprint(100, 0)).similarity == 0.0


def test_a_file_of_any_kind_has_the_same_fingerprint(tmp_path: Path) -> None:
    samples = melody(8.0)
    fingerprints = {}
    for kind in ("wav", "flac", "mp3", "ogg"):
        soundfile.write(tmp_path / f"melody.{kind}", samples, RATE)
        fingerprints[kind] = fingerprint_of_file(tmp_path / f"melody.{kind}")
    for kind, found in fingerprints.items():
        assert found.dtype == np.int8
        assert align(fingerprints["wav"], found).similarity > 0.95, kind


def test_a_file_that_is_no_audio_is_an_error(tmp_path: Path, audio: Callable[[str], Path]) -> None:
    (tmp_path / "text.mp3").write_text("not music")
    with pytest.raises(AudioError, match=r"text\.mp3"):
        fingerprint_of_file(tmp_path / "text.mp3")
    assert len(fingerprint_of_file(audio("m4a")))
