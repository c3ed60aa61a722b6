"""Why, paths, playlists and recommendations over HTTP."""

import pytest

from soundkin.pipelines.make_playlist import playlist
from soundkin.pipelines.path import path
from soundkin.pipelines.recommend import recommend
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


def test_a_history_is_answered_as_from_python_and_says_what_is_lost(asked, index, ids, tmp_path):
    text = f"track_id\n{ids[3]}\n{ids[4]}\n{ids[3]}\nnowhere\n"
    (tmp_path / "history.csv").write_text(text)
    expected = recommend(index, history=tmp_path / "history.csv", k=7)
    found = asked.post("/recommendations?k=7", text.encode(), "text/csv").json()
    assert [each["track_id"] for each in found["answers"]] == [each.track_id for each in expected]
    assert (found["plays"], found["lost_plays"]) == (4, 1)
    assert found["lost"] == [{"name": "nowhere", "plays": 1}]
    title, artist = (index.tracks.label(5)[place] for place in (1, 2))
    listens = [{"listened_at": 1, "track_metadata": {"artist_name": artist, "track_name": title}}]
    listens += [{"artist": "\ud800", "title": "half a character"}]
    found = asked.post("/recommendations?half_life=30", listens).json()
    assert len(found["answers"]) == 20 and found["lost_plays"] == 1


@pytest.mark.parametrize("text", ["", "[]", "nowhere", '{"a": ', "[" * 100_000, "\udcff"])
def test_a_history_that_says_nothing_is_refused(asked, text):
    answer = asked.post("/recommendations", text.encode("utf-8", "surrogateescape"))
    assert answer.status == 422 and answer.json()["detail"].startswith("history")
