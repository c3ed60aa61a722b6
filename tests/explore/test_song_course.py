import numpy as np
import pytest

from made_songs import sung
from soundkin.explore.song_course import SongCourse, song_course
from soundkin.explore.song_spectra import RATE_HZ


def of(samples: np.ndarray) -> SongCourse:
    """The course of samples; the one vector number is the time."""
    middles = np.arange(0.5, max(1.0, len(samples) / RATE_HZ), 0.5)
    return song_course(samples.astype(np.float32), middles[:, None].astype(np.float32), middles)


@pytest.mark.slow
def test_beats_bars_and_chords_are_found() -> None:
    found = of(sung("AB", beats=24, tempo=100.0))
    assert found.tempo == pytest.approx(100, abs=3)
    beats = found.starts[1:-1]
    assert np.abs(beats / 0.6 - np.round(beats / 0.6)).max() < 0.1
    assert (np.diff(found.bars) == 4).all()
    first, last = found.chroma[2:20].mean(axis=0), found.chroma[28:46].mean(axis=0)
    assert set(np.argsort(first)[-3:].tolist()) == {9, 1, 4}  # A, C sharp, E
    assert set(np.argsort(last)[-3:].tolist()) == {2, 5, 9}  # D, F, A


@pytest.mark.slow
def test_vectors_stand_where_their_patches_are() -> None:
    found = of(sung("A", beats=20))
    inner = (found.middles > 0.5) & (found.middles < found.seconds - 0.5)
    assert found.vectors[inner, 0] == pytest.approx(found.middles[inner], abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    "samples",
    [np.zeros(10 * RATE_HZ), np.sin(2 * np.pi * 440 * np.arange(10 * RATE_HZ) / RATE_HZ), np.zeros(RATE_HZ)],
    ids=["silence", "one note", "a second"],
)
def test_without_a_pulse_steps_are_even(samples: np.ndarray) -> None:
    found = of(samples)
    assert found.tempo == 0 and not len(found.bars)
    assert found.starts[:2].tolist() == [0.0, 0.5]
    assert found.seconds == len(samples) / RATE_HZ
    assert all(np.isfinite(part).all() for part in (found.chroma, found.timbre, found.level_db))


@pytest.mark.parametrize("samples", [2, 1_200, 50_000])
def test_the_envelope_holds_every_sample(samples: int) -> None:
    wave = np.random.default_rng(0).normal(size=samples)
    envelope = of(wave).envelope()
    assert len(envelope) == min(samples, 1_200)
    assert envelope[:, 0].min() == np.float32(wave.min()) and envelope[:, 1].max() == np.float32(wave.max())
