"""The map of the library: where each track is on it."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Request
from pyarrow import csv
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from soundkin.pipelines.precompute import library_of
from soundkin.service.followed_library import ServedLibrary
from soundkin.service.messages import Columns, Current, as_json, check_columns, column_of
from soundkin.service.workload import in_thread

router = APIRouter(tags=["map"])


class MapPlaces(BaseModel):
    """The places of all tracks that have one, as columns; `columns` are those of the catalog."""

    version: str
    track_id: list[str]
    x: list[float]
    y: list[float]
    columns: dict[str, list[str | int | float | None]]


@router.get("/map", response_model=MapPlaces)
async def map_places(request: Request, library: Current, columns: Columns = []) -> Response:  # noqa: B006
    """Where each track is on the map that `soundkin sync` keeps: near where they sound alike."""
    check_columns(library.index, columns)
    home = library_of(library.index.folder)
    if home is None or not home.map_places.exists():
        raise HTTPException(404, "this library has no map. soundkin sync draws one, with the extra pictures.")
    return await in_thread(request, lambda: as_json(_places(library, home.map_places, columns)))


def _places(library: ServedLibrary, file: Path, columns: list[str]) -> MapPlaces:
    text = csv.ConvertOptions(column_types={"track_id": pa.large_string()}, strings_can_be_null=False)
    places = csv.read_csv(file, convert_options=text)
    ids = library.index.tracks.batch.column("track_id").cast(pa.large_string())
    rows = pc.index_in(places["track_id"].combine_chunks(), value_set=ids)
    here = pc.is_valid(rows)
    places, rows = places.filter(here), rows.filter(here)
    return MapPlaces.model_construct(
        version=library.version,
        **{name: places[name].to_pylist() for name in ("track_id", "x", "y")},
        columns={name: column_of(library.index, name, rows) for name in columns},
    )
