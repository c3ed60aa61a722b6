"""Similar songs and paths over the Subsonic protocol."""

import pytest

from soundkin.pipelines.path import path_between
from soundkin.search.neighbour_store import ListSettings
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import open_index
from subsonic_library import response_of, url


@pytest.fixture(scope="module")
def index(subsonic_folder):
    return open_index(subsonic_folder)


def test_similar_tracks_are_those_of_the_other_route_with_their_cosines(subsonic, index):
    answers = subsonic.get("tracks", "track-00003", "similar", k=12).json()["answers"]
    found = response_of(subsonic, "getSonicSimilarTracks", id="track-00003", count=12).sonic_match
    assert [match.entry.id for match in found] == [each["track_id"] for each in answers]
    scores = [min(1.0, max(0.0, each["score"])) for each in answers]
    assert [match.similarity for match in found] == pytest.approx(scores, abs=1e-6)
    assert len(response_of(subsonic, "getSonicSimilarTracks", id="track-00003").sonic_match) == 10
    for method, name in (("getSimilarSongs", "similar_songs"), ("getSimilarSongs2", "similar_songs2")):
        songs = getattr(response_of(subsonic, method, id="track-00003", count=12), name).song
        assert [song.id for song in songs] == [match.entry.id for match in found]


def test_similar_tracks_are_answered_from_the_store(
    subsonic_folder, index, serve_library, monkeypatch, tmp_path
):
    store = tmp_path / "neighbours.lmdb"
    update_store(store, index, ListSettings(k=5))
    stored = serve_library(subsonic_folder, neighbours=str(store))

    def broken(*args, **options):
        raise AssertionError("the index was asked")

    monkeypatch.setattr("soundkin.service.track_routes.ask", broken)
    assert stored.get("readyz").json()["neighbours_stored"]
    assert len(response_of(stored, "getSonicSimilarTracks", id="track-00003", count=5).sonic_match) == 5
    assert stored.ask("GET", url("getSonicSimilarTracks", id="track-00003", count=6)).status == 500


def test_songs_like_an_artist_or_an_album_are_near_all_of_it(subsonic, index):
    artist = response_of(subsonic, "getSong", id="track-00007").song.artist_id
    album = response_of(subsonic, "getSong", id="track-00005").song.album_id
    for group, own in ((artist, "track-00007"), (album, "track-00005")):
        songs = response_of(subsonic, "getSimilarSongs2", id=group, count=8).similar_songs2.song
        assert len({song.id for song in songs}) == 8 and own in [song.id for song in songs]


@pytest.mark.parametrize(("count", "songs"), [(None, 25), (2, 2), (7, 7), (1, 2), (10**9, 60)])
def test_a_path_has_its_ends_and_as_many_songs_as_asked_for(subsonic, index, count, songs):
    given = {} if count is None else {"count": count}
    found = response_of(
        subsonic, "findSonicPath", startSongId="track-00009", endSongId="track-00040", **given
    ).sonic_match
    rows = [index.row(match.entry.id) for match in found]
    assert rows == path_between(index, index.row("track-00009"), index.row("track-00040"), songs)[0]
    assert rows[0] == 9 and rows[-1] == 40 and len(set(rows)) == len(rows) == songs
    cosines = [max(0.0, float(index.vector(9) @ index.vector(row))) for row in rows]
    assert [match.similarity for match in found] == pytest.approx([1.0, *cosines[1:]], abs=1e-6)


def test_a_path_from_a_song_to_itself_is_the_song(subsonic):
    ends = {"startSongId": "track-00009", "endSongId": "track-00009"}
    [match] = response_of(subsonic, "findSonicPath", **ends).sonic_match
    assert match.entry.id == "track-00009" and match.similarity == 1
