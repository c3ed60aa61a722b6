import numpy as np
import pytest

from made_songs import BEAT_SECONDS, course
from soundkin.explore.song_structure import song_structure


def test_the_finding_says_form_and_tempo() -> None:
    found = song_structure("song.mp3", course("ABAC"))
    assert found.form == "ABAC"
    assert found.finding == "4 sections of 3 kinds, ABAC; 120 beats a minute"
    assert found.lines()[0] == "song.mp3 (0:32): " + found.finding
    assert found.summary()["sections"][1] == {"start": 8.0, "end": 16.0, "letter": "B"}


def test_typical_is_what_there_is_most_of() -> None:
    found = song_structure("song", course("AAAB"))
    assert found.typical.seconds < 3 * 16 * BEAT_SECONDS < found.unlike.seconds
    assert found.typical.likeness > found.unlike.likeness


def test_the_way_of_a_loop_closes() -> None:
    loop = song_structure("loop", course("ABCA", noise=0.05)).way
    extent = np.ptp(loop, axis=0).max()
    assert np.linalg.norm(loop[0] - loop[-1]) < 0.1 * extent


def test_shares_add_up_to_the_variance() -> None:
    found = song_structure("song", course("ABC", noise=0.0))
    assert found.shares.sum() == pytest.approx(1)
    assert (np.diff(found.shares) <= 0).all()


def test_a_single_beat_has_a_structure() -> None:
    found = song_structure("note", course("A", beats=1))
    assert found.form == "A" and found.way.shape == (1, 3)
