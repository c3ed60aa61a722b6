from dataclasses import replace

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from made_songs import BEAT_SECONDS, course
from soundkin.errors import UsageError
from soundkin.explore.song_sections import find_sections, grouped


@pytest.mark.parametrize("form", ["ABAC", "ABABCB", "A", "AB", "ABCDE"])
def test_sections_come_where_they_were_put(form: str) -> None:
    found = find_sections(course(form))
    assert "".join(section.letter for section in found) == form
    for place, section in enumerate(found):
        assert section.start == pytest.approx(place * 16 * BEAT_SECONDS, abs=BEAT_SECONDS)
    assert found[-1].end == len(form) * 16 * BEAT_SECONDS


def test_neighbours_of_one_letter_are_one_section() -> None:
    assert [section.letter for section in find_sections(course("AABB"))] == ["A", "B"]


def test_so_many_kinds_as_were_asked_for() -> None:
    assert {section.letter for section in find_sections(course("ABAC"), kinds=2)} == {"A", "B"}
    assert len({section.letter for section in find_sections(course("A"), kinds=3)}) == 3


@pytest.mark.parametrize(("kinds", "hint"), [(0, "at least 1"), (50, "Ask for")])
def test_what_cannot_be_asked_for(kinds: int, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        find_sections(course("AB"), kinds)


def test_songs_of_a_few_beats_are_one_section() -> None:
    assert len(find_sections(course("A", beats=1))) == 1
    assert len(find_sections(course("AB", beats=2))) == 1


def test_a_steady_sound_is_one_section() -> None:
    steady = course("AB", beats=60)
    steady = replace(steady, vectors=np.ones_like(steady.vectors) + 0.01 * steady.vectors)
    assert [section.letter for section in find_sections(steady)] == ["A"]
    assert len(find_sections(steady, kinds=2)) == 2


@pytest.mark.parametrize("random_seed", range(4))
@pytest.mark.parametrize("points", [1, 2, 30])
def test_groups_are_those_of_scipy(random_seed: int, points: int) -> None:
    random = np.random.default_rng(random_seed)
    places = random.normal(size=(points, 3)) + 3 * random.integers(0, 3, (points, 1))
    tree = linkage(places, "average") if points > 1 else np.empty((0, 4))

    def pairs(numbers: np.ndarray) -> list[list[bool]]:
        return (numbers[:, None] == numbers).tolist()

    for farthest in (0.5, 1.5, 3.0) if points > 1 else ():
        assert pairs(grouped(places, 1, farthest)) == pairs(fcluster(tree, farthest, "distance"))
    for fewest in range(1, min(points, 5) + 1):
        expected = fcluster(tree, fewest, "maxclust") if points > 1 else np.ones(1)
        assert pairs(grouped(places, fewest, np.inf)) == pairs(expected)
