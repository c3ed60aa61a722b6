"""Conversions go there and back."""

from hypothesis import given
from hypothesis import strategies as st

from soundkin.units import (
    frames_to_seconds,
    samples_to_frames,
    samples_to_seconds,
    seconds_to_frames,
    seconds_to_samples,
)

rates = st.integers(4_000, 384_000)


@given(samples=st.integers(0, 10**9), rate=rates)
def test_samples_survive_a_round_trip_through_seconds(samples: int, rate: int) -> None:
    assert seconds_to_samples(samples_to_seconds(samples, rate), rate) == samples


@given(frames=st.integers(1, 10**6), rate=rates, hop=st.integers(1, 4096))
def test_frames_survive_a_round_trip_through_seconds(frames: int, rate: int, hop: int) -> None:
    assert seconds_to_frames(frames_to_seconds(frames, rate, hop), rate, hop) == frames


@given(samples=st.integers(0, 10**6), window=st.integers(1, 4096), hop=st.integers(1, 4096))
def test_the_last_frame_fits_and_one_more_would_not(samples: int, window: int, hop: int) -> None:
    frames = samples_to_frames(samples, window, hop)
    assert frames == 0 or (frames - 1) * hop + window <= samples
    assert frames * hop + window > samples
