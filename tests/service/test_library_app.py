"""The app as a whole: health, counts, and what it does where something of ours breaks."""

import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from soundkin.service import track_routes
from soundkin.service.problems import BusyError
from soundkin.service.workload import Workload


def test_health_says_what_is_served(asked):
    assert asked.get("healthz").json() == {"status": "ok"}
    ready = asked.get("readyz").json()
    assert ready == {
        "status": "ok",
        "version": "v1",
        "tracks": 32,
        "neighbours_stored": False,
        "behind": False,
    }


def test_requests_are_counted_by_route_and_never_by_what_was_asked(asked):
    def counted():
        text = asked.get("metrics").content.decode()
        assert "very-odd" not in text
        found = re.search(r'soundkin_requests_total\{method="GET",route="none",status="404"\} ([\d.]+)', text)
        return float(found[1]) if found else 0.0

    before = counted()
    for number in range(3):
        asked.get(f"very-odd-{number}")
    assert asked.ask("LOCK", "/tracks").status == 405
    assert counted() == before + 3


def test_openapi_describes_all_routes_with_examples_and_problems(asked):
    schema = asked.get("openapi.json").json()
    assert set(schema["paths"]) >= {
        "/tracks",
        "/tracks/{track_id}",
        "/tracks/{track_id}/similar",
        "/tracks/{track_id}/why/{other_id}",
        "/tracks/{track_id}/audio",
        "/query",
        "/query/audio",
        "/paths",
        "/playlists",
        "/users/{user_id}/recommendations",
        "/recommendations",
        "/map",
        "/healthz",
        "/readyz",
        "/metrics",
    }
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert operation["summary"] and operation["description"], path
            assert "application/problem+json" in operation["responses"]["422"]["content"]


def test_a_bug_is_a_problem_that_tells_nothing_and_is_logged(asked, monkeypatch, caplog):
    def broken(*args):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(track_routes, "track_at", broken)
    answer = asked.get("tracks")
    assert answer.status == 500 and "secret" not in answer.content.decode()
    assert answer.headers["content-security-policy"] and "secret detail" in caplog.text


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/query/audio", "audio/mpeg"),
        ("/query", "application/json"),
        ("/rest/ping", "application/x-www-form-urlencoded"),
    ],
)
def test_a_client_that_goes_away_breaks_nothing(serve_library, library, caplog, path, kind):
    caplog.set_level("INFO")
    served = serve_library(library, access_log=True)
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 99\r\n\r\nabc"
    )
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(request.encode())
    deadline = time.monotonic() + 30
    while f"POST {path}" not in caplog.text:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert "broke" not in caplog.text and " 500 " not in caplog.text


def test_too_much_at_once_is_503_and_says_when_to_ask_again(asked, monkeypatch):
    async def busy(self, work):
        raise BusyError("too many requests wait for an answer. Ask again in a moment.")

    monkeypatch.setattr(Workload, "run", busy)
    answer = asked.get("tracks")
    assert answer.status == 503 and int(answer.headers["retry-after"]) > 0
    assert "again" in answer.json()["detail"]


@pytest.mark.parametrize("waiting", [0, 1])
def test_no_more_wait_than_may(waiting):
    import anyio

    async def crowd():
        workload = Workload(threads=1, most_waiting=waiting)
        refused = []

        async def one():
            try:
                await workload.run(lambda: None)
            except BusyError:
                refused.append(1)

        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(one)
        return len(refused)

    with ThreadPoolExecutor(1) as thread:  # this one may hold the loop of a browser that a test has opened
        assert thread.submit(anyio.run, crowd).result() == 4 - waiting
