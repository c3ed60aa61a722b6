"""Queries: described as a whole, or by audio that is uploaded."""

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request
from pydantic import Field
from starlette.exceptions import HTTPException

from soundkin.pipelines.query import ask
from soundkin.search.query_description import QueryDescription
from soundkin.search.vector_index import Index
from soundkin.service.asked_seeds import MOST_SEEDS, SeedOrText, Seeds, named_seeds
from soundkin.service.messages import (
    MOST_ANSWERS,
    MOST_COLUMNS,
    MOST_CONDITIONS,
    Answers,
    Columns,
    Conditions,
    Current,
    K,
    Text,
    check_columns,
    ranked,
)
from soundkin.service.upload_embedding import UploadEmbedder
from soundkin.service.workload import in_thread

LONGEST_UPLOAD = 100 << 20  # bytes
UPLOADED = ("audio/", "video/", "application/ogg", "application/octet-stream")

router = APIRouter(tags=["queries"])


class AskedQuery(QueryDescription):
    """A query, as `QueryDescription` has it."""

    like: Annotated[tuple[SeedOrText, ...], Field(min_length=1, max_length=MOST_SEEDS)]  # type: ignore[assignment]
    unlike: Seeds = ()  # type: ignore[assignment]
    k: int = Field(10, ge=1, le=MOST_ANSWERS)
    where: Annotated[tuple[Text, ...], Field(max_length=MOST_CONDITIONS)] = ()
    artist_cap: int | None = Field(None, ge=0, le=MOST_ANSWERS)
    columns: Annotated[tuple[Text, ...], Field(max_length=MOST_COLUMNS)] = ()

    def described(self, index: Index) -> QueryDescription:
        """As it is asked of `index`, with seeds that cannot be files."""
        given = self.model_dump(exclude={"columns", "like", "unlike"})
        like, unlike = named_seeds(index, self.like), named_seeds(index, self.unlike)
        return QueryDescription(like=like, unlike=unlike, **given)


EXAMPLE = {
    "like": ["nina simone sinnerman", {"name": "Pastel Blues", "kind": "album", "weight": 2}],
    "unlike": ["track:17_night-train"],
    "k": 20,
    "where": ["year>=1990"],
}


@router.post("/query")
async def query(
    request: Request, library: Current, asked: Annotated[AskedQuery, Body(examples=[EXAMPLE])]
) -> Answers:
    """What sounds like this? A seed is a track_id, words, or KIND:NAME; or an object that says its kind."""

    def find() -> Answers:
        check_columns(library.index, asked.columns, asked.where)
        described = asked.described(library.index)
        return ranked(library.version, ask(library.index, described, columns=asked.columns))

    return await in_thread(request, find)


@router.post(
    "/query/audio",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    responses={415: {"description": "This is no audio."}},
)
async def query_by_audio(
    request: Request,
    library: Current,
    k: K = 10,
    where: Conditions = [],  # noqa: B006
    artist_cap: Annotated[int | None, Query(ge=0, le=MOST_ANSWERS)] = None,
    columns: Columns = [],  # noqa: B006
) -> Answers:
    """What sounds like this audio file, which is the body? It is decoded apart, embedded and forgotten."""
    kind = request.headers.get("content-type", "").lower()
    if not kind.startswith(UPLOADED):
        raise HTTPException(415, "send an audio file as it is, with Content-Type: audio/* or octet-stream.")
    check_columns(library.index, columns, where)
    asked = QueryDescription(k=k, where=tuple(where), artist_cap=artist_cap)
    uploads: UploadEmbedder = request.app.state.uploads
    with tempfile.NamedTemporaryFile(prefix="soundkin-upload-") as file:
        async for chunk in request.stream():
            await in_thread(request, lambda chunk=chunk: file.write(chunk))  # type: ignore[misc]
        file.flush()

        def find() -> Answers:
            vector = uploads.embed(Path(file.name), library.index)
            return ranked(library.version, ask(library.index, asked, vector=vector, columns=columns))

        return await in_thread(request, find)
