"""A library that is really served, over real sockets, and a client that asks it."""

import http.client
import json
import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, urlencode

import uvicorn

from soundkin.pipelines.serve import ServeSettings
from soundkin.service.http_server import config_of
from soundkin.service.library_app import make_library_app


class Answer:
    def __init__(self, response):
        self.status, self.headers, self.content = response.status, response.headers, response.read()

    @property
    def type(self):
        return self.headers.get("content-type", "")

    def json(self):
        return json.loads(self.content)


class ServedApp:
    """An app on a port of its own, in a thread."""

    def __init__(self, folder: Path, **settings):
        settings = {"loopback_name": "127.0.0.1", "access_log": False, **settings}
        self.app = make_library_app(ServeSettings(folder, **settings))
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.server = uvicorn.Server(config_of(self.app))
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)

    def stop(self):
        self.server.should_exit = True
        self.thread.join()
        self.socket.close()

    def ask(self, method, target, body=None, headers=()):
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)) as connection:
            connection.request(method, target, body, dict(headers))
            return Answer(connection.getresponse())

    def get(self, *parts, headers=(), **parameters):
        """GET /PART/PART?parameters; parts and values are quoted here."""
        target = "/" + "/".join(quote(part, safe="") for part in parts)
        query = urlencode(parameters, doseq=True)
        return self.ask("GET", f"{target}?{query}" if query else target, headers=headers)

    def post(self, target, body, kind="application/json"):
        content = json.dumps(body) if kind == "application/json" and not isinstance(body, bytes) else body
        return self.ask("POST", target, content, {"Content-Type": kind})

    def raw(self, request: bytes) -> bytes:
        """What comes back for bytes that no client would send."""
        with closing(socket.create_connection(("127.0.0.1", self.port), timeout=30)) as connection:
            connection.sendall(request)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)
