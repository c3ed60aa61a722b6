"""Paths through an index: ends, filters, caps, islands, and what is said when they are not as asked for."""

from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from PIL import Image

import soundkin
from arc_index import arc, artists, make_index
from soundkin.cli.main import main
from soundkin.errors import UsageError
from soundkin.pipelines import path as path_module
from soundkin.pipelines.path import path
from soundkin.search.vector_index import Index


def ids(tracks: list) -> list[str]:
    return [track.track_id for track in tracks]


def test_a_path_along_an_arc_goes_in_even_steps(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(21), artists(21))
    tracks = path(index, "00", "20", length=5)
    assert ids(tracks) == ["00", "05", "10", "15", "20"]
    assert tracks[0].score == 1.0
    assert tracks[1].score == pytest.approx(np.cos(np.pi / 8), abs=1e-6)
    assert [(t.rank, t.title, t.seconds) for t in tracks][1] == (2, "Title 05", 150.0)
    assert ids(path(tmp_path / "index", "20", "00", length=5)) == ["20", "15", "10", "05", "00"]
    assert soundkin.path is path


def test_two_tracks_are_a_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    index = make_index(tmp_path, arc(2), ["Ann", "Bob"])
    assert ids(path(index, "00", "01", length=2)) == ["00", "01"] and not caplog.records
    assert ids(path(index, "00", "01")) == ["00", "01"]
    assert "2 of 10 tracks: the index holds 2 tracks." in caplog.text


def test_filters_narrow_what_lies_between(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(21), artists(21))
    tracks = path(index, "00", "20", length=5, where=["genre=rock"], columns=["genre"])
    assert [track.catalog["genre"] for track in tracks] == ["jazz", "rock", "rock", "rock", "jazz"]


def test_a_filter_that_leaves_too_few_is_told_as_a_query_tells_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = make_index(tmp_path, arc(9), artists(9))
    assert ids(path(index, "00", "08", where=["genre=polka"])) == ["00", "08"]
    said = (
        "2 of 10 tracks: none of 9 tracks match genre=polka, beside the ends. Values of genre are jazz, rock."
    )
    assert said in caplog.text
    caplog.clear()
    assert len(path(index, "00", "08", where=["genre=rock"])) == 6
    assert "6 of 10 tracks: 4 of 9 tracks match genre=rock, beside the ends." in caplog.text


def test_as_many_tracks_as_asked_for_however_large_the_library(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(1600), artists(1600))
    with mock.patch.object(path_module, "MOST_TRACKS", 300):
        assert len(path(index, "0000", "1599", length=200)) == 200
        with pytest.raises(
            UsageError, match="length=301: a path has at least 2 tracks, its ends, and at most"
        ):
            path(index, "0000", "1599", length=301)


def test_artists_are_not_in_a_row_unless_there_is_no_other_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = make_index(tmp_path / "some", arc(21), (["Ann"] * 3 + ["Bob"] * 2) * 4 + ["Bob"])
    names = [track.artist for track in path(index, "00", "20", length=4)]
    assert all(a != b for a, b in pairwise(names)) and not caplog.records
    alone = make_index(tmp_path / "alone", arc(9), ["Ann"] * 9)
    assert ids(path(alone, "00", "08", length=3)) == ["00", "04", "08"]
    assert "artists come twice in a row: there are too few others on the way" in caplog.text


def test_no_artist_has_more_tracks_than_the_cap(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    index = make_index(tmp_path, arc(21), artists(21, of=3))
    names = [track.artist for track in path(index, "00", "20", length=6, artist_cap=2)]
    assert all(names.count(name) <= 2 for name in names) and not caplog.records
    assert len(path(index, "00", "20", length=6, artist_cap=1)) == 6
    assert "more tracks of an artist than the cap" in caplog.text


def test_one_version_of_a_piece_is_enough(tmp_path: Path) -> None:
    names = [f"Artist {n // 2}" for n in range(30)]
    index = make_index(tmp_path, arc(30), names, same_titles=True)
    pieces = [track.title.partition(" (")[0] for track in path(index, "00", "29", length=15)]
    assert len(set(pieces)) == 15


def test_islands_are_bridged_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, (40, 6))
    index = make_index(tmp_path, np.repeat(np.eye(2, 6), 20, axis=0) + noise, artists(40))
    tracks = path(index, "00", "39", length=6)
    assert len(tracks) == 6
    assert "20 tracks are reached, and not the other 20" in caplog.text and "crosses from" in caplog.text


def test_of_a_large_library_the_tracks_near_the_line_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = make_index(tmp_path, arc(90), artists(90))
    monkeypatch.setattr(path_module, "MOST_TRACKS", 45)
    monkeypatch.setattr(Index, "search", noted := mock.Mock(side_effect=index.search))
    scores = [track.score for track in path(index, "00", "89", length=6)]
    assert len(scores) == 6 and min(scores) > 0.9 and noted.called


@pytest.mark.parametrize(
    ("ends", "options", "problem"),
    [
        (("00", "00"), {}, "are the same track"),
        (("00", "nothing like it"), {}, "neither a file nor a track_id"),
        (("artist:Artist 1", "00"), {}, "is 3 tracks, and a path has one at each end"),
        (("00", "01"), {"length": 1}, "at least 2 tracks"),
        (("00", "01"), {"variety": -1.0}, "variety=-1.0"),
        (("00", "01"), {"output": Path("x.pdf")}, "no playlist ends so"),
        (("00", "01"), {"columns": ["gnre"]}, "there is no column gnre"),
        (("00", "01"), {"where": ["mood=calm"]}, "there is no column mood"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(tmp_path: Path, ends: tuple, options: dict, problem: str) -> None:
    index = make_index(tmp_path, arc(21), artists(21))
    with pytest.raises(UsageError, match=problem):
        path(index, *ends, **options)


def test_the_command_prints_a_table_and_writes_a_playlist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_index(tmp_path, arc(21), artists(21))
    for words, code in ((["-n", "3", "-o", str(tmp_path / "way.m3u8")], 0), (["-n", "1"], 2)):
        with pytest.raises(SystemExit) as ended:
            main(["path", str(tmp_path / "index"), "00", "Title 20", *words])
        assert ended.value.code == code
    assert "Title 10" in capsys.readouterr().out
    assert (tmp_path / "way.m3u8").read_text().splitlines() == [
        "#EXTM3U", "#PLAYLIST:Title 00 to Title 20",
        "#EXTINF:100,Artist 0 - Title 00", "music/00.ogg",
        "#EXTINF:200,Artist 3 - Title 10", "music/10.ogg",
        "#EXTINF:300,Artist 6 - Title 20", "music/20.ogg",
    ]  # fmt: skip


def test_a_picture_shows_the_path_on_the_map(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(21), artists(21))
    path(index, "00", "20", length=4, picture=tmp_path / "way.png")
    with Image.open(tmp_path / "way.png") as picture, Image.open(tmp_path / "way-dark.png") as dark:
        assert picture.size == dark.size and min(picture.size) > 600
