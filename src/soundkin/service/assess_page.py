"""The page that asks people, over HTTP.

    GET  /  /assess.css  /assess.js               the page
    GET  /api/rules                               Rules
    POST /api/sessions                            Join -> 201, AnnotatorState
    GET  /api/sessions/ID                         AnnotatorState
    POST /api/sessions/ID/answers                 GivenAnswer -> Reply
    GET  /audio/TOKEN                             mp3

Errors are {"error": what to do}: 400 what was sent is off, 404 unknown session or clip, 409 that question is
not being asked (it may have been answered), 413 too long, 415 not JSON, 507 it could not be saved. None of
them changes anything.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from soundkin.assess.assessment import Assessment, UnknownSessionError
from soundkin.assess.sessions import NotAskedError
from soundkin.config import problem_in_words
from soundkin.errors import OutputError, SoundkinError, UsageError
from soundkin.service.gates import SafeHeaders
from soundkin.service.hosts import RefuseForeignNames, is_loopback, listen, url_of
from soundkin.service.http_server import config_of

PAGES = {
    "/": ("assess.html", "text/html"),
    "/assess.css": ("assess.css", "text/css"),
    "/assess.js": ("assess.js", "text/javascript"),
}
LONGEST_BODY = 4096  # bytes
STATUS = {UnknownSessionError: 404, NotAskedError: 409, UsageError: 400, OutputError: 507}


class Rules(BaseModel):
    """What the page has to know of the sessions' settings."""

    model_config = ConfigDict(from_attributes=True)

    tutorial: int
    qualifier: int
    qualifier_right: int
    qualifier_tries: int
    listen_seconds: float


class Join(BaseModel, strict=True):
    """Somebody begins, or goes on under the same name."""

    annotator_id: str


class GivenAnswer(BaseModel, strict=True):
    """An answer to the question being asked; `choice` is left, right or skip."""

    question_id: str
    choice: str
    seconds_taken: Annotated[float, Field(ge=0, allow_inf_nan=False)]


def make_app(assessment: Assessment, only_as: str | None = None) -> Starlette:
    """The page and its API; with `only_as`, it may be called by that name and those of this machine alone."""

    async def rules(request: Request) -> Response:
        return _json(Rules.model_validate(assessment.config))

    async def join(request: Request) -> Response:
        body = await _read(request, Join)
        return _json(await run_in_threadpool(assessment.join, body.annotator_id), 201)

    async def state(request: Request) -> Response:
        return _json(await run_in_threadpool(assessment.state, request.path_params["session_id"]))

    async def answer(request: Request) -> Response:
        body = await _read(request, GivenAnswer)
        given = request.path_params["session_id"], body.question_id, body.choice, body.seconds_taken
        return _json(await run_in_threadpool(assessment.answer, *given))

    async def audio(request: Request) -> Response:
        content = await run_in_threadpool(assessment.audio, request.path_params["token"])
        return Response(content, media_type="audio/mpeg")

    foreign = [Middleware(RefuseForeignNames, host=only_as)] if only_as is not None else []
    return Starlette(
        routes=[
            *(Route(path, partial(_page, *page)) for path, page in PAGES.items()),
            Route("/api/rules", rules),
            Route("/api/sessions", join, methods=["POST"]),
            Route("/api/sessions/{session_id}", state),
            Route("/api/sessions/{session_id}/answers", answer, methods=["POST"]),
            Route("/audio/{token}", audio),
        ],
        middleware=[*foreign, Middleware(SafeHeaders)],
        exception_handlers={HTTPException: _refuse, SoundkinError: _refuse},
    )


def serve(assessment: Assessment, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; `announce` gets the address once it is taken."""
    listening = listen(host, port)
    address, port = listening.getsockname()[:2]
    app = make_app(assessment, host if is_loopback(address) else None)
    announce(url_of(host, port))
    try:
        uvicorn.Server(config_of(app, lifespan="off")).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order, and passes the signal on
    finally:
        listening.close()


async def _page(name: str, media_type: str, request: Request) -> Response:
    return Response((Path(__file__).parent / name).read_bytes(), media_type=media_type)


Body = TypeVar("Body", bound=BaseModel)


async def _read(request: Request, model: type[Body]) -> Body:
    """What was sent, as JSON."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with Content-Type: application/json.")
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LONGEST_BODY:
            raise HTTPException(413, f"more than {LONGEST_BODY} bytes were sent.")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        complaints = [
            f"{'.'.join(map(str, e['loc'])) or 'body'}: {problem_in_words(dict(e))}" for e in error.errors()
        ]
        raise HTTPException(400, "; ".join(complaints)) from error


def _json(value: BaseModel, status: int = 200) -> Response:
    return JSONResponse(value.model_dump(), status)


async def _refuse(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)
    return JSONResponse({"error": str(error)}, status)
