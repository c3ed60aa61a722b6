import numpy as np
import pytest

from soundkin.explore.sound_differences import SPOKEN, sound_differences
from soundkin.explore.sound_qualities import NOTHING_HEARD, HeardSound, SoundQualities

SECOND = np.arange(24) >= 12


def heard(tempo: float, brightness: float, key: str = "C major") -> HeardSound:
    return HeardSound(SoundQualities(tempo, -14, 5, brightness, 3, 0.1), key, np.full(12, 1 / 12))


def sides(random_seed: int = 0) -> list[HeardSound | None]:
    """The second side is faster, and as bright."""
    rng = np.random.default_rng(random_seed)
    return [
        heard(
            rng.normal(140 if is_second else 100, 10), rng.normal(1500, 300), "A minor" if is_second else ""
        )
        for is_second in SECOND
    ]


def test_every_quality_can_be_spoken_of() -> None:
    assert tuple(SPOKEN) == SoundQualities._fields


def test_what_was_planted_is_found_and_nothing_else() -> None:
    found = sound_differences(sides(), SECOND, np.arange(24), 0)
    assert [each.quality for each in found.differences if each.is_found] == ["tempo"]
    said = " ".join(found.lines(("slow songs", "fast songs"), "track"))
    assert "fast songs is faster" in said and said.count("no clear difference") == 5
    assert "keys of slow songs: no clear key" in said
    assert "most often A minor (12 of 12), 100% in minor" in said
    assert found.summary()["key_profiles"][0] is None


def test_few_groups_get_no_verdict_however_large_the_effect() -> None:
    found = sound_differences(sides(), SECOND, np.arange(24) // 4, 0)
    tempo = found.differences[0]
    assert tempo.delta.value > 0.9 and not tempo.is_found and tempo.effect == f"{tempo.delta.value:+.2f}"
    said = found.lines(("a", "b"), "album")
    assert "too few albums to say (3, at least 8 are needed)" in said[0] and "b is" not in " ".join(said[:-1])


def test_what_cannot_be_read_or_has_no_beat_is_left_out_and_counted() -> None:
    sounds = sides()
    sounds[0] = sounds[23] = None
    sounds[1] = NOTHING_HEARD
    found = sound_differences(sounds, SECOND, np.arange(24), 0)
    assert found.tracks == (11, 11) and found.left_out == 2
    assert "2 left out whose audio cannot be read" in found.ground("track")
    assert found.differences[0].tracks == (10, 11)


@pytest.mark.parametrize("sounds", [[None] * 24, [NOTHING_HEARD] * 24])
def test_where_nothing_was_heard_nothing_is_compared(sounds: list[HeardSound | None]) -> None:
    found = sound_differences(sounds, SECOND, np.arange(24), 0)
    assert all(each.delta is None for each in found.differences)
    assert found.lines(("a", "b"), "track") and found.summary()["differences"][0]["medians"] == [None, None]
