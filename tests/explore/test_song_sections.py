import pytest

from made_songs import BEAT_SECONDS, course
from soundkin.errors import UsageError
from soundkin.explore.song_sections import find_sections


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
