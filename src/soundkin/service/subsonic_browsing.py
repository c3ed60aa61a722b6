"""What Subsonic clients look through before they ask what is similar: artists, albums, genres, songs."""

import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import TypeVar

import numpy as np

from soundkin.search.condition_masks import matching
from soundkin.search.conditions import Condition
from soundkin.search.discography import NamedAlbum
from soundkin.service.subsonic_envelope import GENERIC, SubsonicError
from soundkin.service.subsonic_songs import (
    Answered,
    Content,
    SubsonicCall,
    album,
    artist,
    genres_in,
    song,
    songs,
    year_in,
)

MOST_LISTED = 5_000  # of each kind, in a search
MOST_ALBUMS = MOST_SONGS = 500  # in a list, as the protocol has it
UNLISTED = {"recent", "frequent", "highest", "starred"}  # lists of what nobody here keeps
MUSIC_FOLDER = {"id": 1, "name": "Music"}

Named = TypeVar("Named")


def get_music_folders(call: SubsonicCall) -> Answered:
    """The one folder."""
    return {"musicFolders": {"musicFolder": [MUSIC_FOLDER]}}


def search3(call: SubsonicCall) -> Answered:
    """Artists, albums and songs whose names hold words that begin so; all of them without words."""
    text = call.parameters.get("query").strip('"')
    library = call.library
    artists = _page(call, "artist", library.discography.artists_like(text))
    albums = _page(call, "album", library.discography.albums_like(text))
    offset, count = _paging(call, "song")
    rows = library.words.find(text, count, offset)[0]
    return {
        "searchResult3": {
            "artist": [artist(each) for each in artists],
            "album": [album(library, each) for each in albums],
            "song": songs(library, rows),
        }
    }


def get_song(call: SubsonicCall) -> Answered:
    """One song."""
    return {"song": song(call.library, call.row())}


def get_artists(call: SubsonicCall) -> Answered:
    """All artists by the letter they begin with."""
    artists = call.library.discography.artists.values()
    by_letter = groupby(artists, lambda each: _letter(each.artist_id.partition("-")[2]))
    index: dict[str, list[Content]] = defaultdict(list)
    for letter, begun in by_letter:
        index[letter] += map(artist, begun)
    listed = [{"name": letter, "artist": index[letter]} for letter in sorted(index)]
    return {"artists": {"ignoredArticles": "The", "index": listed}}


def get_artist(call: SubsonicCall) -> Answered:
    """An artist and the albums with songs of theirs."""
    discography = call.library.discography
    named = discography.artists.get(call.parameters.required("id"))
    if named is None:
        raise call.not_found("artist")
    albums = [album(call.library, discography.albums[each]) for each in named.album_ids]
    return {"artist": {**artist(named), "album": albums}}


def get_album(call: SubsonicCall) -> Answered:
    """An album and its songs."""
    named = call.library.discography.albums.get(call.parameters.required("id"))
    if named is None:
        raise call.not_found("album")
    return {"album": {**album(call.library, named), "song": songs(call.library, named.rows)}}


def get_album_list2(call: SubsonicCall) -> Answered:
    """Some of the albums, in the order asked for."""
    kind = call.parameters.required("type")
    size = call.parameters.number("size", 10, most=MOST_ALBUMS)
    offset = call.parameters.number("offset", 0)
    albums = _albums_of(call, kind)[offset : offset + size]
    return {"albumList2": {"album": [album(call.library, each) for each in albums]}}


def _albums_of(call: SubsonicCall, kind: str) -> list[NamedAlbum]:
    """The albums of a list of this kind."""
    albums = call.library.discography.albums_like("")
    if kind == "alphabeticalByName":
        return albums
    if kind == "alphabeticalByArtist":
        return sorted(albums, key=lambda each: each.artist_key)
    if kind == "random":
        return random.Random().sample(albums, len(albums))
    if kind == "newest":
        return call.library.newest_albums
    if kind == "byGenre":
        having = set(_rows_where(call, Condition("genre", "=", call.parameters.required("genre"))))
        return [each for each in albums if not having.isdisjoint(each.rows)]
    if kind == "byYear":
        return _by_year(call, albums)
    if kind in UNLISTED:
        return []
    raise SubsonicError(GENERIC, f"type={kind[:100]}: there is no such list of albums.")


def _by_year(call: SubsonicCall, albums: Iterable[NamedAlbum]) -> list[NamedAlbum]:
    """The albums of some years, the last year first where `fromYear` is the later one."""
    for name in ("fromYear", "toYear"):
        call.parameters.required(name)
    begin, end = (call.parameters.number(name, 0) for name in ("fromYear", "toYear"))
    tracks = call.library.index.tracks
    cells = tracks.batch.column("year").to_pylist() if "year" in tracks.columns else [None] * len(tracks)
    years = [(year_in(cells[each.rows[0]]) or -1, each) for each in albums]
    chosen = [pair for pair in years if min(begin, end) <= pair[0] <= max(begin, end)]
    return [each for _, each in sorted(chosen, key=lambda pair: pair[0], reverse=begin > end)]


def get_genres(call: SubsonicCall) -> Answered:
    """The genres, whatever their case, with how many songs and albums are of each."""
    tracks = call.library.index.tracks
    cells = tracks.batch.column("genre").to_pylist() if "genre" in tracks.columns else []
    rows: dict[str, list[int]] = defaultdict(list)
    written: dict[str, str] = {}
    for row, cell in enumerate(cells):
        for folded, genre in {genre.casefold(): genre for genre in genres_in(cell)}.items():
            rows[folded].append(row)
            written.setdefault(folded, genre)
    listed = []
    for folded, having in sorted(rows.items()):
        albums = set(map(call.library.discography.album_id, having)) - {""}
        listed.append({"value": written[folded], "songCount": len(having), "albumCount": len(albums)})
    return {"genres": {"genre": listed}}


def get_songs_by_genre(call: SubsonicCall) -> Answered:
    """Some of the songs of a genre."""
    rows = _rows_where(call, Condition("genre", "=", call.parameters.required("genre")))
    offset, count = call.parameters.number("offset", 0), call.parameters.number("count", 10, most=MOST_SONGS)
    return {"songsByGenre": {"song": songs(call.library, rows[offset : offset + count])}}


def get_random_songs(call: SubsonicCall) -> Answered:
    """Songs by chance; of a genre or of some years, if asked for."""
    asked = {"genre": ("genre", "="), "fromYear": ("year", ">="), "toYear": ("year", "<=")}
    conditions = [
        Condition(column, operator, str(value))
        for name, (column, operator) in asked.items()
        if (value := call.parameters.get(name) if column == "genre" else call.parameters.number(name, 0))
    ]
    rows = _rows_where(call, *conditions)
    size = min(len(rows), call.parameters.number("size", 10, most=MOST_SONGS))
    return {"randomSongs": {"song": songs(call.library, random.Random().sample(rows, size))}}


def get_playlists(call: SubsonicCall) -> Answered:
    """None are kept here."""
    return {"playlists": {"playlist": []}}


def get_starred2(call: SubsonicCall) -> Answered:
    """Nothing is starred here."""
    return {"starred2": {"artist": [], "album": [], "song": []}}


def _rows_where(call: SubsonicCall, *conditions: Condition) -> list[int]:
    """The rows that meet conditions; none where the catalog lacks a column of them."""
    tracks = call.library.index.tracks
    if not {condition.column for condition in conditions} <= set(tracks.columns):
        return []
    rows: list[int] = np.flatnonzero(matching(tracks, conditions)).tolist()
    return rows


def _paging(call: SubsonicCall, kind: str) -> tuple[int, int]:
    """Offset and count of one kind of what is searched for."""
    count = call.parameters.number(f"{kind}Count", 20, most=MOST_LISTED)
    return call.parameters.number(f"{kind}Offset", 0), count


def _page(call: SubsonicCall, kind: str, named: Sequence[Named]) -> Sequence[Named]:
    offset, count = _paging(call, kind)
    return named[offset : offset + count]


def _letter(key: str) -> str:
    return key[0].upper() if key[0].isalpha() else "#"


METHODS: dict[str, Callable[[SubsonicCall], Answered]] = {
    "getMusicFolders": get_music_folders,
    "search3": search3,
    "getSong": get_song,
    "getArtists": get_artists,
    "getArtist": get_artist,
    "getAlbum": get_album,
    "getAlbumList2": get_album_list2,
    "getGenres": get_genres,
    "getSongsByGenre": get_songs_by_genre,
    "getRandomSongs": get_random_songs,
    "getPlaylists": get_playlists,
    "getStarred2": get_starred2,
}
