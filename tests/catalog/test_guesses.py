"""What the path of a file says where its tags are silent."""

import pytest

from soundkin.catalog.guesses import fill_silent, guess


@pytest.mark.parametrize(
    ("path", "artist", "album", "title"),
    [
        ("Artist/Album/01 Title.mp3", "Artist", "Album", "Title"),
        ("Rock/Artist/Album/01. Title.mp3", "Artist", "Album", "Title"),
        ("Artist/Album/CD1/1-03 Title.mp3", "Artist", "Album", "Title"),
        ("Artist/Album/Disc 2/(03) Title.mp3", "Artist", "Album", "Title"),
        ("Artist/1999 - Album/01 - Title.mp3", "Artist", "Album", "Title"),
        ("Artist/Album (1999)/01_long_title.mp3", "Artist", "Album", "long title"),
        ("Artist/Artist - Album/101 Title.mp3", "Artist", "Album", "Title"),
        ("Artist/2001 A Space Odyssey/01 Title.mp3", "Artist", "2001 A Space Odyssey", "Title"),
        ("Artist/[1999] Album (Disc 1)/01 Title.mp3", "Artist", "Album", "Title"),
        ("Beyonce\u0301/Album CD2/01 Title.mp3", "Beyonc\u00e9", "Album", "Title"),
        ("Artist/1999/07 1979.mp3", "Artist", "1999", "1979"),
        ("Artist/Album/01 - Artist - Title.mp3", "Artist", "Album", "Title"),
        ("Artist/Album/Artist - Album - 03 - Title.mp3", "Artist", "Album", "Title"),
        ("Artist/Album/03 - Song - Live.mp3", "Artist", "Album", "Song - Live"),
        ("Artist/Album/Song - Part.mp3", "Artist", "Album", "Song - Part"),
        ("Various Artists/Album/01 - Abba - Waterloo.mp3", "Abba", "Album", "Waterloo"),
        ("Compilations/Hits/Abba - Waterloo.mp3", "Abba", "Hits", "Waterloo"),
        ("Unknown Artist/Unknown Album/Track 01.mp3", "", "", ""),
        ("Artist - Album/03 Title.mp3", "Artist", "Album", "Title"),
        ("01 - Artist - Title.mp3", "Artist", "", "Title"),
        ("Artist - Title.mp3", "Artist", "", "Title"),
        ("Artist - Title - Remix.mp3", "Artist", "", "Title - Remix"),
        ("Artist \u2013 Title.mp3", "Artist", "", "Title"),
        ("blink-182/Album/02 - Self-Made.mp3", "blink-182", "Album", "Self-Made"),
        ("50 Cent - In Da Club.mp3", "50 Cent", "", "In Da Club"),
        ("99 Luftballons.mp3", "", "", "99 Luftballons"),
        ("Artist/Album/7 Rings.mp3", "Artist", "Album", "7 Rings"),
        ("Artist/Album/1979.mp3", "Artist", "Album", "1979"),
        ("Artist/Album/07.mp3", "Artist", "Album", ""),
        ("folder/a.mp3", "", "", "a"),
        ("a\tb\n; c.mp3", "", "", "a b ; c"),
        (".mp3", "", "", ".mp3"),
        ("no suffix", "", "", "no suffix"),
    ],
)
def test_guesses(path: str, artist: str, album: str, title: str) -> None:
    assert guess(path) == {"artist": artist, "album": album, "title": title}


def test_only_where_tags_are_silent() -> None:
    tags = {"title": "", "artist": "Someone", "album": ""}
    assert fill_silent(tags, "Artist/Album/01 Title.mp3") == {"title": "Title", "album": "Album"}
    assert fill_silent({**tags, "title": "T", "album": "A"}, "Artist/Album/01 Title.mp3") == {}
