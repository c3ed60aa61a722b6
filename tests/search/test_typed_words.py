"""Tracks by words as they are typed."""

import pyarrow as pa
import pytest

from soundkin.search.tracks import Tracks, write_tracks
from soundkin.search.typed_words import TypedWords

ROWS = [
    ("Night Train", "Oscar Peterson Trio", "Night Train"),
    ("C Jam Blues", "Oscar Peterson Trio", "Night Train"),
    ("Train of Nights", "Björk & Co.", None),
    ("Hyperballad", "Björk", "Post"),
    ("Don't Stop", "AC/DC", "Half-Light"),
    ("Überjam", None, None),
    ("!!!", "R.E.M.", "Что"),
    ("", "Ann", None),
]


@pytest.fixture
def words(tmp_path):
    titles, artists, albums = zip(*ROWS, strict=True)
    ids = [f"track-{number}" for number in range(len(ROWS))]
    table = pa.table(
        {
            "track_id": ids,
            "path": [f"folder/{name}.ogg" for name in ids],
            "title": titles,
            "artist": artists,
            "album": albums,
        }
    )
    write_tracks(table, tmp_path / "tracks.arrow")
    return TypedWords(Tracks(tmp_path / "tracks.arrow"))


@pytest.mark.parametrize(
    ("typed", "rows"),
    [
        ("night", [0, 1, 2]),
        ("train", [2, 0, 1]),
        ("train of n", [2]),
        ("TRAIN  night", [0, 1, 2]),
        ("oscar blu", [1]),
        ("bjork", [2, 3]),
        ("ann trac", [7]),
        ("track", [7]),
        ("folder", []),
        ("BJÖRK ball", []),
        ("bjork & c", [2]),
        ("dont", [4]),
        ("don't st", [4]),
        ("light", [4]),
        ("acdc", []),
        ("ac dc", [4]),
        ("uberj", [5]),
        ("rem", [6]),
        ("r.e.m", [6]),
        ("чт", [6]),
        ("nothing of the kind", []),
        ("a.b*c[", []),
    ],
)
def test_words_begin_words_of_title_artist_and_album(words, typed, rows):
    assert words.find(typed, 10) == (rows, len(rows))


@pytest.mark.parametrize("nothing", ["", "  ", "!?", "\x00"])
def test_without_words_all_tracks_come_in_order(words, nothing):
    assert words.find(nothing, 3) == ([0, 1, 2], 8)
    assert words.find(nothing, 3, 5) == ([5, 6, 7], 8)


def test_pages_follow_each_other(words):
    assert words.find("n", 2) == ([0, 1], 3) and words.find("n", 2, 2) == ([2], 3)
