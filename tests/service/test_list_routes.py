"""Why, paths, playlists and recommendations over HTTP."""

import pytest

from soundkin.pipelines.make_playlist import playlist
from soundkin.pipelines.path import path
from soundkin.pipelines.why import why
from soundkin.search.vector_index import open_index


@pytest.fixture(scope="module")
def index(library):
    return open_index(library / "index")


@pytest.fixture(scope="module")
def ids(index):
    return [index.tracks.label(row).track_id for row in range(len(index))]


def test_why_says_what_python_says(asked, index, ids):
    answer = asked.get("tracks", ids[2], "why", ids[9])
    found = answer.json()
    expected = why(index, ids[2], ids[9])
    assert found["score"] == pytest.approx(expected.score) and found["lines"][0] == expected.lines()[0]
    assert [fact["column"] for fact in found["facts"]] == [fact.column for fact in expected.facts]
    assert found["moment"]["seconds"] > 0
    fine = asked.get("tracks", ids[2], "why", ids[9], fine=True).json()
    assert fine["moment"]["here_seconds"] == pytest.approx(expected.moment.here_seconds)


def test_a_path_is_that_of_python(asked, index, ids):
    found = asked.get("paths", start=ids[1], end=ids[30], length=6, columns="genre").json()["tracks"]
    expected = path(index, f"track:{ids[1]}", f"track:{ids[30]}", 6)
    assert [each["track_id"] for each in found] == [each.track_id for each in expected]
    assert found[0]["track_id"] == ids[1] and found[-1]["track_id"] == ids[30]
    assert all(set(each["catalog"]) == {"genre"} for each in found)


def test_ends_of_a_path_are_known_and_two(asked, ids):
    assert asked.get("paths", start=ids[0], end="nowhere").status == 404
    assert asked.get("paths", start=ids[0], end=ids[0]).status == 400
    assert asked.get("paths", start=ids[0]).status == 422


def test_a_playlist_is_that_of_python(asked, index, ids):
    body = {"like": [ids[5], f"track:{ids[6]}"], "length": 8, "drift": 0.3, "columns": ["artist"]}
    found = asked.post("/playlists", body).json()["tracks"]
    expected = playlist(index, [ids[5], f"track:{ids[6]}"], length=8, drift=0.3)
    assert [each["track_id"] for each in found] == [each.track_id for each in expected]
    body |= {"unlike": [ids[20]]}
    found = asked.post("/playlists", body).json()["tracks"]
    expected = playlist(index, [ids[5], f"track:{ids[6]}"], [f"track:{ids[20]}"], length=8, drift=0.3)
    assert [each["track_id"] for each in found] == [each.track_id for each in expected]
    assert asked.post("/playlists", {"like": ["playlist:/etc/passwd"]}).status == 400
    assert asked.post("/playlists", {"unlike": ["playlist:/etc/passwd"]}).status == 400
    assert asked.post("/playlists", {}).status == 400


def test_a_model_without_users_says_so(asked):
    answer = asked.get("users", "anna", "recommendations")
    assert answer.status == 400 and "ratings" in answer.json()["detail"]
