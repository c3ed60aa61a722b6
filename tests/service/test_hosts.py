"""By which names a server may be called: asked of a real one, over real sockets."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from soundkin.errors import UsageError
from soundkin.service.hosts import RefuseForeignNames, is_loopback, listen, names_us, url_of


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
        return True
    except OSError:
        return False


IPV6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6 loopback")


@contextmanager
def served(host: str) -> Iterator[int]:
    """A page at `host`, on the port that is given, guarded as `soundkin assess` guards its own."""
    listening = listen(host, 0)
    address, port = listening.getsockname()[:2]
    guards = [Middleware(RefuseForeignNames, host=host)] if is_loopback(address) else []
    app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))], middleware=guards)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def status(connect_to: str, port: int, header: str | None = None) -> int:
    """What the server at an address answers to a Host header, by default that of a browser."""
    with closing(http.client.HTTPConnection(connect_to, port, timeout=10)) as connection:
        connection.request("GET", "/", headers={"Host": header} if header is not None else {})
        return connection.getresponse().status


@IPV6
@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_ipv6_by_every_name_that_it_has(host: str) -> None:
    with served(host) as port:
        for header in (
            None,
            f"[::1]:{port}",
            "[::1]",
            f"[0:0:0:0:0:0:0:1]:{port}",
            f"localhost:{port}",
            "LOCALHOST",
        ):
            assert status("::1", port, header) == 200, header
        for header in (
            "evil.example",
            f"evil.example:{port}",
            "[2001:db8::1]",
            "[::1",
            "::1].evil.example",
            "",
        ):
            assert status("::1", port, header) == 400, header


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_ipv4_and_names_of_this_machine(host: str) -> None:
    with served(host) as port:
        for header in (
            None,
            "127.0.0.1",
            f"localhost:{port}",
            "localhost.",
            f"[::1]:{port}",
            f"{host}:{port}",
        ):
            assert status(host, port, header) == 200, header
        assert status(host, port, "localhost.evil.example") == status(host, port, "192.168.0.7") == 400


def test_a_name_that_is_given_is_ours() -> None:
    assert names_us("MyBox.lan:8000", "mybox.LAN") and not names_us("otherbox.lan:8000", "mybox.lan")


@pytest.mark.parametrize("host", ["0.0.0.0", pytest.param("::", marks=IPV6)])
def test_where_others_are_meant_any_name_goes(host: str) -> None:
    with served(host) as port:
        assert status("127.0.0.1", port) == status("127.0.0.1", port, "mybox.lan") == 200
        if host == "::":
            assert status("::1", port) == 200
    assert url_of(host, 8000) == "http://localhost:8000/"


def test_addresses_to_open() -> None:
    assert url_of("::1", 80) == url_of("[::1]", 80) == "http://[::1]:80/"
    assert url_of("mybox", 80) == "http://mybox:80/"


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "999.1.1.1", "x" * 80])
def test_a_host_that_is_none_is_a_usage_error(host: str) -> None:
    with pytest.raises(UsageError, match=r"cannot be taken: .*Give another"):
        listen(host, 0)
