"""The server is asked what its OpenAPI allows, and what it does not; `make fuzz` asks over 10,000 times."""

import os
from collections import Counter
from contextlib import suppress

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies
from hypothesis.errors import Unsatisfiable

from soundkin.search.vector_index import open_index

schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis: pip install soundkin[dev]")

CASES = int(os.environ.get("SOUNDKIN_FUZZ_CASES", "1000"))
MOST_BYTES = 4e9
TRACKS = {"track_id", "other_id", "start", "end", "item_id", "start_song_id", "end_song_id"}  # parameters
PUBLISHED = [
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
    schemathesis.checks.status_code_conformance,
]


@pytest.fixture(scope="module")
def openapi(asked):
    return schemathesis.openapi.from_url(f"http://127.0.0.1:{asked.port}/openapi.json")


@pytest.fixture(scope="module")
def known(library):
    index = open_index(library / "index")
    return [index.tracks.label(row).track_id for row in range(len(index))]


def with_known_ids(case, known, turn):
    """Every other time, tracks that there are in place of made-up ones: else all would be 404."""
    if turn % 2:
        for place in (case.path_parameters, case.query):
            for name in TRACKS & set(place or ()):
                place[name] = known[(turn + len(name)) % len(known)]
        if isinstance(case.body, dict) and "items" in case.body:
            case.body["items"] = [{"id": known[turn % len(known)]}]
        elif isinstance(case.body, dict):
            case.body["like"] = [known[turn % len(known)]]
            for name in {"unlike", "where", "columns", "anchor"} & set(case.body):
                del case.body[name]


@pytest.mark.slow
@pytest.mark.parametrize("mode", schemathesis.GenerationMode)
def test_no_request_breaks_the_server_or_reads_what_is_none_of_the_clients(openapi, asked, known, mode):
    operations = [result.ok() for result in openapi.get_all_operations()]
    asked_so_far: Counter[str] = Counter()
    for operation in operations:

        @settings(
            max_examples=-(-CASES // (2 * len(operations))),
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        @given(case=operation.as_strategy(generation_mode=mode), turn=strategies.integers(0, 999))
        def ask(case, turn):
            with_known_ids(case, known, turn)
            response = case.call(timeout=300)
            asked_so_far[case.operation.label, response.status_code] += 1
            check(response, asked)
            case.validate_response(response, checks=PUBLISHED)

        with suppress(Unsatisfiable):  # nothing is wrong to send where there is nothing to send
            ask()
    assert sum(asked_so_far.values()) > CASES / 4
    assert {label for label, status in asked_so_far if status == 200} >= {
        "GET /tracks",
        "GET /tracks/{track_id}/similar",
        "POST /query",
        "POST /playlists",
        "GET /paths",
        "GET /api/similar_tracks",
        "GET /api/find_path",
        "GET /api/search_tracks",
        "POST /api/alchemy",
    } or mode != schemathesis.GenerationMode.POSITIVE
    assert psutil.Process().memory_info().rss < MOST_BYTES, "the server is in this process"
    print(mode, sum(asked_so_far.values()), "cases", asked_so_far)


def check(response, asked):
    """What holds of every answer."""
    busy = response.status_code == 503 and response.headers.get("retry-after")
    assert response.status_code < 500 or busy
    content = response.content.decode("utf-8", "replace")
    for private in asked.app.state.private_names:
        assert private not in content
    assert response.headers["content-security-policy"][0].startswith("default-src 'none'")
    if response.status_code >= 400:
        assert response.headers["content-type"] == ["application/problem+json"]
        assert response.json()["detail"]
