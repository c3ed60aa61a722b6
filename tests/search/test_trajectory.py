"""Trajectories: of songs of which we know the form, in sounds drawn at random."""

import numpy as np
import pytest

from soundkin.search.trajectory import FEWEST_PATCHES, trajectory


def song(form: str, random_seed: int, patches: int = 6, size: int = 32) -> np.ndarray:
    """Patch vectors: a direction a letter, and a little noise."""
    random = np.random.default_rng(random_seed)
    sounds = {letter: random.standard_normal(size) for letter in sorted(set(form))}
    vectors = [sounds[letter] for letter in form for _ in range(patches)]
    return (vectors + 0.2 * random.standard_normal((len(vectors), size))).astype(np.float32)


def test_songs_of_one_form_are_alike_in_other_sounds_and_lengths():
    here = trajectory(song("ABAC", 0))
    same, other = trajectory(song("ABAC", 1, patches=10)), trajectory(song("AABB", 2))
    assert here @ same > 0.8
    assert here @ same > here @ other + 0.3


def test_what_a_song_sounds_like_is_not_in_it():
    vectors = song("ABCA", 0)
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((32, 32)))
    rotated = (vectors @ rotation).astype(np.float32)
    np.testing.assert_allclose(trajectory(rotated), trajectory(vectors), atol=1e-4)


def test_it_has_unit_length_and_one_size():
    sizes = {trajectory(song("AB", 0, patches)).shape for patches in (3, 7, 40)}
    assert len(sizes) == 1
    assert np.linalg.norm(trajectory(song("AB", 0))) == pytest.approx(1, abs=1e-5)


def test_songs_too_short_or_of_one_sound_have_none():
    assert not trajectory(song("AB", 0)[: FEWEST_PATCHES - 1]).any()
    assert not trajectory(np.ones((20, 8), np.float32)).any()
    assert not trajectory(np.zeros((20, 8), np.float32)).any()
    assert trajectory(song("AB", 0)[-FEWEST_PATCHES:]).any()
