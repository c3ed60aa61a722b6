"""What two courses have in common: of songs of which we know the form."""

import numpy as np
import pytest

from soundkin.embedding.store import PatchEmbeddings
from soundkin.search.common_course import common_course
from soundkin.search.trajectory import trajectory


def song(form: str, random_seed: int, patches: int, hop_seconds: float = 1.0) -> PatchEmbeddings:
    """So many patches a letter, each letter in a direction of its own."""
    random = np.random.default_rng(random_seed)
    sounds = {letter: random.standard_normal(64) for letter in sorted(set(form))}
    vectors = np.array([sounds[letter] for letter in form for _ in range(patches)])
    starts = [hop_seconds * place for place in range(len(vectors))]
    noise = 0.1 * random.standard_normal(vectors.shape)
    return PatchEmbeddings(form, starts, (vectors + noise).astype(np.float32))


def letter_at(form: str, seconds: float, letter_seconds: float) -> str:
    return form[int(seconds / letter_seconds)]


@pytest.mark.parametrize("form", ["ABAC", "ABCB", "ABCDA"])
def test_a_return_and_a_change_of_both_songs_are_named(form: str) -> None:
    here, there = song(form, 0, 10), song(form, 1, 15, hop_seconds=2.0)
    found = common_course(here, there)
    assert found.score == pytest.approx(float(trajectory(here.vectors) @ trajectory(there.vectors)))
    for places, seconds in ((found.return_here, 10.0), (found.return_there, 30.0)):
        assert places is not None and places.second - places.first > seconds
        assert len({letter_at(form, at, seconds) for at in places}) == 1
    for places, seconds in ((found.change_here, 10.0), (found.change_there, 30.0)):
        assert places is not None
        assert len({letter_at(form, at, seconds) for at in places}) == 2
    first, second = found.reasons()
    assert "sound alike here, and so do" in first and "differ here, and so do" in second


def test_songs_that_have_nothing_in_common_say_nothing() -> None:
    mirrored = common_course(song("ABAB", 0, 4), song("AABB", 1, 4))
    assert mirrored.score < common_course(song("ABAB", 0, 4), song("ABAB", 1, 4)).score - 0.5
    found = common_course(song("A", 0, 8), PatchEmbeddings("still", [0.0] * 8, np.ones((8, 64), np.float32)))
    assert found.score == 0 and found.reasons() == []
