"""A real client library asks the server: knuckles, by GET and as a form, by salted token and by password."""

from pathlib import Path

import pytest
import requests

from soundkin.search.vector_index import open_index
from subsonic_library import TOKEN

knuckles = pytest.importorskip("knuckles", reason="needs knuckles: pip install soundkin[dev]")


@pytest.fixture(scope="module")
def port(library):
    from served_library import ServedApp

    served = ServedApp(library, token=TOKEN)
    yield served.port
    served.stop()


def client_of(port, password=TOKEN, **options):
    return knuckles.Subsonic(f"127.0.0.1:{port}", "anna", password, "tests", use_https=False, **options)


@pytest.fixture(
    scope="module", params=[(True, "get"), (False, "get"), (True, "post")], ids=["salted", "password", "form"]
)
def client(request, port):
    use_token, method = request.param
    return client_of(port, use_token=use_token, request_method=knuckles.RequestMethod(method))


def test_the_server_is_known_and_its_login_is_right(client):
    about = client.system.ping()
    assert (about.status, about.type, about.open_subsonic) == ("ok", "soundkin", True)
    assert client.system.get_license().valid
    assert [folder.name for folder in client.browsing.get_music_folders()] == ["Music"]


def test_a_wrong_login_is_the_clients_error(port):
    for use_token in (True, False):
        with pytest.raises(knuckles.exceptions.ErrorCode40):
            client_of(port, "wrong", use_token=use_token).system.ping()


def test_a_song_is_searched_for_and_what_is_like_it_is_played(client, library, tmp_path):
    index = open_index(library / "index")
    label = index.tracks.label(7)
    [song] = [song for song in client.searching.search(label.title).songs if song.id == label.track_id]
    assert song.generate().title == label.title and song.artist.name == label.artist
    similar = client.browsing.get_similar_songs(song.id, 5)
    assert len(similar) == 5 and song.id not in [other.id for other in similar]
    of_artist = client.browsing.get_similar_songs(song.artist.id, 5)
    assert song.artist.id in [other.artist.id for other in of_artist]
    heard = client.media_retrieval.download(similar[0].id, tmp_path / "heard")
    path = index.audio_path(index.tracks.label(index.row(similar[0].id)).path)
    assert heard.read_bytes() == Path(path).read_bytes()
    part = requests.get(client.media_retrieval.stream(song.id), headers={"Range": "bytes=0-3"}, timeout=30)
    assert part.status_code == 206 and len(part.content) == 4


def test_the_library_is_looked_through(client):
    artists = client.browsing.get_artists()
    assert len(artists) == 16
    artist = client.browsing.get_artist(artists[0].id)
    assert artist.name == artists[0].name
    albums = [client.browsing.get_album(album.id) for album in artist.albums]
    assert len(albums) == 2 and {song.artist.id for album in albums for song in album.songs} == {artist.id}
    everything = client.searching.search("", song_count=500)
    assert len(everything.songs) == 32
    assert len(client.lists.get_random_songs(7)) == 7
    assert len(client.lists.get_album_list_alphabetical_by_name(10)) == 10
    assert sum(genre.song_count for genre in client.browsing.get_genres()) == sum(
        len(song.genres) for song in everything.songs
    )
    with pytest.raises(knuckles.exceptions.ErrorCode70):
        client.browsing.get_song("nowhere")


def test_the_extension_is_asked_through_the_clients_own_requests(client):
    songs = client.searching.search("", song_count=2).songs
    found = client.api.json_request("getSonicSimilarTracks", {"id": songs[0].id, "count": 3})["sonicMatch"]
    assert len(found) == 3 and all(0 <= match["similarity"] <= 1 for match in found)
    ends = {"startSongId": songs[0].id, "endSongId": songs[1].id, "count": 4}
    path = client.api.json_request("findSonicPath", ends)["sonicMatch"]
    assert [path[0]["entry"]["id"], path[-1]["entry"]["id"]] == [song.id for song in songs] and len(path) == 4
