"""The page at `/`: the files of the folder `page`, which are all that it needs."""

import hashlib
from functools import cache
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.exceptions import HTTPException
from starlette.responses import Response

PAGE = Path(__file__).parent / "page"
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
# No name that is asked for is ever joined to a path.
FILES = {path.relative_to(PAGE).as_posix(): path for path in PAGE.rglob("*") if path.is_file()}

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def index_page(request: Request) -> Response:
    """The page itself."""
    return _answer(request, "index.html")


@router.api_route("/page/{name:path}", methods=["GET", "HEAD"])
async def page_part(request: Request, name: str) -> Response:
    """A script, the stylesheet, a picture or a licence."""
    return _answer(request, name)


def _answer(request: Request, name: str) -> Response:
    if name not in FILES:
        raise HTTPException(404, "the page has no such part. Reload it: it may be of an earlier version.")
    content, tag = _read(name)
    headers = {"ETag": tag, "Cache-Control": "no-cache"}  # kept, and used once the server says that it holds
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES.get(Path(name).suffix, "text/plain"))


@cache
def _read(name: str) -> tuple[bytes, str]:
    """A file and its ETag."""
    content = FILES[name].read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
