"""A library over HTTP: the app that each server process runs.

A further part of it is an `APIRouter` in a module of its own, and a name in ROUTERS. Its handlers take
`library: Current` (`messages`), and do in `in_thread` (`workload`) what takes longer than a moment. Paths
that have a login of their own stand in OWN_LOGIN.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI
from starlette.middleware import Middleware

from soundkin import __version__
from soundkin.pipelines.serve import ServeSettings
from soundkin.service import (
    audiomuse_routes,
    health_routes,
    history_routes,
    list_routes,
    map_routes,
    page_routes,
    query_routes,
    subsonic_routes,
    track_routes,
)
from soundkin.service.followed_library import FollowedLibrary
from soundkin.service.gates import RequestLimits, RequireToken, SafeHeaders
from soundkin.service.hosts import RefuseForeignNames
from soundkin.service.messages import Problem
from soundkin.service.problems import EXCEPTION_HANDLERS, MEDIA_TYPE
from soundkin.service.request_metrics import RequestMetrics, Watched
from soundkin.service.upload_embedding import UploadEmbedder
from soundkin.service.workload import Workload

ROUTERS = tuple(
    module.router
    for module in (
        history_routes,
        list_routes,
        track_routes,
        query_routes,
        map_routes,
        audiomuse_routes,
        subsonic_routes,
        health_routes,
        page_routes,
    )
)
PUBLIC = ("/healthz", "/readyz")
OWN_LOGIN = (subsonic_routes.PREFIX,)  # beginnings of paths
UPLOADS = {"/query/audio": query_routes.LONGEST_UPLOAD, "/recommendations": history_routes.LONGEST_HISTORY}

LOOK_SECONDS = 0.5  # from one look for a new version to the next
ERRORS = {status: "what was sent is off" for status in (400, 413, 422)} | {
    401: "the token is missing or wrong",
    403: "a page from elsewhere asked",
    404: "there is no such track",
    408: "the body took too long",
    414: "the URL is too long",
    503: "too busy, or the library cannot be read: ask again after Retry-After",
}


def make_library_app(settings: ServeSettings) -> FastAPI:
    """The app; raises where the library cannot be opened."""
    library = FollowedLibrary(settings.library, settings.neighbours)
    metrics = RequestMetrics()
    app = FastAPI(
        title="soundkin",
        version=__version__,
        summary="What sounds like this?",
        docs_url=None,  # their scripts would come from elsewhere
        redoc_url=None,
        lifespan=partial(_running, library=library),
        middleware=_middleware(settings, metrics),
        exception_handlers=EXCEPTION_HANDLERS,
        telemetry={"tracing": False},
        responses={
            status: {"model": Problem, "content": {MEDIA_TYPE: {}}, "description": what}
            for status, what in ERRORS.items()
        },
    )
    app.state.library, app.state.metrics, app.state.workload = library, metrics, Workload()
    app.state.uploads = UploadEmbedder(settings.decode_seconds)
    app.state.private_names = private_names(library)
    app.state.token = settings.token
    for router in ROUTERS:
        app.include_router(router)
    return app


def private_names(library: FollowedLibrary) -> list[str]:
    """Folders that no answer names, the longest first."""
    folders = {library.index_folder, library.index_folder.resolve(), library.current.index.audio_folder}
    named = {str(folder) for each in folders for folder in (each, each.parent)} - {"/", "."}
    return sorted(named, key=len, reverse=True)


def _middleware(settings: ServeSettings, metrics: RequestMetrics) -> list[Middleware]:
    """What requests pass, the outermost first."""
    gates = [Middleware(SafeHeaders), Middleware(Watched, metrics=metrics, access_log=settings.access_log)]
    if settings.loopback_name is not None:
        gates.append(Middleware(RefuseForeignNames, host=settings.loopback_name))
    if settings.token is not None:
        gates.append(Middleware(RequireToken, token=settings.token, public=PUBLIC, own_login=OWN_LOGIN))
    return [*gates, Middleware(RequestLimits, uploads=UPLOADS)]


@asynccontextmanager
async def _running(app: FastAPI, library: FollowedLibrary) -> AsyncIterator[None]:
    following = asyncio.create_task(_follow(library))
    try:
        yield
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        app.state.uploads.close()


async def _follow(library: FollowedLibrary) -> None:
    parent = multiprocessing.parent_process()  # of one among several server processes
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if parent is not None and not parent.is_alive():  # killed: nobody else would end us
            signal.raise_signal(signal.SIGTERM)
        await asyncio.to_thread(library.look)
