"""Each request counted, timed and, if wanted, logged: by the route's pattern, never by what was asked for.

The access log holds paths without queries: players send tokens and passwords in these.
"""

import logging
import os
import time

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from soundkin.service.problems import problem

access = logging.getLogger("soundkin.access")
log = logging.getLogger(__name__)

PROCESSES_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where several processes add up their counts
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class RequestMetrics:
    """What a server counts; several processes of one server add theirs up."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("soundkin_requests", "Requests answered.", labels, registry=self._registry)
        self.seconds = Histogram(
            "soundkin_request_seconds",
            "Time from a request to the end of its answer.",
            ("route",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._tracks = self._newest("soundkin_tracks", "Tracks of the version being served.")
        self._swaps = self._newest("soundkin_version_swaps", "Newer versions gone on to.")

    def _newest(self, name: str, what: str) -> Gauge:
        """A gauge that shows what was set last, by whichever process."""
        return Gauge(name, what, registry=self._registry, multiprocess_mode="mostrecent")

    def exposed(self, tracks: int, swaps: int) -> Response:
        """All counts, in the text format of Prometheus."""
        self._tracks.set(tracks)
        self._swaps.set(swaps)
        registry = self._registry
        if PROCESSES_FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class Watched:
    """Counts, times and logs; answers 500 where something of ours breaks, and logs the traceback."""

    def __init__(self, app: ASGIApp, metrics: RequestMetrics, access_log: bool) -> None:
        self.app, self.metrics, self.access_log = app, metrics, access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and note what became of it."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        began, status = time.perf_counter(), 0

        async def send_and_see(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_see)
        except ClientDisconnect:
            pass  # in the middle of a body: there is nobody to answer
        except Exception:
            log.exception("%s %s broke", scope["method"], _printable(scope))
            if status:  # half of an answer is out: let the server break off
                raise
            detail = "something broke here, and is in the server's log. It is a bug of soundkin."
            await problem(500, detail)(scope, receive, send_and_see)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.metrics.requests.labels(method, route, status or "none").inc()
        self.metrics.seconds.labels(route).observe(seconds)
        if self.access_log:
            client = (scope.get("client") or ("-",))[0]
            line = "%s %s %s %d %.1f ms"
            access.info(line, client, scope["method"], _printable(scope), status, 1000 * seconds)


METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def _printable(scope: Scope) -> str:
    """The path as it was sent, percent signs and all, on one line."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.decode("ascii", "backslashreplace")[:500].encode("unicode_escape").decode()
