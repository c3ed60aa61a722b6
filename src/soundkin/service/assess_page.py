"""The page that asks people, over HTTP: words in, words out.

    GET  /  /assess.css  /assess.js               the page POST /api/sessions
    {"annotator_id"} -> 201, where they stand GET  /api/sessions/ID                         where they stand
    POST /api/sessions/ID/answers                 {"question_id", "choice": left|right|skip, "seconds_taken"}
    -> reply GET  /audio/TOKEN                             mp3

Errors are {"error": what to do}: 400 what was sent is off, 404 unknown session or clip, 409 that question is
not being asked (it may have been answered), 413 too long, 415 not JSON, 507 it could not be saved. None of
them changes anything.
"""

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundkin.assess.sessions import NotAskedError
from soundkin.errors import OutputError, SoundkinError, UsageError
from soundkin.pipelines.assess import Assessment, UnknownSessionError
from soundkin.service.hosts import RefuseForeignNames, is_loopback, listen, url_of

PAGES = {
    "/": ("assess.html", "text/html"),
    "/assess.css": ("assess.css", "text/css"),
    "/assess.js": ("assess.js", "text/javascript"),
}
LONGEST_BODY = 4096  # bytes
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src blob:; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
STATUS = ((UnknownSessionError, 404), (NotAskedError, 409), (UsageError, 400), (OutputError, 507))


def make_app(assessment: Assessment, only_as: str | None = None) -> Starlette:
    """The page and its API; with `only_as`, it may be called by that name and those of this machine alone."""

    async def join(request: Request) -> Response:
        body = await _body(request)
        return _json(await run_in_threadpool(assessment.join, _text(body, "annotator_id")), 201)

    async def standing(request: Request) -> Response:
        return _json(await run_in_threadpool(assessment.standing, request.path_params["session_id"]))

    async def answer(request: Request) -> Response:
        body = await _body(request)
        question_id, choice, seconds = _text(body, "question_id"), _text(body, "choice"), _seconds(body)
        session_id = request.path_params["session_id"]
        return _json(await run_in_threadpool(assessment.answer, session_id, question_id, choice, seconds))

    async def audio(request: Request) -> Response:
        content = await run_in_threadpool(assessment.audio, request.path_params["token"])
        return Response(content, media_type="audio/mpeg")

    async def rules(request: Request) -> Response:
        config = assessment.config
        shown = ("tutorial", "qualifier", "qualifier_right", "qualifier_tries", "listen_seconds")
        return JSONResponse({name: getattr(config, name) for name in shown})

    return Starlette(
        routes=[
            *(Route(path, _page(*page)) for path, page in PAGES.items()),
            Route("/api/rules", rules),
            Route("/api/sessions", join, methods=["POST"]),
            Route("/api/sessions/{session_id}", standing),
            Route("/api/sessions/{session_id}/answers", answer, methods=["POST"]),
            Route("/audio/{token}", audio),
        ],
        middleware=[
            *([Middleware(RefuseForeignNames, host=only_as)] if only_as is not None else []),
            Middleware(SafeHeaders),
        ],
        exception_handlers={HTTPException: _refuse_request, SoundkinError: _refuse},
    )


def serve(assessment: Assessment, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; `announce` is told the address once it is taken.

    Raises:
        UsageError: the address cannot be taken.
    """
    listening = listen(host, port)
    address, port = listening.getsockname()[:2]
    app = make_app(assessment, host if is_loopback(address) else None)
    config = uvicorn.Config(
        app,
        log_level="warning",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=3,
    )
    announce(url_of(host, port))
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has shut down in order, and passes the signal on
    finally:
        listening.close()


class SafeHeaders:
    """Puts HEADERS on every response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, with headers."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        await self.app(scope, receive, send_with_headers)


def _page(name: str, media_type: str) -> Callable[[Request], Any]:
    content = (Path(__file__).parent / name).read_bytes()

    async def page(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return page


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON, with Content-Type: application/json.")
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > LONGEST_BODY:
            raise HTTPException(413, f"more than {LONGEST_BODY} bytes were sent.")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "what was sent is not JSON.") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "send a JSON object.")
    return body


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str):
        raise HTTPException(400, f"{name} has to be there, as text.")
    return value


def _seconds(body: dict[str, Any]) -> float:
    value = body.get("seconds_taken")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise HTTPException(400, "seconds_taken has to be there, a number from 0 on.")
    return float(value)


def _json(value: Any, status: int = 200) -> Response:
    return JSONResponse(asdict(value), status)


async def _refuse_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _refuse(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    return JSONResponse({"error": str(error)}, status)
