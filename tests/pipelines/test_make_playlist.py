"""Playlists from seeds, anchors, histories and other playlists; and what is said where they fall short."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import soundkin
from arc_index import arc, artists, make_index
from soundkin.cli.main import main
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.pipelines.make_playlist import playlist
from soundkin.search.vector_index import Index
from soundkin.statistics.scaling import unit_length


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Forty tracks by seven artists on an arc, of 100 s, 110 s, ...; do not change it."""
    return make_index(tmp_path_factory.mktemp("arc"), arc(40), artists(40))


def ids(tracks: list[Any]) -> list[str]:
    return [track.track_id for track in tracks]


def test_the_nearest_tracks_come_first(index: Index) -> None:
    tracks = playlist(index, "00", length=4, width=0.0)
    assert ids(tracks) == ["01", "02", "03", "04"]
    assert [track.score for track in tracks] == sorted((track.score for track in tracks), reverse=True)
    assert soundkin.playlist is playlist


def test_several_seeds_are_mixed_by_their_weights(index: Index) -> None:
    assert abs(int(playlist(index, ["10", "20"], length=1, width=0.0)[0].track_id) - 15) <= 1
    assert int(playlist(index, ["10", "track:20^9"], length=1, width=0.0)[0].track_id) > 15


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_no_track_twice_no_seed_no_artist_too_often(index: Index, data: st.DataObject) -> None:
    shares = st.floats(0, 1)
    options = {name: data.draw(shares) for name in ("width", "drift", "variety")}
    length, cap = data.draw(st.integers(1, 60)), data.draw(st.integers(1, 9))
    seed = f"{data.draw(st.integers(0, 39)):02}"
    tracks = playlist(index, seed, length=length, artist_cap=cap, **options)
    found = ids(tracks)
    names = [track.artist for track in tracks]
    assert len(set(found)) == len(found) and seed not in found
    assert all(names.count(name) <= cap for name in names)
    of_each = Counter(artists(40)[n] for n in range(40) if n != int(seed))
    assert len(found) == min(length, sum(min(cap, count) for count in of_each.values()))
    assert playlist(index, seed, length=length, artist_cap=cap, **options) == tracks
    if length <= 20 and cap >= 4:
        assert all(a != b for a, b in pairwise(names))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Three hundred tracks in all directions; do not change it."""
    vectors = unit_length(np.random.default_rng(0).standard_normal((300, 8)))
    return make_index(tmp_path_factory.mktemp("cloud"), vectors, artists(300, of=100))


def likeness(index: Index, tracks: list[Any]) -> np.ndarray:
    vectors = np.array([index.vector(index.row(track.track_id)) for track in tracks])
    return vectors @ vectors.T


def test_the_wider_the_more_tracks_differ_and_the_less_they_are_like_the_seed(cloud: Index) -> None:
    made = [playlist(cloud, "00", length=10, width=width) for width in (0.0, 0.5, 1.0)]
    within = [likeness(cloud, tracks).mean() for tracks in made]
    scores = [np.mean([track.score for track in tracks]) for tracks in made]
    assert within == sorted(within, reverse=True) and within[0] > within[2] + 0.05
    assert scores == sorted(scores, reverse=True)


def test_drift_follows_what_came_last_away_from_the_seed(cloud: Index) -> None:
    stays, drifts = (playlist(cloud, "00", length=30, drift=drift, width=0.0) for drift in (0.0, 1.0))
    assert np.mean([t.score for t in drifts[-10:]]) < np.mean([t.score for t in stays[-10:]])
    assert np.diag(likeness(cloud, drifts), 1).mean() > np.diag(likeness(cloud, stays), 1).mean()


def test_chance_needs_variety(index: Index) -> None:
    assert playlist(index, "00", length=5, random_seed=1) == playlist(index, "00", length=5, random_seed=2)
    various = {tuple(ids(playlist(index, "00", length=5, random_seed=n, variety=0.8))) for n in range(4)}
    assert len(various) > 1


def test_what_is_unliked_is_kept_away_from(cloud: Index) -> None:
    near = playlist(cloud, "00", length=5, width=0.0)
    unliked = near[0].track_id
    kept = playlist(cloud, "00", length=5, width=0.0, unlike=unliked)
    assert unliked not in ids(kept)
    with pytest.raises(UsageError, match="both liked and unliked"):
        playlist(cloud, "00", unlike="00")


def test_one_version_of_a_piece_is_enough(tmp_path: Path) -> None:
    own = make_index(tmp_path, arc(40)[:12], [f"Artist {n // 4}" for n in range(12)], same_titles=True)
    tracks = playlist(own, "00", length=9, width=0.0, artist_cap=0)
    assert len({(track.artist, track.title.partition(" (")[0]) for track in tracks}) == len(tracks) == 5


def test_as_long_as_so_many_minutes(index: Index) -> None:
    tracks = playlist(index, "00", minutes=10, width=0.0)  # 110 s, 120 s, 130 s, 140 s, 150 s
    assert ids(tracks) == ["01", "02", "03", "04", "05"]
    assert abs(sum(track.seconds for track in tracks) - 600) <= 75
    assert len(playlist(index, "00", minutes=1e5, artist_cap=99)) == 39


def test_that_nothing_is_written_is_said(
    index: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert playlist(index, "00", minutes=0.1, output=tmp_path / "short.m3u8") == []
    assert "the first track alone takes" in caplog.text and "short.m3u8 is not written" in caplog.text


def test_a_filter_that_leaves_too_few_is_said(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    tracks = playlist(index, "00", length=30, where=["genre=jazz"], artist_cap=99, columns=["genre"])
    assert {track.catalog["genre"] for track in tracks} == {"jazz"} and len(tracks) == 19
    said = "19 of 30 tracks: 20 of 40 tracks match genre=jazz, 1 of them left out as seeds or for want of a"
    assert said in caplog.text
    for how in ({}, {"minutes": 9}):
        caplog.clear()
        assert playlist(index, "00", where=["genre=polka"], **how) == []
        said = f"0 of {'9 minutes' if how else '25 tracks'}: none of 40 tracks match genre=polka."
        assert f"{said} Values of genre are jazz, rock." in caplog.text


def test_that_an_artist_cap_ends_a_playlist_is_said(index: Index, caplog: pytest.LogCaptureFixture) -> None:
    assert len(playlist(index, "00", artist_cap=1)) == 7
    said = (
        "7 of 25 tracks: the index holds 40 tracks, 1 of them left out as seeds or for want of a length, and "
    )
    assert (
        f"{said}the other 32 are versions of what is there or by artists who have 1 (artist_cap)."
        in caplog.text
    )


@pytest.mark.parametrize(("new", "unheard", "wanted"), [(0.0, 8, 0), (1.0, 0, 0), (0.5, 8, 5)])
def test_a_share_of_new_tracks_that_cannot_be_had_is_said(
    index: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture, new: float, unheard: int, wanted: int
) -> None:
    (tmp_path / "heard.txt").write_text("track_id\n00\n20\n")
    tracks = playlist(index, history=tmp_path / "heard.txt", new=new, length=10)
    assert len(tracks) == 10
    if new == 1.0:
        assert not caplog.records
    else:
        told = f"new={new:g}: {unheard} of 10 tracks are not in the history, and {wanted} should be"
        assert told in caplog.text


def test_artists_in_a_row_are_told_where_there_are_no_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = make_index(tmp_path, arc(6), ["Bob", "Ann", "Ann", "Ann", "Ann", "Ann"])
    assert len(playlist(own, "00", length=4, artist_cap=0)) == 4
    assert "3 times a track follows one by its artist: there were no others left" in caplog.text


@pytest.mark.parametrize("wrong", [{"length": 0}, {"length": -3}, {"artist_cap": -1}])
def test_numbers_that_make_no_sense(index: Index, wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="at least 1"):
        playlist(index, "00", **wrong)


def test_an_anchor_is_kept_beside_the_index_as_ids(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    own = make_index(tmp_path, arc(10), artists(10))
    playlist(own, ["00", "artist:Artist 1^2"], length=1, save_anchor="late")
    stored = json.loads((tmp_path / "anchors.json").read_text())
    assert stored == {
        "late": [
            {"track_id": "00", "weight": 1.0},
            {"track_id": "01", "weight": 1.0},
            {"track_id": "08", "weight": 1.0},
        ]
    }
    playlist(own, "05", length=1, save_anchor="early")
    asked = playlist(own, anchor="late", length=3)
    assert not {"00", "01", "08"} & set(ids(asked))
    assert ids(playlist(own, anchor="early", length=1)) == ids(playlist(own, "05", length=1))
    with pytest.raises(UsageError, match=r"there is no anchor lat .*Did you mean late"):
        playlist(own, anchor="lat")
    stored["late"][0]["track_id"] = "gone"
    (tmp_path / "anchors.json").write_text(json.dumps({**stored, "none": [{"track_id": "x"}]}))
    assert playlist(own, anchor="late", length=1) and "1 of its 3 tracks are gone" in caplog.text
    with pytest.raises(UsageError, match="none of its tracks"):
        playlist(own, anchor="none")
    (tmp_path / "anchors.json").write_text("[]")
    with pytest.raises(ArtefactError, match="corrupt"):
        playlist(own, anchor="late")


def test_what_was_heard_lately_counts_most(index: Index, tmp_path: Path) -> None:
    history = tmp_path / "listens.csv"
    history.write_text(
        "artist,title,listened_at\nARTIST 0,title 00,2026-05-02\nArtist 4,Title 39,2026-08-01\n"
        "Nobody,Nothing,2026-08-01\n"
    )

    def places(half_life: float) -> list[int]:
        found = playlist(index, history=history, length=12, half_life=half_life, new=1.0, width=0.0)
        return [int(name) for name in ids(found)]

    assert all(place > 20 for place in places(1.0)), "the old play has next to no weight"
    assert any(place < 20 for place in places(1e6)) and any(place > 20 for place in places(1e6))


def test_a_share_is_new_to_the_history(index: Index, tmp_path: Path) -> None:
    (tmp_path / "heard.txt").write_text("track_id\n" + "".join(f"{n:02}\n" for n in range(20)))
    for new in (0.0, 0.3, 0.5, 1.0):
        tracks = playlist(index, "25", history=tmp_path / "heard.txt", new=new, length=10)
        assert sum(int(name) >= 20 for name in ids(tracks)) == round(10 * new)


def test_a_playlist_goes_on_and_is_replaced_in_place(index: Index, tmp_path: Path) -> None:
    file = tmp_path / "p.m3u8"
    first = playlist(index, "00", length=3, width=0.0, output=file)
    longer = playlist(index, continued=file, length=2, width=0.0, output=file)
    assert ids(longer)[:3] == ids(first) and len(longer) == 5 == len(set(ids(longer)))
    assert file.read_text().count("#EXTINF") == 5
    again = [playlist(index, "00", length=3, width=0.0, output=file) and file.read_bytes() for _ in range(2)]
    assert again[0] == again[1] and again[0].count(b"#EXTINF") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["p.m3u8"]


def test_entries_that_the_index_lacks_are_not_lost(index: Index, tmp_path: Path) -> None:
    file = tmp_path / "p.m3u8"
    playlist(index, "00", length=3, output=file)
    before = file.read_text() + "http://radio.example/stream\n"
    file.write_text(before)
    with pytest.raises(UsageError, match="1 of its 4 entries are not in the index, and would be lost"):
        playlist(index, continued=file, length=2, output=file)
    assert file.read_text() == before
    assert len(playlist(index, continued=file, length=2, output=tmp_path / "longer.m3u8")) == 5


def test_an_empty_playlist_is_continued_by_seeds_alone(
    index: Index, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "p.m3u8").write_text("#EXTM3U\n")
    assert len(playlist(index, "00", continued=tmp_path / "p.m3u8", length=2)) == 2
    assert "p.m3u8 is empty, so there is nothing of it to go on from" in caplog.text
    with pytest.raises(
        CatalogError, match=r"has no entry: no line of it is a path or URL\. Put tracks into it"
    ):
        playlist(index, continued=tmp_path / "p.m3u8", length=2)


def test_libraries_of_one_and_two_tracks_and_of_one_artist(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = make_index(tmp_path / "one", arc(1), ["Ann"])
    assert playlist(one, "00") == [] and "0 of 25 tracks" in caplog.text
    two = make_index(tmp_path / "two", arc(2), ["Ann", "Ann"])
    assert ids(playlist(two, "00")) == ["01"]
    alone = make_index(tmp_path / "alone", arc(9), ["Ann"] * 9)
    assert len(playlist(alone, "00", artist_cap=99)) == 8
    assert len(playlist(alone, "00")) == 3


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "nothing to be like"),
        ({"like": "nothing of that name"}, "neither a file nor a track_id"),
        ({"like": "00", "width": 1.5}, "width=1.5: give a number from 0 to 1"),
        ({"like": "00", "new": 0.5}, "give one, --history FILE"),
        ({"like": "00", "length": 3, "minutes": 3}, "one or the other"),
        ({"like": "00", "minutes": -1}, "minutes=-1"),
        ({"like": "00", "half_life": 0}, "half_life=0"),
        ({"like": "00", "output": Path("x.wpl")}, "no playlist ends so"),
        ({"save_anchor": "mood"}, "there are no seeds to save"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(index: Index, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        playlist(index, **options)


def test_a_history_with_nobody_known_says_so(index: Index, tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text("artist,title\nNobody,Nothing\n")
    with pytest.raises(CatalogError, match="none of its 1 plays is of a track in index"):
        playlist(index, history=tmp_path / "h.csv")
    with pytest.raises(CatalogError, match="cannot be read"):
        playlist(index, history=tmp_path / "gone.csv")


def test_the_command_prints_a_table_and_says_how_long_it_is(
    index: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "p.jspf"
    with pytest.raises(SystemExit) as ended:
        main(["playlist", str(index.folder), "--like", "00", "-n", "3", "--width", "0", "-o", str(file)])
    assert ended.value.code == 0
    assert "Title 01" in capsys.readouterr().out
    assert f"{file}: 3 tracks, 6 minutes" in caplog.text
    assert len(json.loads(file.read_text())["playlist"]["track"]) == 3
