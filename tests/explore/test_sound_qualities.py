"""Qualities of sounds that were made to have them."""

import numpy as np
import pytest

from soundkin.explore.song_spectra import RATE_HZ
from soundkin.explore.sound_qualities import NOTHING_HEARD, SoundQualities, sound_qualities

SECONDS = np.arange(12 * RATE_HZ) / RATE_HZ
TRIADS = {"C major": ("CEG", "FAC", "GBD", "CEG"), "A minor": ("ACE", "DFA", "EGB", "ACE")}
PLACES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def chords(key: str, up: int = 0) -> np.ndarray:
    """Three seconds a triad, the tonic's with its root doubled below."""
    parts = []
    for triad in TRIADS[key]:
        notes = [PLACES[letter] for letter in triad] + [PLACES[triad[0]] - 12]
        tones = [np.sin(2 * np.pi * 261.63 * 2 ** ((note + up) / 12) * SECONDS) for note in notes]
        parts.append(0.05 * np.sum(tones, axis=0)[: 3 * RATE_HZ])
    return np.concatenate(parts).astype(np.float32)


def clicks(beats_a_minute: float) -> np.ndarray:
    sound = np.zeros(len(SECONDS), np.float32)
    for start in np.arange(0, SECONDS[-1] - 0.1, 60 / beats_a_minute):
        first = int(start * RATE_HZ)
        sound[first : first + 400] = np.random.default_rng(0).normal(0, 0.3, 400) * np.exp(
            -np.arange(400) / 80
        )
    return sound


def test_a_full_scale_sine_has_the_loudness_that_the_standard_states() -> None:
    found = sound_qualities(np.sin(2 * np.pi * 997 * SECONDS).astype(np.float32)).qualities
    assert found.loudness == pytest.approx(-3.01, abs=0.05)
    assert found.brightness == pytest.approx(997, rel=0.01)
    assert np.isnan(found.tempo) and found.dynamics < 0.1


def test_softer_parts_are_dynamics_and_silence_is_not() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, len(SECONDS)).astype(np.float32)
    halves = np.where(SECONDS < 6, 1, 10 ** (-10 / 20)).astype(np.float32)
    assert sound_qualities(noise * halves).qualities.dynamics == pytest.approx(10, abs=0.3)
    padded = np.concatenate([noise, np.zeros_like(noise)])
    loudness = [sound_qualities(each).qualities.loudness for each in (noise, padded)]
    assert loudness[1] == pytest.approx(loudness[0], abs=0.2)


def test_a_low_pass_makes_it_darker() -> None:
    noise = np.random.default_rng(2).normal(0, 0.1, len(SECONDS)).astype(np.float32)
    muffled = np.convolve(noise, np.ones(8, np.float32) / 8, "same")
    bright, dark = (sound_qualities(each).qualities.brightness for each in (noise, muffled))
    assert dark < bright / 1.5


@pytest.mark.parametrize("tempo", [90, 140])
def test_clicks_have_their_tempo_and_their_number(tempo: int) -> None:
    found = sound_qualities(clicks(tempo)).qualities
    assert found.tempo == pytest.approx(tempo, rel=0.03)
    assert found.onsets == pytest.approx(tempo / 60, rel=0.1)


@pytest.mark.parametrize("up", [0, 3])
def test_keys_are_found_wherever_they_stand(up: int) -> None:
    names = {0: ("C major", "A minor"), 3: ("D♯ major", "C minor")}[up]
    for key, name, sign in zip(TRIADS, names, (1, -1), strict=True):
        heard = sound_qualities(chords(key, up))
        assert heard.key == name and sign * heard.qualities.mode > 0
        assert heard.key_profile.sum() == pytest.approx(1) and heard.key_profile.argmax() == 0


def test_of_silence_and_of_hardly_any_sound_nothing_is_said() -> None:
    for samples in (np.zeros(5 * RATE_HZ, np.float32), clicks(120)[:RATE_HZ], np.zeros(0, np.float32)):
        assert sound_qualities(samples) is NOTHING_HEARD
    assert np.isnan(SoundQualities()).all()
