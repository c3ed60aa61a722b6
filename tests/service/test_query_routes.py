"""Queries over HTTP: described, or by audio that is uploaded."""

import json
from pathlib import Path

import numpy as np
import pytest

from soundkin.pipelines.query import query
from soundkin.search.vector_index import open_index


@pytest.fixture(scope="module")
def index(library):
    return open_index(library / "index")


def test_a_description_is_answered_as_from_python(asked, index):
    first, second = index.tracks.label(3), index.tracks.label(20)
    body = {
        "like": [first.track_id, {"name": second.track_id, "kind": "track", "weight": 2}],
        "unlike": [f"track:{index.tracks.label(11).track_id}"],
        "k": 6,
        "columns": ["genre"],
    }
    answer = asked.post("/query", body).json()
    like = [first.track_id, f"track:{second.track_id}^2"]
    expected = query(index, like, 6, unlike=f"track:{index.tracks.label(11).track_id}")
    assert [each["track_id"] for each in answer["answers"]] == [each.track_id for each in expected]
    assert answer["version"] == "v1" and set(answer["answers"][0]["catalog"]) == {"genre"}


def test_words_are_asked_by_as_on_the_command_line(asked, index):
    label = index.tracks.label(9)
    body = {"like": [f"artist:{label.artist}"], "k": 3}
    expected = query(index, f"artist:{label.artist}", k=3)
    assert [each["track_id"] for each in asked.post("/query", body).json()["answers"]] == [
        each.track_id for each in expected
    ]


@pytest.mark.parametrize("kind", ["any", "file", "playlist"])
def test_no_seed_reads_a_file_of_the_server(asked, index, library, monkeypatch, kind):
    audio = index.audio_path(index.tracks.label(0).path)
    monkeypatch.chdir(Path(audio).parent)
    names = [audio, Path(audio).name, f"file:{audio}", f"playlist:{library / 'catalog.csv'}", "/etc/passwd"]
    for name in names:
        answer = asked.post("/query", {"like": [{"name": name, "kind": kind}]})
        assert answer.status in (400, 422), name
        assert str(library) not in answer.content.decode()


def test_what_is_off_is_a_problem_that_says_where(asked):
    for body, where in (
        ({}, "like"),
        ({"like": []}, "like"),
        ({"like": ["a"] * 51}, "like"),
        ({"like": ["a"], "k": 0}, "body.k"),
        ({"like": ["a"], "k": 10**9}, "body.k"),
        ({"like": ["a"], "k": "ten"}, "body.k: should be a whole number"),
        ({"like": "a"}, "body.like: should be a list"),
        ({"like": ["a"], "k": 0}, "body.k: should be greater than or equal to 1"),
        ([], "body: should be a mapping"),
        ({}, "body.like: is missing"),
        ({"like": ["a"], "likes": 1}, "body.likes: is unknown"),
        ({"like": ["x" * 501]}, "body.like"),
        ({"like": [" "]}, "blank"),
        ({"like": [{"name": " "}]}, "blank"),
        ({"like": [{"name": " ", "kind": "album"}]}, "album"),
        ({"like": ["artist: "]}, "no name follows artist:"),
        ({"like": ["a^-1"]}, "weight"),
        ({"like": ["a"], "columns": ["path"]}, "path"),
        ({"like": ["a"], "where": ["no condition"]}, "condition"),
    ):
        answer = asked.post("/query", body)
        assert answer.status in (400, 422) and where in answer.json()["detail"], (body, answer.content)
        assert answer.type == "application/problem+json"


def test_fields_by_the_thousand_are_refused_in_few_words(asked):
    body = {"like": ["a"], **{f"f{number}": 1 for number in range(4_000)}}
    answer = asked.post("/query", body)
    assert answer.status == 422 and len(answer.content) < 4_000
    body |= {f"g{number}": 1 for number in range(10_000)}
    assert asked.post("/query", body).status == 413


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"[" * 60_000, "application/json"),
        (b'{"like": ["\\ud800"]}', "application/json"),
        (b'{"like": [NaN]}', "application/json"),
        (b'{"like": ["a"], "k": 1e999}', "application/json"),
        (b'{"like": ["a"]}', "text/plain"),
        (b"like=a", "application/x-www-form-urlencoded"),
        (b"", "application/json"),
    ],
)
def test_what_is_no_json_is_a_problem(asked, content, kind):
    answer = asked.post("/query", content, kind)
    assert answer.status in (400, 415, 422) and answer.json()["detail"]


def test_an_uploaded_file_is_answered_as_a_file_is(asked, index):
    path = Path(index.audio_path(index.tracks.label(4).path))
    found = asked.post("/query/audio?k=5", path.read_bytes(), "audio/mpeg").json()["answers"]
    expected = query(index, vector=index.vector(4), k=5)
    assert found[0]["track_id"] == index.tracks.label(4).track_id and found[0]["score"] > 0.999
    assert [each["track_id"] for each in found] == [each.track_id for each in expected]


def test_uploads_that_are_no_audio_are_refused_and_leave_nothing(asked, tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for content in (
        b"",
        b"no music",
        np.random.default_rng(0).bytes(10_000),
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
    ):
        answer = asked.post("/query/audio", content, "application/octet-stream")
        assert answer.status == 422, answer.content
        assert "upload" in answer.json()["detail"] and str(tmp_path) not in answer.content.decode()
    assert asked.post("/query/audio", b"x", "text/html").status == 415
    assert list(tmp_path.iterdir()) == []


def test_the_description_in_openapi_is_an_example_that_is_understood(asked):
    schema = json.loads(asked.get("openapi.json").content)
    body = schema["paths"]["/query"]["post"]["requestBody"]["content"]["application/json"]
    example = (body.get("examples") or body["schema"]["examples"])[0]
    assert asked.post("/query", example).status == 400, "understood, but the library has no such album"


def test_a_query_says_why_there_are_fewer_answers_and_tells_no_paths(asked):
    seed = asked.get("tracks", limit=1).json()["tracks"][0]["track_id"]
    found = asked.post("/query", {"like": [seed], "where": ["genre=polka"]}).json()
    assert (
        found["answers"] == []
        and "none of 32 tracks match genre=polka. Values of genre are" in found["why_fewer"]
    )
    assert asked.post("/query", {"like": [seed], "k": 5}).json()["why_fewer"] == ""
    refused = asked.post("/query", {"like": [seed], "where": ["path=nowhere"]})
    assert refused.status == 400 and "there is no column 'path'" in refused.json()["detail"]


def test_trajectories_are_asked_by(asked, index):
    answer = asked.post("/query", {"like": [index.tracks.label(3).track_id], "by": "trajectory"})
    assert answer.status == 400 and "too short to have a trajectory" in answer.content.decode()
    answer = asked.post("/query", {"like": ["song"], "by": "shape"})
    assert answer.status == 422 and "body.by" in answer.content.decode()
