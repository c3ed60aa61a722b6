"""Errors as `application/problem+json` (RFC 9457): `title`, `status`, and a `detail` that says what to do."""

import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from soundkin.config import problem_in_words
from soundkin.errors import ArtefactError, OutputError, SoundkinError, StoreError, UsageError

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
MOST_COMPLAINTS = 10  # about one request
PLAYERS = "/api/"  # what plugins of media servers ask, which read `error`


class NoSuchTrackError(UsageError):
    """The library holds no track of that id."""


class BusyError(SoundkinError):
    """More is asked at once than can be answered soon."""


class RefusedUploadError(SoundkinError):
    """What was uploaded cannot be used."""


STATUS = {
    NoSuchTrackError: 404,
    RefusedUploadError: 422,
    BusyError: 503,
    ArtefactError: 503,  # until it is repaired
    OutputError: 503,
    StoreError: 503,
    UsageError: 400,
}


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object) -> Response:
    """A response that says what is wrong and what to do."""
    title = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **more}
    retry = {"Retry-After": str(RETRY_SECONDS)} if status == 503 else {}
    content = json.dumps(body)  # in ASCII: what is repeated of a request may not be valid Unicode
    return Response(content, status, {**retry, **(headers or {})}, MEDIA_TYPE)


def _answer(
    request: Request, status: int, detail: str, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """A problem as the clients of `request` read it."""
    if request.url.path.startswith(PLAYERS):
        more["error"] = detail
    return problem(status, detail, headers, **more)


def answer_http_error(request: Request, error: Exception) -> Response:
    """404, 405, 413 and the like."""
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if detail == HTTPStatus(error.status_code).phrase:
        detail = ADVICE.get(error.status_code, detail)
    return _answer(request, error.status_code, detail, error.headers)


ADVICE = {
    404: "there is nothing here. What there is: GET /openapi.json",
    405: "this is not done here. What is: GET /openapi.json",
}


def answer_invalid_request(request: Request, error: Exception) -> Response:
    """A parameter or a body is off; what was sent is not repeated."""
    assert isinstance(error, RequestValidationError)
    complaints = [
        {"at": ".".join(map(str, each["loc"]))[:200], "problem": problem_in_words(each)[:500]}
        for each in error.errors()[:MOST_COMPLAINTS]
    ]
    first = "; ".join(f"{each['at']}: {each['problem']}" for each in complaints[:3])
    detail = f"{first}. GET /openapi.json says what is taken."
    return _answer(request, 422, detail, errors=complaints)


def answer_our_error(request: Request, error: Exception) -> Response:
    """An error of ours, which says what to do; where the library lies is nobody's business."""
    assert isinstance(error, SoundkinError)
    return _answer(request, *status_and_detail(request, error))


def status_and_detail(request: Request, error: SoundkinError) -> tuple[int, str]:
    """The HTTP status of an error, and what it says without the names of private folders; logs 503."""
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 503)
    if status == 503:
        log.warning("%s: %s", request.url.path.encode("ascii", "backslashreplace").decode(), error)
    detail = str(error)
    for private in getattr(request.app.state, "private_names", ()):
        detail = detail.replace(private, "library")
    return status, detail


EXCEPTION_HANDLERS: dict[Any, Any] = {  # FastAPI's type for it wants coroutines
    HTTPException: answer_http_error,
    RequestValidationError: answer_invalid_request,
    SoundkinError: answer_our_error,
}
