"""What every request passes, whatever answers it: safe headers, a token, and limits on what is sent.

All are plain ASGI: they cost microseconds, and let answers stream.
"""

import asyncio
import base64
import binascii
import hmac
from collections.abc import Collection, Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundkin.service.problems import problem

SAFE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "media-src 'self' blob:; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
LONGEST_URL = 8_192  # bytes of path and query, percent signs and all
LONGEST_BODY = 65_536  # bytes
BODY_SECONDS = 60.0  # in which all of a body has to come
FROM_ELSEWHERE = ("cross-site", "same-site")  # as browsers say
CLOSE = {"Connection": "close"}  # rather than wait for the rest


class SafeHeaders:
    """Gives each response the headers that it does not have."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and add headers to the answer."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class RequireToken:
    """Answers 401 to requests without the token, as Bearer or as the password of Basic, which browsers ask
    for; but for the paths `public`, and those that begin with one of `own_login` and are guarded there.
    """

    def __init__(
        self, app: ASGIApp, token: str, public: Collection[str] = (), own_login: Collection[str] = ()
    ) -> None:
        self.app, self.public, self.own_login = app, frozenset(public), tuple(own_login)
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has the token."""
        path = scope.get("path", "")
        if scope["type"] != "http" or path in self.public or path.startswith(self.own_login):
            return await self.app(scope, receive, send)
        given = _given_token(Headers(scope=scope).get("authorization", ""))
        if hmac.compare_digest(given, self._token):
            return await self.app(scope, receive, send)
        detail = "Send the server's token, as the header Authorization: Bearer TOKEN or as a Basic password."
        challenge = {"WWW-Authenticate": 'Basic realm="soundkin", charset="UTF-8"'}
        await problem(401, detail, challenge)(scope, receive, send)


class RequestLimits:
    """Refuses long URLs, long bodies and forms of pages from elsewhere; ends bodies that trickle in.

    `uploads` are the paths that take more than LONGEST_BODY, and how many bytes they take.
    """

    def __init__(
        self, app: ASGIApp, uploads: Mapping[str, int] | None = None, body_seconds: float = BODY_SECONDS
    ) -> None:
        self.app, self.uploads, self.body_seconds = app, uploads or {}, body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what keeps to the limits."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > LONGEST_URL:
            detail = f"the URL is longer than {LONGEST_URL} bytes. Ask with fewer or shorter parameters."
            return await problem(414, detail)(scope, receive, send)
        headers = Headers(scope=scope)
        if scope["method"] not in ("GET", "HEAD") and headers.get("sec-fetch-site") in FROM_ELSEWHERE:
            detail = "a page from elsewhere may not ask this. Ask from here."
            return await problem(403, detail)(scope, receive, send)
        most = self.uploads.get(scope["path"], LONGEST_BODY)
        if int(headers.get("content-length", 0)) > most:  # servers pass on no other than digits
            refusal = _too_long(most)
            return await problem(413, refusal.detail, refusal.headers)(scope, receive, send)
        await self.app(scope, self._limited(receive, most), send)

    def _limited(self, receive: Receive, most: int) -> Receive:
        """`receive` that raises once the body has taken too long or is longer than `most` bytes."""
        loop = asyncio.get_running_loop()
        end, left, whole = loop.time() + self.body_seconds, most, False

        async def receive_within_limits() -> Message:
            nonlocal whole, left
            if whole:
                return await receive()  # which waits for the client to go
            try:
                async with asyncio.timeout_at(end):
                    message = await receive()
            except TimeoutError as error:
                detail = f"the body took more than {self.body_seconds:g} s. Send it faster, or less of it."
                raise HTTPException(408, detail, CLOSE) from error
            left -= len(message.get("body", b""))
            if left < 0:
                raise _too_long(most)
            whole = not message.get("more_body", False)
            return message

        return receive_within_limits


def _too_long(most: int) -> HTTPException:
    return HTTPException(413, f"more than {most} bytes were sent. Send less.", CLOSE)


def _given_token(header: str) -> bytes:
    """What an Authorization header holds; empty where it holds none."""
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip().encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""
