"""A library served until interrupted, by one process or several that share a socket."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from socket import socket

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from soundkin.errors import UsageError
from soundkin.pipelines.serve import ServeSettings
from soundkin.service.hosts import is_loopback, listen, url_of
from soundkin.service.http_server import config_of
from soundkin.service.library_app import make_library_app
from soundkin.service.request_metrics import PROCESSES_FOLDER

START_SECONDS = 120  # in which a process has to be up; a shorter one kills and restarts them for ever


def serve_library(settings: ServeSettings, announce: Callable[[str], None]) -> None:
    """Serve until interrupted; `announce` gets the address once it is taken.

    Raises UsageError where others than this machine could call and there is no token.
    """
    listening = listen(settings.host, settings.port)
    address, port = listening.getsockname()[:2]
    try:
        if settings.token is None and is_loopback(address):
            settings = replace(settings, loopback_name=settings.host)
        elif settings.token is None:
            raise UsageError(
                f"at {settings.host} others can call, and there is no token. Give one, --token or "
                "SOUNDKIN_TOKEN, or serve this machine alone: --host 127.0.0.1"
            )
        make = partial(make_library_app, settings)
        if settings.processes == 1:
            app = make()
            announce(url_of(settings.host, port))
            with suppress(KeyboardInterrupt):  # uvicorn has shut down in order, and passes the signal on
                uvicorn.Server(config_of(app)).run(sockets=[listening])
        else:
            make()  # so that what is off is said here and once
            announce(url_of(settings.host, port))
            _serve_by_several(make, settings.processes, listening)
    finally:
        listening.close()


def _serve_by_several(make: Callable[[], ASGIApp], processes: int, listening: socket) -> None:
    with tempfile.TemporaryDirectory(prefix="soundkin-metrics-") as folder:
        os.environ[PROCESSES_FOLDER] = folder
        try:
            slow_start = {"timeout_worker_healthcheck": START_SECONDS}
            config = config_of(make, factory=True, workers=processes, **slow_start)  # type: ignore[arg-type]
            Multiprocess(config, [listening]).run()
        finally:
            del os.environ[PROCESSES_FOLDER]
