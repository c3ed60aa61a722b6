"""Songs, albums and artists as the Subsonic protocol has them: `Child`, `AlbumID3`, `ArtistID3`.

Songs have the media server's ids where these are known (`soundkin link`), else the track's; nothing names a
path of the server.
"""

import mimetypes
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from soundkin.catalog.artists import artist_key, split_credit
from soundkin.pipelines.listed_tracks import seconds_of
from soundkin.search.discography import NamedAlbum, NamedArtist, artist_id_of
from soundkin.search.tracks import cells_in
from soundkin.service.followed_library import ServedLibrary
from soundkin.service.subsonic_envelope import NOT_FOUND, Parameters, SubsonicError

Content = dict[str, Any]
SHOWN = ("album", "genre", "year", "recording_mbid")


@dataclass(frozen=True)
class SubsonicCall:
    """A call to be answered: what was asked, of which version of the library."""

    request: Request
    parameters: Parameters
    library: ServedLibrary

    def row(self, name: str = "id") -> int:
        """The track that a parameter names. Raises SubsonicError where there is none."""
        row = self.row_of(self.parameters.required(name))
        if row is None:
            raise self.not_found("song", name)
        return row

    def row_of(self, server_id: str) -> int | None:
        """The track of this id."""
        track_id = self.library.linked.track_id_of(server_id)
        return None if track_id is None else self.library.row(track_id)

    def not_found(self, what: str, name: str = "id") -> SubsonicError:
        """The error that says that there is nothing of the id in a parameter."""
        return SubsonicError(NOT_FOUND, f"there is no {what} {self.parameters.get(name)[:200]!r}.")


Answered = Content | Response


def song(library: ServedLibrary, row: int) -> Content:
    """The track in `row` as a Child."""
    index, discography = library.index, library.discography
    track_id, title, artist, path = index.tracks.label(row)
    cells = cells_in(index.tracks.batch, row, [name for name in SHOWN if name in index.tracks.columns])
    album_id, seconds = discography.album_id(row), round(seconds_of(index, row))
    artists = _references(artist, index.tracks.artists(row))
    genres = genres_in(cells.get("genre"))
    return _known(
        id=library.linked.server_id_of(track_id),
        parent=album_id,
        isDir=False,
        title=title or track_id,
        album=str(cells.get("album") or ""),
        artist=artist,
        year=year_in(cells.get("year")),
        genre=genres[0] if genres else "",
        contentType=mimetypes.guess_type(path)[0] or "application/octet-stream",
        suffix=PurePosixPath(path).suffix[1:].lower(),
        duration=seconds if seconds > 0 else None,
        albumId=album_id,
        artistId=artists[0]["id"] if artists else "",
        type="music",
        mediaType="song",
        musicBrainzId=str(cells.get("recording_mbid") or ""),
        isVideo=False,
        genres=[{"name": genre} for genre in genres],
        artists=artists,
        displayArtist=artist,
    )


def songs(library: ServedLibrary, rows: Iterable[int]) -> list[Content]:
    """The tracks in these rows, in their order."""
    return [song(library, row) for row in rows]


def album(library: ServedLibrary, named: NamedAlbum) -> Content:
    """An album without its songs; it was added when the file of its first track was written."""
    first = song(library, named.rows[0])
    lead = first["artists"][0] if named.artist_key else {}
    return _known(
        id=named.album_id,
        name=named.title,
        artist=lead.get("name", ""),
        artistId=lead.get("id", ""),
        songCount=len(named.rows),
        duration=sum(max(0, round(seconds_of(library.index, row))) for row in named.rows),
        created=datetime.fromtimestamp(library.written(named), UTC).isoformat().replace("+00:00", "Z"),
        year=first.get("year"),
        genre=first.get("genre"),
        genres=first.get("genres"),
        artists=[lead] if lead else [],
        displayArtist=lead.get("name", ""),
    )


def artist(named: NamedArtist) -> Content:
    """An artist without albums."""
    return {"id": named.artist_id, "name": named.name, "albumCount": len(named.album_ids)}


def genres_in(cell: object) -> list[str]:
    """The genres of a cell such as `pop; rock`."""
    return [genre for part in str(cell or "").split(";") if (genre := part.strip())]


def _references(credit: str, keys: Sequence[str]) -> list[Content]:
    """The artists of a credit, by these keys, as it writes them."""
    if len(keys) == 1 == len(split_credit(credit)):
        return [{"id": artist_id_of(keys[0]), "name": credit}]
    written = {artist_key(name): name for name in split_credit(credit, keys)}
    return [{"id": artist_id_of(key), "name": written.get(key, key)} for key in keys]


def year_in(cell: object) -> int | None:
    """The year that a cell says; None where it says none."""
    try:
        year = int(float(str(cell)))
    except (ValueError, OverflowError):
        return None
    return year if 0 < year < 10_000 else None


def _known(**fields: Any) -> Content:
    """The fields that hold something."""
    return {name: value for name, value in fields.items() if value not in (None, "", [])}
