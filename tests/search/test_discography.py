"""Artists and albums of an index, by ids that stay."""

import pyarrow as pa
import pytest

from soundkin.search.discography import Discography
from soundkin.search.tracks import Tracks, write_tracks

ROWS = [  # artist, title, album, path
    ("Nina Simone", "Be My Husband", "Pastel Blues", "ns/pb/2.mp3"),
    ("nina simone", "Sinnerman", "PASTEL BLUES", "ns/pb/1.mp3"),
    ("The Beatles & Ann", "One", "Greatest Hits", "tb/1.mp3"),
    ("Queen", "Two", "Greatest Hits", "q/1.mp3"),
    ("Ann", "Three", "Now 7", "various/2.mp3"),
    ("Bob", "Four", "Now 7", "various/1.mp3"),
    ("Nina Simone", "Alone", "", "ns/3.mp3"),
    ("", "Nobody's", None, "n/1.mp3"),
    ("Ann", "Björk's", "Ágætis byrjun", "a/1.mp3"),
]


def discography_of(rows, folder):
    columns = dict(zip(("artist", "title", "album", "path"), zip(*rows, strict=True), strict=True))
    ids = [f"{row:02}" for row in range(len(rows))]
    write_tracks(pa.table({"track_id": ids, **columns}), folder / "tracks.arrow")
    return Discography(Tracks(folder / "tracks.arrow"))


@pytest.fixture(scope="module")
def discography(tmp_path_factory):
    return discography_of(ROWS, tmp_path_factory.mktemp("discography"))


def test_albums_are_told_apart_by_lead_artist_or_by_folder(discography):
    albums = {(each.title, each.artist_key): each.rows for each in discography.albums.values()}
    assert albums == {
        ("Pastel Blues", "nina simone"): (1, 0),  # in order of their files
        ("Greatest Hits", "beatles"): (2,),
        ("Greatest Hits", "queen"): (3,),
        ("Now 7", ""): (5, 4),
        ("Ágætis byrjun", "ann"): (8,),
    }
    for album_id, album in discography.albums.items():
        assert {discography.album_id(row) for row in album.rows} == {album_id} == {album.album_id}
    assert discography.album_id(6) == discography.album_id(7) == ""


def test_artists_have_all_that_they_lead_or_are_guests_on(discography):
    artists = discography.artists
    assert list(artists) == ["ar-ann", "ar-beatles", "ar-bob", "ar-nina simone", "ar-queen"]
    nina, ann = artists["ar-nina simone"], artists["ar-ann"]
    assert (nina.name, nina.rows, len(nina.album_ids)) == ("Nina Simone", (0, 1, 6), 1)
    assert ann.rows == (2, 4, 8) and len(ann.album_ids) == 3
    assert artists["ar-beatles"].name == "The Beatles"
    assert discography.artist_name("nobody") == "nobody"


def test_ids_stay_when_tracks_come_and_go(discography, tmp_path):
    fewer = discography_of([ROWS[3], *ROWS[:2]], tmp_path)
    assert set(fewer.albums) < set(discography.albums) and set(fewer.artists) < set(discography.artists)
    assert not any("/" in album_id for album_id in discography.albums)


@pytest.mark.parametrize(
    ("text", "albums", "artists"),
    [
        ("past blu", ["Pastel Blues"], []),
        ("simone", ["Pastel Blues"], ["Nina Simone"]),
        ("AGAET", ["Ágætis byrjun"], []),
        ("greatest queen", ["Greatest Hits"], []),
        ("lues", [], []),
        ("beatles", ["Greatest Hits"], ["The Beatles"]),
    ],
)
def test_names_are_found_by_words_begun(discography, text, albums, artists):
    assert [each.title for each in discography.albums_like(text)] == albums
    assert [each.name for each in discography.artists_like(text)] == artists


@pytest.mark.parametrize("text", ["", '""', "  ", "!?"])
def test_all_are_listed_without_words(discography, text):
    assert len(discography.albums_like(text)) == 5 and len(discography.artists_like(text)) == 5


def test_without_an_album_column_there_are_no_albums(tmp_path):
    write_tracks(pa.table({"track_id": ["a"], "path": ["a.mp3"]}), tmp_path / "tracks.arrow")
    bare = Discography(Tracks(tmp_path / "tracks.arrow"))
    assert bare.albums == {} == bare.artists and bare.album_id(0) == ""
