import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.corpus.theory import SCALES, chord_degrees, hertz, is_minor, pitch


def test_the_c_major_scale() -> None:
    assert [pitch(60, "major", degree) for degree in range(8)] == [60, 62, 64, 65, 67, 69, 71, 72]


def test_the_tonic_chord_of_a_minor() -> None:
    assert [pitch(57, "minor", degree) for degree in chord_degrees(0, 3)] == [57, 60, 64]


def test_concert_pitch() -> None:
    assert hertz(69) == pytest.approx(440.0)
    assert hertz(60) == pytest.approx(261.626, abs=1e-3)


@given(st.sampled_from(sorted(SCALES)), st.integers(-20, 20))
def test_seven_degrees_are_an_octave_and_pitches_rise(scale: str, degree: int) -> None:
    assert pitch(60, scale, degree + 7) == pitch(60, scale, degree) + 12
    assert pitch(60, scale, degree + 1) > pitch(60, scale, degree)


def test_minor_scales() -> None:
    assert {scale for scale in SCALES if is_minor(scale)} == {"dorian", "minor", "harmonic minor"}
