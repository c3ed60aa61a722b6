"""The artists and albums of an index, by ids that stay when tracks come and go.

An artist's id is `ar-` and the artist key; an album's is `al-` and a hash of what tells it apart
(`rows_by_album`), which may be a folder that nobody should see.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from soundkin.catalog.artists import Artists, fold_name
from soundkin.search.named_tracks import rows_by_album
from soundkin.search.tracks import Tracks

ARTIST, ALBUM = "ar-", "al-"


@dataclass(frozen=True)
class NamedAlbum:
    """An album as its tracks write it; `artist_key` is empty where several or no artists are on it."""

    album_id: str
    title: str
    artist_key: str
    rows: tuple[int, ...]  # in order of their files


@dataclass(frozen=True)
class NamedArtist:
    """An artist by the commonest spelling, with the tracks and albums that they lead or are a guest on."""

    artist_id: str
    name: str
    rows: tuple[int, ...]
    album_ids: tuple[str, ...]


def artist_id_of(key: str) -> str:
    """The id of the artist with this key."""
    return ARTIST + key


class Discography:
    """The artists and albums of all tracks. Of 100,000, albums take 0.7 s and artists another 1.1."""

    def __init__(self, tracks: Tracks) -> None:
        self._tracks = tracks
        self.albums: dict[str, NamedAlbum] = {}
        self._album_ids: dict[int, str] = {}
        titles = tracks.batch.column("album") if "album" in tracks.columns else ()
        paths, keys = (column.to_pylist() for column in (tracks.batch.column("path"), tracks.artist_keys))
        for key, rows in rows_by_album(tracks, range(len(tracks))).items():
            album_id = ALBUM + blake2b("\x1f".join(key).encode(), digest_size=8).hexdigest()
            leads = {keys[row].partition(";")[0] for row in rows}
            ordered = tuple(sorted(rows, key=paths.__getitem__))
            lead = leads.pop() if len(leads) == 1 else ""
            self.albums[album_id] = NamedAlbum(album_id, titles[rows[0]].as_py(), lead, ordered)
            self._album_ids |= dict.fromkeys(rows, album_id)

    def album_id(self, row: int) -> str:
        """The id of the album that a track is on; empty where none is known."""
        return self._album_ids.get(row, "")

    @cached_property
    def artists(self) -> dict[str, NamedArtist]:
        """All artists by their ids, in order of their keys."""
        rows: dict[str, list[int]] = defaultdict(list)
        for row in range(len(self._tracks)):
            for key in self._tracks.artists(row):
                rows[key].append(row)
        credits = (self._tracks.label(row).artist for row in range(len(self._tracks)))
        names = Artists.from_credits(credits, elsewhere=rows).names
        return {
            artist_id_of(key): NamedArtist(
                artist_id_of(key), names.get(key, key), tuple(rows[key]), self._albums_with(rows[key])
            )
            for key in sorted(rows)
        }

    def artist_name(self, key: str) -> str:
        """The commonest spelling of an artist's name; the key itself where it is nobody's here."""
        artist = self.artists.get(artist_id_of(key))
        return artist.name if artist is not None else key

    def _albums_with(self, rows: Iterable[int]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(filter(None, map(self.album_id, rows))))

    @cached_property
    def _folded_albums(self) -> list[tuple[str, NamedAlbum]]:
        texts = ((f"{each.title} {self._credit(each)}", each) for each in self.albums.values())
        return sorted(((fold_name(text), each) for text, each in texts), key=lambda pair: pair[0])

    def _credit(self, album: NamedAlbum) -> str:
        return self.artist_name(album.artist_key) if album.artist_key else ""

    @cached_property
    def _folded_artists(self) -> list[tuple[str, NamedArtist]]:
        return [(fold_name(each.name), each) for each in self.artists.values()]

    def albums_like(self, text: str) -> list[NamedAlbum]:
        """The albums whose title and artist hold words that begin with all of `text`'s, by title."""
        words = _words(text)
        return [album for name, album in self._folded_albums if _begins(name, words)]

    def artists_like(self, text: str) -> list[NamedArtist]:
        """The artists whose names hold words that begin with all of `text`'s."""
        words = _words(text)
        return [artist for name, artist in self._folded_artists if _begins(name, words)]


def _words(text: str) -> list[str]:
    return [word for word in fold_name(text).split() if word[0].isalnum()]


def _begins(name: str, words: Iterable[str]) -> bool:
    """Whether each of the words begins one of a folded name."""
    return all(f" {word}" in f" {name}" for word in words)
