"""The map of the library: where each track is on it."""

import gzip
import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Request
from pyarrow import csv
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from soundkin.errors import ArtefactError
from soundkin.pipelines.precompute import library_of
from soundkin.search.vector_index import Index
from soundkin.service.followed_library import ServedLibrary
from soundkin.service.messages import Columns, Current, check_columns, column_of
from soundkin.service.workload import in_thread

FINEST = 1e-6  # of the map's extent: a pixel of a map a million pixels wide
GZIP_LEVEL = 1  # further ones take two to five times as long for a tenth less

router = APIRouter(tags=["map"])


class MapPlaces(BaseModel):
    """The places of all tracks that have one, as columns; `columns` are those of the catalog."""

    version: str
    track_id: list[str]
    x: list[float]
    y: list[float]
    columns: dict[str, list[str | int | float | None]]


@router.get(
    "/map",
    response_model=MapPlaces,
    responses={304: {"description": "The map is the one that If-None-Match names."}},
)
async def map_places(request: Request, library: Current, columns: Columns = []) -> Response:  # noqa: B006
    """Where each track is on the map that `soundkin sync` keeps: near where they sound alike."""
    check_columns(library.index, columns)
    home = library_of(library.index.folder)
    if home is None or not home.map_places.exists():
        raise HTTPException(404, "this library has no map. soundkin sync draws one, with the extra pictures.")
    headers = {
        "ETag": _etag(library.index, home.map_places),
        "Cache-Control": "private, no-cache",  # kept, and asked for each time
        "Vary": "Accept-Encoding",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    packed = "gzip" in request.headers.get("accept-encoding", "")

    def draw() -> bytes:
        content = _places(library, home.map_places, columns).model_dump_json().encode()
        return gzip.compress(content, GZIP_LEVEL) if packed else content

    content = await in_thread(request, draw)
    encoding = {"Content-Encoding": "gzip"} if packed else {}
    return Response(content, headers={**headers, **encoding}, media_type="application/json")


def _etag(index: Index, file: Path) -> str:
    """What the map is made of, the same in each server process; weak, as it is packed or not."""
    drawn = os.stat(file)  # noqa: PTH116
    made_of = index.version, sorted(index.manifest.files.items()), drawn.st_mtime_ns, drawn.st_size
    return f'W/"{sha256(repr(made_of).encode()).hexdigest()[:32]}"'


def _places(library: ServedLibrary, file: Path, columns: list[str]) -> MapPlaces:
    """The places in `file` of the tracks of this version. Raises ArtefactError where it holds none."""
    types = {"track_id": pa.large_string(), "x": pa.float64(), "y": pa.float64()}
    options = csv.ConvertOptions(
        column_types=types, include_columns=list(types), strings_can_be_null=False, null_values=[""]
    )
    try:
        places = csv.read_csv(file, convert_options=options)
    except (pa.ArrowInvalid, pa.ArrowKeyError) as error:
        told = f"{file} is no map: {error}. Delete it: soundkin sync then draws it anew."
        raise ArtefactError(told) from error
    ids = library.index.tracks.batch.column("track_id").cast(pa.large_string())
    rows = pc.index_in(places["track_id"].combine_chunks(), value_set=ids)
    here = pc.and_(pc.is_valid(rows), pc.and_(pc.is_finite(places["x"]), pc.is_finite(places["y"])))
    here = pc.fill_null(here, False)
    places, rows = places.filter(here), rows.filter(here.combine_chunks())
    x, y = places["x"].to_numpy(), places["y"].to_numpy()
    digits = _digits(max(np.ptp(x), np.ptp(y))) if len(x) else 0
    return MapPlaces.model_construct(
        version=library.version,
        track_id=places["track_id"].to_pylist(),
        x=x.round(digits).tolist(),
        y=y.round(digits).tolist(),
        columns={name: column_of(library.index, name, rows) for name in columns},
    )


def _digits(extent: float) -> int:
    """After how many digits numbers are rounded, so that no dot of a map so wide is seen to move."""
    return int(np.ceil(-np.log10(max(extent, 1e-9) * FINEST)))
