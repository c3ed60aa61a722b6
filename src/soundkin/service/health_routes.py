"""Whether the server lives, whether it can answer, and what it has done."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from soundkin.service.followed_library import FollowedLibrary
from soundkin.service.messages import Current
from soundkin.service.request_metrics import RequestMetrics

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Readiness(Health):
    """What is answered from; `behind` says that a newer version is there and cannot be opened."""

    version: str
    tracks: int
    neighbours_stored: bool
    behind: bool


@router.get("/healthz")
async def healthz() -> Health:
    """Whether the process lives."""
    return Health()


@router.get("/readyz")
async def readyz(request: Request, library: Current) -> Readiness:
    """Whether there is a library to answer from."""
    followed: FollowedLibrary = request.app.state.library
    return Readiness(
        version=library.version,
        tracks=len(library.index),
        neighbours_stored=library.stored is not None,
        behind=bool(followed.problem),
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request, library: Current) -> Response:
    """Counts and durations, as Prometheus reads them."""
    counted: RequestMetrics = request.app.state.metrics
    return counted.exposed(len(library.index), request.app.state.library.swaps)
