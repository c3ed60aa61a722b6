"""Mixtures: finite, of the asked length and level, the same under the same generator; and worse copies."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.features import mixtures
from soundkin.features.mixtures import MixtureConfig, mixture, worse_for_student

RATE_HZ = 8_000


def tracks(count: int = 3) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-0.5, 0.5, 3_000 + 500 * number).astype(np.float32) for number in range(count)]


@given(seed=st.integers(0, 10_000), length=st.integers(500, 6_000))
def test_an_excerpt_has_its_length_and_a_level(seed: int, length: int) -> None:
    excerpt = mixture(tracks(), 1, length, RATE_HZ, MixtureConfig(), np.random.default_rng(seed))
    assert excerpt.shape == (length,) and excerpt.dtype == np.float32 and np.isfinite(excerpt).all()
    peak_db = 20 * np.log10(np.abs(excerpt).max())
    assert mixtures.QUIETEST_DB - 0.1 < peak_db < mixtures.LOUDEST_DB + 0.1
    again = mixture(tracks(), 1, length, RATE_HZ, MixtureConfig(), np.random.default_rng(seed))
    np.testing.assert_array_equal(excerpt, again)


def test_with_everything_off_it_is_a_crop_at_another_level() -> None:
    off = MixtureConfig(speed=0.0, speed_share=0.0, most_mixed=1, equalised_share=0.0, loud_share=0.0)
    [track] = tracks(1)
    excerpt = mixture([track], 0, 800, RATE_HZ, off, np.random.default_rng(0))
    windows = np.lib.stride_tricks.sliding_window_view(track, 800)
    cosines = windows @ excerpt / np.linalg.norm(windows, axis=1) / np.linalg.norm(excerpt)
    assert cosines.max() == pytest.approx(1.0, abs=1e-5)


def test_silence_stays_silent() -> None:
    silence = [np.zeros(4_000, np.float32)]
    excerpt = mixture(silence, 0, 2_000, RATE_HZ, MixtureConfig(), np.random.default_rng(0))
    assert not excerpt.any()


@pytest.mark.parametrize("number", range(len(mixtures._CHANGES)))
def test_every_change_for_the_student_keeps_length_in_seconds(number: int) -> None:
    samples = tracks()[0]
    heard, rate_hz = mixtures._CHANGES[number](samples, RATE_HZ, np.random.default_rng(1))
    assert np.isfinite(heard).all() and len(heard) / rate_hz == pytest.approx(
        len(samples) / RATE_HZ, rel=0.01
    )
    if rate_hz == RATE_HZ:
        assert not np.array_equal(heard, samples) or number == 2, "8 kHz is no lower rate"


@given(seed=st.integers(0, 1_000))
def test_what_the_student_hears_is_finite(seed: int) -> None:
    heard, rate_hz = worse_for_student(tracks()[0], RATE_HZ, np.random.default_rng(seed))
    assert np.isfinite(heard).all() and heard.dtype == np.float32 and rate_hz > 0
