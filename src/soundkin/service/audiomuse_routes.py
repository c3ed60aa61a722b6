"""What plugins for AudioMuse-AI ask of a server, so that players which have one can ask us.

    GET  /api/similar_tracks   the plugins for Navidrome, Jellyfin and Lyrion, and Lyrion's AudioMuse Mixer
    GET  /api/find_path        the same
    POST /api/alchemy          those of Lyrion, after several tracks
    GET  /api/search_tracks    that of Jellyfin, and one of Lyrion
    GET  /api/health           one of Lyrion

Tracks are named by the media server's ids where these are linked (`soundkin link`), and then only tracks that
it has are answered with; else by ours. What these clients send beyond what is described here is passed over.
Errors have `error` beside `detail`.
"""

from collections.abc import Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from soundkin.catalog.artists import artist_key, fold_name
from soundkin.errors import UsageError
from soundkin.pipelines.path import path_between
from soundkin.pipelines.query import ask
from soundkin.search.query_description import QueryDescription, Seed
from soundkin.search.tracks import cells_in
from soundkin.service.asked_seeds import MOST_SEEDS
from soundkin.service.followed_library import ServedLibrary
from soundkin.service.health_routes import Health
from soundkin.service.list_routes import LONGEST_PATH
from soundkin.service.messages import LONGEST_TEXT, MOST_ANSWERS, Current, Text
from soundkin.service.problems import NoSuchTrackError
from soundkin.service.workload import in_thread

UNKNOWN = "unknown"  # an album, as AudioMuse has it
SHORTEST_SEARCH = 3  # characters

router = APIRouter(prefix="/api", tags=["players"])

ServerId = Annotated[str, Query(max_length=LONGEST_TEXT, description="The media server's id of a track.")]


class PlayersTrack(BaseModel):
    """A track by the media server's id; `author` is the artist."""

    item_id: str
    title: str
    author: str
    album: str


class NearTrack(PlayersTrack):
    """An answer: `distance` is 1 - cosine, from 0 to 2."""

    distance: float


class PlayersPath(BaseModel):
    """A way from one track to another; the distance is from the track before, 0 for the first."""

    path: list[NearTrack]
    total_distance: float


class AlchemyItem(BaseModel):
    """A track that answers should be like, or not like."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1, max_length=LONGEST_TEXT)
    op: Literal["ADD", "SUBTRACT"] = "ADD"
    type: Literal["song"] = "song"


class Alchemy(BaseModel):
    """Tracks to be like and not like."""

    model_config = ConfigDict(extra="ignore")

    items: Annotated[list[AlchemyItem], Field(min_length=1, max_length=MOST_SEEDS)]
    n: int = 25


class AlchemyResults(BaseModel):
    """The answers, best first."""

    results: list[NearTrack]


@router.get("/similar_tracks")
async def similar_tracks(
    request: Request,
    library: Current,
    item_id: ServerId = "",
    title: Text = "",
    artist: Text = "",
    n: int = 10,
    eliminate_duplicates: Annotated[
        bool | None, Query(description="false: any number of one artist's tracks; default: few.")
    ] = None,
    radius_similarity: Annotated[
        bool | None, Query(description="Accepted, and passed over: the nearest come first.")
    ] = None,
) -> list[NearTrack]:
    """The tracks that sound most like one, which is named by id, or by title and artist."""

    def find() -> list[NearTrack]:
        row = _row(library, item_id) if item_id else _row_named(library, title, artist)
        cap = 0 if eliminate_duplicates is False else None
        return _near(library, [row], [], n, cap)

    return await in_thread(request, find)


@router.get("/find_path")
async def find_path(
    request: Request,
    library: Current,
    start_song_id: ServerId = "",
    end_song_id: ServerId = "",
    max_steps: Annotated[int, Query(description="Tracks, both ends included.")] = 25,
) -> PlayersPath:
    """From one track to another, each step as small as can be."""

    def find() -> PlayersPath:
        if not start_song_id or not end_song_id:
            raise UsageError("a path has two ends: give start_song_id and end_song_id.")
        first, last = _row(library, start_song_id), _row(library, end_song_id)
        length = min(max(2, max_steps), LONGEST_PATH)
        rows, cosines = path_between(library.index, first, last, length, only=library.linked.mask)
        path = [_near_track(library, row, cosine) for row, cosine in zip(rows, cosines, strict=True)]
        return PlayersPath(path=path, total_distance=sum(track.distance for track in path))

    return await in_thread(request, find)


@router.post("/alchemy")
async def alchemy(
    request: Request,
    library: Current,
    asked: Annotated[
        Alchemy, Body(examples=[{"items": [{"id": "17_night-train", "op": "ADD", "type": "song"}], "n": 25}])
    ],
) -> AlchemyResults:
    """The tracks that sound like all that are added, and not like those that are subtracted."""

    def find() -> AlchemyResults:
        like, unlike = (
            [_row(library, item.id) for item in asked.items if item.op == op] for op in ("ADD", "SUBTRACT")
        )
        if not like:
            raise UsageError("add at least one track: op ADD.")
        return AlchemyResults(results=_near(library, like, unlike, asked.n))

    return await in_thread(request, find)


@router.get("/search_tracks")
async def search_tracks(
    request: Request,
    library: Current,
    search_query: Annotated[Text, Query(description="Words; each may be one begun.")] = "",
    title: Text = "",
    artist: Text = "",
    start: Annotated[int, Query(ge=0, le=10**9)] = 0,
    end: Annotated[int | None, Query(ge=0, le=10**9)] = None,
) -> list[PlayersTrack]:
    """Tracks whose title, artist and album hold all words, from the `start`-th up to the `end`-th."""
    words = search_query or f"{artist} {title}"
    limit = 20 if end is None else min(end - start, MOST_ANSWERS)
    if len(words.strip()) < SHORTEST_SEARCH or limit < 1:
        return []

    def find() -> list[PlayersTrack]:
        rows, _ = library.words.find(words, limit, start)
        return [PlayersTrack(**_track(library, row)) for row in rows]

    return await in_thread(request, find)


@router.get("/health")
async def health() -> Health:
    """Whether the process lives."""
    return Health()


def _near(
    library: ServedLibrary, like: Iterable[int], unlike: Iterable[int], n: int, artist_cap: int | None = None
) -> list[NearTrack]:
    """The `n` tracks that are nearest, of those that the server has."""
    asked = QueryDescription(
        like=_seeds(library, like),
        unlike=_seeds(library, unlike),
        k=min(max(1, n), MOST_ANSWERS),
        artist_cap=artist_cap,
    )
    answers = ask(library.index, asked, only=library.linked.mask)
    rows = [(library.row(answer.track_id), answer.score) for answer in answers]
    return [_near_track(library, row, cosine) for row, cosine in rows]


def _seeds(library: ServedLibrary, rows: Iterable[int]) -> tuple[Seed, ...]:
    ids = dict.fromkeys(library.index.tracks.label(row).track_id for row in rows)
    return tuple(Seed(name=track_id, kind="track") for track_id in ids)


def _row(library: ServedLibrary, server_id: str) -> int:
    """The track that the server means. Raises NoSuchTrackError."""
    track_id = library.linked.track_id_of(server_id)
    if track_id is None:
        hint = "Link the server's ids to the library's tracks, or do it again: soundkin link"
        raise NoSuchTrackError(f"no track of the library has the id {server_id[:200]!r}. {hint}")
    return library.row(track_id)


def _row_named(library: ServedLibrary, title: str, artist: str) -> int:
    """The first track of that title and artist."""
    if not title or not artist:
        raise UsageError("name a track: item_id, or title and artist.")
    rows, _ = library.words.find(f"{title} {artist}", MOST_ANSWERS)
    tracks, key = library.index.tracks, artist_key(artist)
    for row in rows:
        if fold_name(tracks.label(row).title) == fold_name(title) and key in tracks.artists(row):
            return row
    named = f"{title[:200]!r} by {artist[:200]!r}"
    raise NoSuchTrackError(f"there is no track {named}. Search for it: GET /api/search_tracks")


def _near_track(library: ServedLibrary, row: int, cosine: float) -> NearTrack:
    return NearTrack(**_track(library, row), distance=max(0.0, 1.0 - cosine))


def _track(library: ServedLibrary, row: int) -> dict[str, str]:
    track_id, title, artist, _ = library.index.tracks.label(row)
    columns = [name for name in ("album",) if name in library.index.tracks.columns]
    album = cells_in(library.index.tracks.batch, row, columns).get("album")
    server_id = library.linked.server_id_of(track_id)
    return {"item_id": server_id, "title": title, "author": artist, "album": str(album or UNKNOWN)}
