"""What answers of the Subsonic protocol hold, by openapi/schemas of opensubsonic/open-subsonic-api.

Names, types and what is required are restated here, nothing is copied, and only for what the server sends:
whatever else it sends is an error.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

Whole = Annotated[int, Field(ge=0)]
DateTime = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")]


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel)


class ArtistReference(Part):
    id: str
    name: str


class ItemGenre(Part):
    name: str


class Child(Part):
    id: str
    is_dir: bool
    title: str
    parent: str | None = None
    album: str | None = None
    artist: str | None = None
    year: Whole | None = None
    genre: str | None = None
    content_type: str | None = None
    suffix: str | None = None
    duration: Whole | None = None
    album_id: str | None = None
    artist_id: str | None = None
    type: Literal["music"] | None = None
    media_type: Literal["song"] | None = None
    is_video: bool | None = None
    music_brainz_id: str | None = None
    genres: list[ItemGenre] = []
    artists: list[ArtistReference] = []
    display_artist: str | None = None

    @model_validator(mode="after")
    def musicbrainz_ids_say_of_what(self):
        assert self.music_brainz_id is None or self.media_type
        return self


class ArtistID3(ArtistReference):
    album_count: Whole | None = None


class AlbumID3(Part):
    id: str
    name: str
    song_count: Whole
    duration: Whole
    created: DateTime
    artist: str | None = None
    artist_id: str | None = None
    year: Whole | None = None
    genre: str | None = None
    genres: list[ItemGenre] = []
    artists: list[ArtistReference] = []
    display_artist: str | None = None


class AlbumWithSongs(AlbumID3):
    song: list[Child]


class ArtistWithAlbums(ArtistID3):
    album: list[AlbumID3]


class IndexID3(Part):
    name: str
    artist: list[ArtistID3]


class ArtistsID3(Part):
    ignored_articles: str
    index: list[IndexID3]


class SonicMatch(Part):
    entry: Child
    similarity: Annotated[float, Field(ge=0, le=1)]


class Songs(Part):
    song: list[Child]


class Found(Songs):
    artist: list[ArtistID3]
    album: list[AlbumID3]


class Albums(Part):
    album: list[AlbumID3]


class Genre(Part):
    value: str
    song_count: Whole
    album_count: Whole


class Genres(Part):
    genre: list[Genre]


class MusicFolder(Part):
    id: int
    name: str


class MusicFolders(Part):
    music_folder: list[MusicFolder]


class License(Part):
    valid: bool


class Playlists(Part):
    playlist: list[None]


class Extension(Part):
    name: str
    versions: list[int]


class TokenInfo(Part):
    username: str


class User(Part):
    username: str
    scrobbling_enabled: bool
    admin_role: bool
    settings_role: bool
    download_role: bool
    upload_role: bool
    playlist_role: bool
    cover_art_role: bool
    comment_role: bool
    podcast_role: bool
    stream_role: bool
    jukebox_role: bool
    share_role: bool
    video_conversion_role: bool
    folder: list[int] = []


class Error(Part):
    code: Literal[0, 10, 20, 30, 40, 41, 42, 43, 44, 50, 60, 70]
    message: str


class SubsonicResponse(Part):
    status: Literal["ok", "failed"]
    version: Literal["1.16.1"]
    type: Literal["soundkin"]
    server_version: str
    open_subsonic: Literal[True]
    error: Error | None = None
    license: License | None = None
    music_folders: MusicFolders | None = None
    open_subsonic_extensions: list[Extension] | None = None
    token_info: TokenInfo | None = None
    user: User | None = None
    search_result3: Found | None = None
    song: Child | None = None
    artists: ArtistsID3 | None = None
    artist: ArtistWithAlbums | None = None
    album: AlbumWithSongs | None = None
    album_list2: Albums | None = None
    genres: Genres | None = None
    songs_by_genre: Songs | None = None
    random_songs: Songs | None = None
    playlists: Playlists | None = None
    starred2: Found | None = None
    similar_songs: Songs | None = None
    similar_songs2: Songs | None = None
    sonic_match: list[SonicMatch] | None = None

    @model_validator(mode="after")
    def errors_are_failures(self):
        assert (self.status == "failed") == (self.error is not None)
        return self


class Document(Part):
    response: SubsonicResponse = Field(alias="subsonic-response")


def checked(text: str | bytes) -> SubsonicResponse:
    """The answer in a JSON document, if it is as the schemas have it."""
    return Document.model_validate_json(text).response
