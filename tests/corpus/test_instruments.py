from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.corpus.instruments import FAMILIES, Player, draw_instrument, hertz, set_up, single_cycle

RATE = 22050


def plain(family: str = "organ") -> Player:
    instrument = draw_instrument(family, np.random.default_rng(0))
    return Player(replace(instrument, vibrato_cents=0.0, detune_cents=0.0, breath=0.0, resonances=()), RATE)


@pytest.mark.parametrize("pitch", [45, 69, 81])
def test_a_note_sounds_at_its_pitch(pitch: int) -> None:
    note = plain("flute").note(pitch, 1.0)
    spectrum = np.abs(np.fft.rfft(note * np.hanning(len(note)), 1 << 18))
    assert np.argmax(spectrum) * RATE / (1 << 18) == pytest.approx(hertz(pitch), rel=2e-3)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(FAMILIES)), st.integers(30, 96), st.sampled_from([22050, 44100, 48000]))
def test_a_cycle_has_unit_level_and_nothing_beyond_the_nyquist_frequency(
    family: str, pitch: int, rate: int
) -> None:
    cycle = single_cycle(draw_instrument(family, np.random.default_rng(pitch)), hertz(pitch), rate, 1.0)
    assert np.sqrt(np.mean(cycle**2)) == pytest.approx(1, rel=1e-3)
    harmonics = np.abs(np.fft.rfft(cycle))
    audible = max(1, int(rate / 2 / hertz(pitch)))
    assert harmonics[audible + 1 :].max() < 1e-3 * harmonics.max()


def test_a_note_is_released_to_silence_and_remembered() -> None:
    player = plain()
    note = player.note(60, 0.5)
    assert abs(note[-1]) < 1e-3
    assert len(note) == pytest.approx((0.5 + player.instrument.release_seconds) * RATE, abs=64)
    assert player.note(60, 0.5) is note


def test_a_swell_makes_the_note_rise_slowly() -> None:
    instrument = draw_instrument("piano", np.random.default_rng(0))
    quick, slow = (Player(instrument, RATE, swell).note(60, 1.0) for swell in (0.0, 0.5))
    start = RATE // 20
    assert np.abs(slow[:start]).max() < 0.3 * np.abs(quick[:start]).max()


def test_owners_of_one_model_sound_alike_but_not_the_same() -> None:
    model = draw_instrument("saw", np.random.default_rng(0))
    own = set_up(model, np.random.default_rng(1))
    assert own != model and own.resonances == model.resonances and abs(own.tilt - model.tilt) <= 0.15


def test_concert_pitch() -> None:
    assert hertz(69) == pytest.approx(440.0)
    assert hertz(60) == pytest.approx(261.626, abs=1e-3)
