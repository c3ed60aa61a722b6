"""Tracks: found by words, looked at, heard, and their neighbours."""

import os
import re
import stat
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, Response

from soundkin.catalog.paths import is_allowed, is_inside, on_disk
from soundkin.errors import ArtefactError, StoreError
from soundkin.pipelines.query import ask
from soundkin.search.packed_list import ListedAnswers
from soundkin.search.query_description import QueryDescription, Seed
from soundkin.service.followed_library import ServedLibrary
from soundkin.service.messages import (
    MOST_ANSWERS,
    Answers,
    Columns,
    Conditions,
    Current,
    FoundTracks,
    K,
    OneTrack,
    Text,
    TrackId,
    check_columns,
    ranked,
    shown_columns_of,
    stored_answers,
    track_at,
)
from soundkin.service.workload import in_thread

MOST_IDS = 100
SIMILAR = 10  # answers, unless more or fewer are asked for
ONLY_K = re.compile(rb"(?:k=(\d{1,4}))?")  # a query
ONE_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")

router = APIRouter(tags=["tracks"])


@router.get("/tracks")
async def find_tracks(
    request: Request,
    library: Current,
    q: Annotated[Text, Query(description="Words; each may be one begun.", examples=["night tra"])] = "",
    limit: Annotated[int, Query(ge=1, le=MOST_ANSWERS)] = 20,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
    ids: Annotated[
        list[Text],
        Query(max_length=MOST_IDS, description="Those of these that are there, instead of a search."),
    ] = [],  # noqa: B006
    columns: Columns = [],  # noqa: B006
) -> FoundTracks:
    """Search as you type: tracks whose title, artist and album hold all words; all tracks without any."""

    def find() -> FoundTracks:
        check_columns(library.index, columns)
        if ids:
            rows = [row for row in map(library.index.tracks.row, ids) if row is not None]
            total = len(rows)
        else:
            rows, total = library.words.find(q, limit, offset)
        tracks = [track_at(library.index, row, columns) for row in rows]
        return FoundTracks(version=library.version, total=total, tracks=tracks)

    return await in_thread(request, find)


class StoredFirst(APIRoute):
    """Answers from the store before FastAPI looks at a request, where nothing but `k` is asked for: it comes
    to the same, and takes a fraction of the time.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request to this route."""
        by_fastapi = super().get_route_handler()

        async def answer(request: Request) -> Response:
            asked = ONLY_K.fullmatch(request.scope["query_string"])
            library: ServedLibrary = request.app.state.library.current
            if asked and library.stored is not None and library.stored.is_near:
                answers = _stored(library, request.path_params["track_id"], int(asked[1] or SIMILAR))
                if answers is not None:
                    return answers
            return await by_fastapi(request)

        return answer


def _stored(library: ServedLibrary, track_id: str, k: int, columns: Collection[str] = ()) -> Response | None:
    """The first `k` answers of those that are stored; None where there are not so many."""
    listed = _listed(library, track_id, k)
    return None if listed is None else stored_answers(library.version, library.index, listed, k, columns)


def _listed(library: ServedLibrary, track_id: str, k: int) -> ListedAnswers | None:
    """What is stored of a track's answers, at least `k`; None where that is not so, or cannot be read."""
    if library.stored is None or not 0 < k <= library.stored.most:
        return None
    with suppress(ArtefactError, StoreError):  # then the index answers
        listed = library.stored.answers(track_id)
        return listed if len(listed.tracks) >= k else None
    return None


def similar_rows(library: ServedLibrary, track_id: str, k: int) -> list[tuple[int, float]]:
    """Rows and cosines of what `similar_tracks` answers with where nothing but `k` is asked for."""
    listed = _listed(library, track_id, k)
    if listed is not None:
        return list(zip(listed.tracks[:k], listed.scores[:k], strict=True))
    seed = Seed(name=track_id, kind="track")
    found = ask(library.index, QueryDescription(like=(seed,), k=max(k, library.listed)))
    return [(library.row(answer.track_id), answer.score) for answer in found[:k]]


async def similar_tracks(
    request: Request,
    library: Current,
    track_id: TrackId,
    k: K = SIMILAR,
    where: Conditions = [],  # noqa: B006
    artist_cap: Annotated[int | None, Query(ge=0, le=MOST_ANSWERS)] = None,
    columns: Columns = [],  # noqa: B006
) -> Response | Answers:
    """The tracks that sound most like this one: as stored where nothing but `k` is asked for, else live."""
    library.row(track_id)
    check_columns(library.index, columns, where)
    plain = not where and artist_cap is None

    def find() -> Response | Answers:
        answers = _stored(library, track_id, k, columns) if plain else None
        if answers is not None:
            return answers
        seed, most = Seed(name=track_id, kind="track"), max(k, library.listed) if plain else k
        asked = QueryDescription(like=(seed,), k=most, where=tuple(where), artist_cap=artist_cap)
        return ranked(library.version, ask(library.index, asked, columns=columns), k)

    return await in_thread(request, find)


router.add_api_route(
    "/tracks/{track_id:path}/similar",
    similar_tracks,
    response_model=Answers,
    methods=["GET"],
    route_class_override=StoredFirst,
)


@router.get(
    "/tracks/{track_id:path}/audio",
    response_class=Response,
    responses={
        200: {"content": {"audio/*": {}}, "description": "All of the file."},
        206: {"content": {"audio/*": {}}, "description": "The range of bytes that was asked for."},
        416: {"description": "The file has no such range."},
    },
)
async def audio(request: Request, library: Current, track_id: TrackId) -> Response:
    """The track's audio file, or the range of bytes that a Range header asks for."""
    row = library.row(track_id)
    return await in_thread(request, lambda: audio_file(request, library, row))


def audio_file(request: Request, library: ServedLibrary, row: int) -> Response:
    """The audio of the track in `row`. Raises HTTPException: 404 if it is gone, 416 for a wrong range."""
    path = Path(on_disk(library.index.audio_path(library.index.tracks.label(row).path)))
    gone = HTTPException(404, "the audio of this track is not there now. Bring the library up to date: sync.")
    if not is_inside(library.index.audio_folder, path) and not is_allowed(path.parent):
        raise gone
    try:
        status = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError) as error:
        raise gone from error
    if not stat.S_ISREG(status.st_mode):
        raise gone
    _check_range(request, status.st_size)
    return FileResponse(path, stat_result=status, headers={"Cache-Control": "private, max-age=3600"})


def _check_range(request: Request, size: int) -> None:
    """Forget a Range that is not one range of bytes, as RFC 9110 has it; raise if the file ends before."""
    asked = ONE_RANGE.fullmatch(request.headers.get("range", ""))
    first, last = asked.groups() if asked else (None, None)
    if (first is None and last is None) or (first and last and int(last) < int(first)):
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    elif int(first) >= size if first else last and not int(last):
        detail = f"the file has {size} bytes. Ask for a range of these."
        raise HTTPException(416, detail, {"Content-Range": f"bytes */{size}"})


@router.get("/tracks/{track_id:path}")
async def one_track(library: Current, track_id: TrackId) -> OneTrack:
    """A track, and what the catalog says of it."""
    index = library.index
    track = track_at(index, library.row(track_id), shown_columns_of(index))
    return OneTrack(version=library.version, **track.model_dump())
