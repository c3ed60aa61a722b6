"""What is sent and answered, as OpenAPI describes it. Tracks are named by their ids and never by paths."""

import json
from collections.abc import Collection, Sequence
from typing import Annotated, Literal

import pyarrow as pa
from fastapi import Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from soundkin.errors import UsageError
from soundkin.pipelines.answers import AnswerList
from soundkin.search.conditions import parse_condition
from soundkin.search.packed_list import ListedAnswers
from soundkin.search.tracks import Cell, cells_in
from soundkin.search.vector_index import Index
from soundkin.service.followed_library import ServedLibrary, current_library

MOST_ANSWERS = 1_000
MOST_CONDITIONS = MOST_COLUMNS = 20
LONGEST_TEXT = 500
HIDDEN_COLUMNS = {"path", "audio_folder", "lyrics"}
EXAMPLE_ID = "17_night-train"

Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
TrackId = Annotated[str, Path(max_length=LONGEST_TEXT, examples=[EXAMPLE_ID])]
K = Annotated[int, Query(ge=1, le=MOST_ANSWERS, description="How many answers.")]
Conditions = Annotated[
    list[Text],
    Query(
        max_length=MOST_CONDITIONS,
        description="Conditions that must all hold, such as genre=rock or year>=1990.",
        examples=[["genre=jazz", "year<1970"]],
    ),
]
Columns = Annotated[
    list[Text],
    Query(max_length=MOST_COLUMNS, description="Columns of the catalog to answer with.", examples=[["year"]]),
]
Current = Annotated[ServedLibrary, Depends(current_library)]


class Problem(BaseModel):
    """What is wrong and what to do (RFC 9457)."""

    type: Literal["about:blank"] = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []
    error: str | None = None  # `detail` again, below /api


class Track(BaseModel):
    """A track. An unknown title or artist is empty; `catalog` holds the columns that were asked for."""

    model_config = ConfigDict(from_attributes=True)

    track_id: str
    title: str
    artist: str
    catalog: dict[str, Cell] = {}


class FoundTracks(BaseModel):
    """A page of the tracks that were searched for, of `total`, in this version of the library."""

    version: str
    total: int
    tracks: list[Track]


class OneTrack(Track):
    """All that the catalog says of a track, but for where its file is."""

    version: str


class AnsweredTrack(Track):
    """An answer, the best of rank 1; `score` is the cosine with what was asked.

    `closer_than` is the share, from 0 to 1, of random pairs of the library that are less alike; `folded` are
    the ids of copies and versions that this answer stands for.
    """

    rank: int
    score: float
    closer_than: float | None = None
    folded: tuple[str, ...] = ()


class Answers(BaseModel):
    """The answers to a query, in this version of the library; `why_fewer` where they are fewer than `k`."""

    version: str
    answers: list[AnsweredTrack]
    why_fewer: str = ""


def track_at(index: Index, row: int, columns: Collection[str] = ()) -> Track:
    """The track in a row of the index, with cells of `columns`."""
    track_id, title, artist, _ = index.tracks.label(row)
    return Track(
        track_id=track_id, title=title, artist=artist, catalog=cells_in(index.tracks.batch, row, columns)
    )


def stored_answers(
    version: str, index: Index, listed: ListedAnswers, k: int, columns: Collection[str]
) -> Response:
    """`Answers` of the first `k` rows, made without pydantic, which takes longer than to find them."""
    tracks, answers = index.tracks, []
    for place, row in enumerate(listed.tracks[:k]):
        track_id, title, artist, _ = tracks.label(row)
        catalog = as_text(cells_in(tracks.batch, row, columns)) if columns else "{}"
        share, folded = listed.closer_than[place], listed.folded[place]
        versions = as_text([tracks.label(each).track_id for each in folded]) if folded else "[]"
        answers.append(
            f'{{"track_id":{quoted(track_id)},"title":{quoted(title)},"artist":{quoted(artist)},'
            f'"catalog":{catalog},"rank":{place + 1},"score":{listed.scores[place]!r},'
            f'"closer_than":{"null" if share is None else repr(share)},"folded":{versions}}}'
        )
    content = f'{{"version":{quoted(version)},"answers":[{",".join(answers)}],"why_fewer":""}}'
    return Response(content, media_type="application/json")


as_text = json.JSONEncoder(ensure_ascii=False).encode
quoted = json.encoder.encode_basestring  # of a text, what `as_text` calls in the end


def column_of(index: Index, name: str, rows: pa.Array) -> list[Cell]:
    """What the catalog holds of the tracks in `rows`; None where it holds nothing."""
    column = index.tracks.batch.column(name).take(rows)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    cells = column.to_pandas(integer_object_nulls=True).tolist()  # ten times as fast as to_pylist
    return [cell if cell == cell else None for cell in cells]


def shown_columns_of(index: Index) -> list[str]:
    """The columns that may be answered with."""
    return [name for name in index.tracks.columns if name not in HIDDEN_COLUMNS]


def check_columns(index: Index, names: Sequence[str], conditions: Sequence[str] = ()) -> None:
    """Raise UsageError for a column that there is not, or that is not shown, and so not asked about."""
    shown = shown_columns_of(index)
    for name in (*names, *(parse_condition(text).column for text in conditions)):
        if name not in shown:
            raise UsageError(f"there is no column {name[:100]!r}. There are: {', '.join(shown)}.")


def ranked(version: str, answers: AnswerList, most: int = MOST_ANSWERS) -> Answers:
    """Answers as they are sent, the first `most`."""
    shown = [AnsweredTrack.model_validate(answer) for answer in answers[:most]]
    return Answers(version=version, answers=shown, why_fewer="" if len(shown) == most else answers.why_fewer)
