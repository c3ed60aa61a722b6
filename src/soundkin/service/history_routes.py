"""Recommendations for what was listened to, which is sent as services export it."""

from tempfile import TemporaryFile
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from soundkin.catalog.listening_history import plays_in
from soundkin.errors import CatalogError
from soundkin.pipelines import answers as answer_lists
from soundkin.pipelines.heard import heard_tracks
from soundkin.pipelines.recommend import like_heard
from soundkin.service.messages import (
    LONGEST_TEXT,
    MOST_ANSWERS,
    Answers,
    Columns,
    Conditions,
    Current,
    K,
    check_columns,
    ranked,
)
from soundkin.service.workload import in_thread

LONGEST_HISTORY = 16 << 20  # bytes; a play in an export of ListenBrainz takes 500 to 1,500
MOST_LOST = 100  # tracks that are named

router = APIRouter(tags=["lists"])


class LostTrack(BaseModel):
    """A track of the history that the library does not hold, as the history names it, and its plays."""

    name: str
    plays: int


class HistoryReport(BaseModel):
    """How much of a history was found: plays, tracks of the library, and what was not found.

    `lost` holds the most played of `lost_tracks` that the library does not hold.
    """

    plays: int
    found_plays: int
    found_tracks: int
    lost_tracks: int
    lost: list[LostTrack]


class HistoryAnswers(Answers):
    """Answers that sound like the history and are not in it, and how much of it was found."""

    history: HistoryReport


EXAMPLE = [
    {
        "listened_at": 1_700_000_000,
        "track_metadata": {"artist_name": "Nina Simone", "track_name": "Sinnerman"},
    },
    {"track_id": "17_night-train"},
]


@router.post(
    "/recommendations",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {}, "example": EXAMPLE},
                "text/csv": {
                    "schema": {"type": "string"},
                    "example": "artist,title\nNina Simone,Sinnerman\n",
                },
            },
        }
    },
)
async def recommend_like_history(
    request: Request,
    library: Current,
    k: K = 20,
    where: Conditions = [],  # noqa: B006
    artist_cap: Annotated[int | None, Query(ge=1, le=MOST_ANSWERS)] = None,
    half_life: Annotated[
        float | None, Query(gt=0, le=100_000, description="Days after which a play counts half as much.")
    ] = None,
    columns: Columns = [],  # noqa: B006
) -> HistoryAnswers:
    """What sounds like this history, which is the body: an export of ListenBrainz or Last.fm, or a table.

    Plays are matched by track_id, or by artist and title in whatever spelling.
    """
    check_columns(library.index, columns, where)

    def find() -> HistoryAnswers:
        file.seek(0)
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise CatalogError(f"history cannot be read as UTF-8 text: {error.reason}.") from error
        question = answer_lists.Query(library.index, k, where, artist_cap, columns)
        heard = heard_tracks(library.index, plays_in(text), half_life)
        found = like_heard(library.index, question, heard.rows, heard.weights, k, artist_cap)
        lost = [LostTrack(name=name[:LONGEST_TEXT], plays=plays) for name, plays in heard.lost.items()]
        report = HistoryReport(
            plays=heard.plays,
            found_plays=heard.plays - sum(heard.lost.values()),
            found_tracks=len(heard.rows),
            lost_tracks=len(lost),
            lost=lost[:MOST_LOST],
        )
        return HistoryAnswers(**ranked(library.version, found).model_dump(), history=report)

    with TemporaryFile(prefix="soundkin-history-") as file:  # in memory are those that are worked on
        async for chunk in request.stream():
            await in_thread(request, lambda chunk=chunk: file.write(chunk))  # type: ignore[misc]
        return await in_thread(request, find)
