"""How our apps are served: uvicorn with httptools, whose requests have to end."""

import asyncio

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from soundkin.service.gates import CLOSE, SAFE_HEADERS
from soundkin.service.problems import problem

LONGEST_HEAD = 65_536  # bytes of a request that are not its body


class BoundedHttp(HttpToolsProtocol):
    """HTTP whose headers and trailers end: httptools itself would keep them without end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there, and has sent nothing."""
        self._head_bytes = 0
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse what has come; a client whose headers are too long is told, and leaves."""
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > LONGEST_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The headers are longer than {LONGEST_HEAD} bytes. Send fewer.")

    def send_400_response(self, msg: str) -> None:
        """Refuse what never reaches an app, as apps refuse: a problem, with safe headers."""
        refusal = problem(400, msg, SAFE_HEADERS | CLOSE)
        head = b"".join(b"%s: %s\r\n" % header for header in refusal.raw_headers)
        self.transport.write(STATUS_LINE[400] + head + b"\r\n" + bytes(refusal.body))
        self.transport.close()

    def on_headers_complete(self) -> None:
        """What comes now is body."""
        self._head_bytes = 0
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A part of the body begins, or after the last one the trailers."""
        self._head_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Bytes of the body count for themselves (gates.RequestLimits)."""
        self._head_bytes = max(0, self._head_bytes - len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The next request begins."""
        self._head_bytes = 0
        super().on_message_complete()


def config_of(app: ASGIApp, **more: object) -> uvicorn.Config:
    """How uvicorn serves our apps: it logs nothing, and believes no headers of proxies."""
    return uvicorn.Config(
        app,
        **{  # type: ignore[arg-type]
            "log_level": "warning",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "proxy_headers": False,
            "ws": "none",
            "http": BoundedHttp,
            "timeout_graceful_shutdown": 3,
            **more,
        },
    )
