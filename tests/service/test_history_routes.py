"""Recommendations for listening histories over HTTP."""

import json

import pytest

from soundkin.pipelines.recommend import recommend
from soundkin.search.vector_index import open_index
from soundkin.service.history_routes import LONGEST_HISTORY


@pytest.fixture(scope="module")
def index(library):
    return open_index(library / "index")


@pytest.fixture(scope="module")
def plays(index):
    """A play by id, two by names in another spelling, three of a track that is not there."""
    here = [index.tracks.label(row) for row in (3, 8)]
    spelled = {"artist_name": here[1].artist.upper(), "track_name": f"{here[1].title} (Live)"}
    return [
        {"track_id": here[0].track_id},
        *[{"listened_at": 1_700_000_000 + day, "track_metadata": spelled} for day in range(2)],
        *[{"artist": "Nobody", "title": "Nothing"}] * 3,
    ]


def test_a_history_is_answered_as_by_python_and_says_what_was_not_found(asked, index, plays, tmp_path):
    (tmp_path / "history.json").write_text(json.dumps(plays))
    expected = recommend(index, history=tmp_path / "history.json", k=6, artist_cap=1)
    answer = asked.post("/recommendations?k=6&artist_cap=1&columns=genre", plays)
    found = answer.json()
    assert [each["track_id"] for each in found["answers"]] == [each.track_id for each in expected]
    assert found["version"] and all(set(each["catalog"]) == {"genre"} for each in found["answers"])
    assert found["history"] == {
        "plays": 6,
        "found_plays": 3,
        "found_tracks": 2,
        "lost_tracks": 1,
        "lost": [{"name": "Nobody - Nothing", "plays": 3}],
    }


def test_a_table_and_lines_are_taken_too(asked, index, plays):
    known = index.tracks.label(3).track_id
    by_json = asked.post("/recommendations", [{"track_id": known}]).json()
    for content in (f"track_id\n{known}\n", f"\ufefftrack_id,title\n{known},x\n"):
        assert asked.post("/recommendations", content.encode(), "text/csv").json() == by_json
    lines = "\n".join(map(json.dumps, plays)).encode()
    assert asked.post("/recommendations", lines, "application/x-ndjson").json()["history"]["plays"] == 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "names no tracks"),
        (b"{", "neither JSON"),
        (b"\xff\xfe", "UTF-8"),
        (b"[" * 200_000, "too deeply"),
        (b"artist,title\nA," + b"x" * 200_000, "neither JSON nor a table"),
        (b'[{"artist": "\\ud800", "title": "x"}]', "none of its 1 plays"),
        (b'[{"track_id": "nowhere", "ts": 1e999}]', "time"),
        (b'[{"artist": "Nobody", "title": "Nothing"}]', "Nobody - Nothing (1)"),
    ],
)
def test_what_is_no_history_is_a_problem(asked, library, content, said):
    answer = asked.post("/recommendations", content, "application/octet-stream")
    assert answer.status == 400 and said in answer.json()["detail"], answer.content
    assert answer.type == "application/problem+json" and str(library) not in answer.content.decode()


def test_limits(asked, plays):
    head = (
        f"POST /recommendations HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {LONGEST_HISTORY + 1}\r\n\r\n"
    )
    assert asked.raw(head.encode()).startswith(b"HTTP/1.1 413 ")
    long = json.dumps([*plays, {"artist": "Nobody", "title": "x" * 70_000}]).encode()  # than other bodies
    assert asked.post("/recommendations", long).status == 200
    for off in ("k=0", "half_life=0", "half_life=nan", "artist_cap=0", "columns=path", "where=path=x"):
        assert asked.post(f"/recommendations?{off}", plays).status in (400, 422), off


def test_the_example_in_openapi_is_understood(asked):
    schema = asked.get("openapi.json").json()
    content = schema["paths"]["/recommendations"]["post"]["requestBody"]["content"]
    for kind, described in content.items():
        example = described["example"]
        sent = (example if isinstance(example, str) else json.dumps(example)).encode()
        answer = asked.post("/recommendations", sent, kind)
        assert answer.status == 200 or "none of its" in answer.json()["detail"]
