"""Asked as plugins for AudioMuse-AI ask, through a real server."""

import shutil

import pytest

import edited_index
from soundkin.catalog.server_ids import write_server_ids
from soundkin.pipelines.query import query
from soundkin.search.vector_index import open_index

TOKEN = "a token of many characters"
FIRST = "track-00003"


@pytest.fixture(scope="module")
def linked_library(tmp_path_factory):
    """Sixty tracks, of which a server has all but the last ten, as `nav-0` and so on; do not change it."""
    folder = tmp_path_factory.mktemp("linked") / "library"
    edited_index.build(folder / "index", range(60))
    (folder / "catalog.csv").touch()
    ids = [(f"nav-{number}", f"track-{number:05}", "path") for number in range(50)]
    write_server_ids(ids, folder / "server_ids.csv")
    return folder


@pytest.fixture
def served(linked_library, serve_library):
    return serve_library(linked_library)


def ours(server_id):
    return f"track-{int(server_id.removeprefix('nav-')):05}"


def test_navidromes_plugin(linked_library, serve_library):
    """It sends a Bearer token, reads no status but 200, and takes the list in its order."""
    served = serve_library(linked_library, token=TOKEN)
    asked = {"item_id": "nav-3", "n": 12, "eliminate_duplicates": "true", "radius_similarity": "true"}
    answer = served.get("api", "similar_tracks", **asked, headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status == 200 and answer.type == "application/json"
    tracks = answer.json()
    assert len(tracks) == 12 and {type(track["item_id"]) for track in tracks} == {str}
    assert set(tracks[0]) == {"item_id", "title", "author", "album", "distance"}
    assert "nav-3" not in {track["item_id"] for track in tracks}
    distances = [track["distance"] for track in tracks]
    assert all(0 <= distance <= 2 for distance in distances)
    assert served.get("api", "similar_tracks", **asked).status == 401


def test_answers_are_those_of_a_query_among_what_the_server_has(served, linked_library):
    index = open_index(linked_library / "index")
    everything = query(index, FIRST, k=59, artist_cap=0)
    expected = [each for each in everything if each.track_id < "track-00050"]
    found = served.get("api", "similar_tracks", item_id="nav-3", n=1000, eliminate_duplicates="false").json()
    assert [ours(track["item_id"]) for track in found] == [each.track_id for each in expected]
    assert [track["distance"] for track in found] == pytest.approx([1 - each.score for each in expected])
    assert [track["title"] for track in found] == [each.title for each in expected]
    assert [track["author"] for track in found] == [each.artist for each in expected]


def test_few_tracks_of_an_artist_unless_it_is_said_that_any_number_goes(served):
    capped = served.get("api", "similar_tracks", item_id="nav-3", n=8).json()
    free = served.get("api", "similar_tracks", item_id="nav-3", n=8, eliminate_duplicates="false").json()
    most = [
        max(map([track["author"] for track in tracks].count, {t["author"] for t in tracks}))
        for tracks in (capped, free)
    ]
    assert most[0] <= 2 and len(capped) == len(free) == 8


def test_by_title_and_artist(served):
    by_id = served.get("api", "similar_tracks", item_id="nav-3").json()
    assert served.get("api", "similar_tracks", title="TITLE 3", artist="artist 3").json() == by_id
    assert served.get("api", "similar_tracks", title="Title 3", artist="artist 4").status == 404


def test_without_links_ids_are_our_own(linked_library, serve_library, tmp_path):
    shutil.copytree(linked_library, tmp_path / "library")
    (tmp_path / "library" / "server_ids.csv").unlink()
    found = serve_library(tmp_path / "library").get("api", "similar_tracks", item_id=FIRST, n=59).json()
    assert {track["item_id"] for track in found} - {f"track-{number:05}" for number in range(60)} == set()
    assert len(found) == 59


def test_a_path_has_its_ends_and_goes_by_what_the_server_has(served):
    asked = {"start_song_id": "nav-3", "end_song_id": "nav-40", "max_steps": 9}
    more = {"count": 9, "path_fix_size": "false", "mood_pct": 100, "server": "home"}  # passed over
    answer = served.get("api", "find_path", **asked, **more).json()
    ids = [track["item_id"] for track in answer["path"]]
    assert (ids[0], ids[-1], len(ids)) == ("nav-3", "nav-40", 9)
    assert all(track_id.startswith("nav-") for track_id in ids) and len(set(ids)) == 9
    steps = [track["distance"] for track in answer["path"]]
    assert steps[0] == 0 and answer["total_distance"] == pytest.approx(sum(steps))


def test_alchemy_adds_and_subtracts(served):
    def ids(*items, **more):
        answer = served.post("/api/alchemy", {"items": list(items), **more})
        assert answer.status == 200, answer.json()
        return [track["item_id"] for track in answer.json()["results"]]

    one = ids({"id": "nav-3", "op": "ADD", "type": "song"}, n=5)
    single = served.get("api", "similar_tracks", item_id="nav-3", n=5).json()
    assert one == [track["item_id"] for track in single]
    away = ids({"id": "nav-3", "op": "ADD"}, {"id": one[0], "op": "SUBTRACT"}, n=5, temperature=0)
    assert one[0] not in away and len(away) == 5
    both = ids({"id": "nav-3", "op": "ADD"}, {"id": "nav-20", "op": "ADD"}, {"id": "nav-20", "op": "ADD"})
    assert not {"nav-3", "nav-20"} & set(both) and len(both) == 25


def test_search(served):
    found = served.get("api", "search_tracks", search_query="title 1").json()
    assert found[0] == {"item_id": "nav-1", "title": "Title 1", "author": "Artist 1", "album": "unknown"}
    page = served.get("api", "search_tracks", search_query="title 1", start=2, end=5).json()
    assert page == found[2:5]
    by_artist = served.get("api", "search_tracks", artist="Artist 7").json()
    assert "nav-7" in {track["item_id"] for track in by_artist}
    for asked in ({}, {"title": "ti"}, {"search_query": "title", "start": 5, "end": 5}):
        assert served.get("api", "search_tracks", **asked).json() == []


def test_health(served):
    assert served.get("api", "health").json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("path", "asked", "status", "error"),
    [
        ("similar_tracks", {"item_id": "nav-999"}, 404, "no track of the library has the id 'nav-999'"),
        ("similar_tracks", {}, 400, "name a track: item_id"),
        ("similar_tracks", {"title": "Title 3"}, 400, "item_id, or title and artist"),
        ("similar_tracks", {"item_id": "nav-3", "n": "many"}, 422, "should be a whole number"),
        ("similar_tracks", {"item_id": "x" * 501}, 422, "at most 500"),
        ("find_path", {"start_song_id": "nav-3"}, 400, "a path has two ends"),
        ("find_path", {"start_song_id": "nav-3", "end_song_id": "nav-3"}, 400, "same track"),
        ("find_path", {"start_song_id": "nav-3", "end_song_id": "no"}, 404, "no track"),
        ("hyperbolic/similar", {}, 404, "nothing here"),
    ],
)
def test_errors_are_said_as_these_clients_read_them(served, path, asked, status, error):
    answer = served.get("api", *path.split("/"), **asked)
    assert answer.status == status and error in answer.json()["error"]
    assert answer.json()["detail"] == answer.json()["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"items": []}, 422),
        ({"items": [{"id": "nav-3", "op": "SUBTRACT"}]}, 400),
        ({"items": [{"id": "nav-3", "op": "ADD"}, {"id": "nav-3", "op": "SUBTRACT"}]}, 400),
        ({"items": [{"id": "nav-3", "op": "ADD", "type": "artist"}]}, 422),
        ({"items": [{"id": "nav-999", "op": "ADD"}]}, 404),
        ({"items": [{"id": "nav-3", "op": "ADD"}] * 51}, 422),
        (b"{", 422),
    ],
)
def test_what_alchemy_cannot_do(served, body, status):
    answer = served.post("/api/alchemy", body)
    assert answer.status == status and answer.json()["error"]


@pytest.mark.parametrize("n", [-5, 0, 1, 10**9, 10**30])
def test_any_number_is_brought_within_the_limits(served, n):
    found = served.get("api", "similar_tracks", item_id="nav-3", n=n).json()
    assert 1 <= len(found) <= 49
    path = served.get("api", "find_path", start_song_id="nav-3", end_song_id="nav-4", max_steps=n).json()[
        "path"
    ]
    assert 2 <= len(path) <= 50
    assert served.post("/api/alchemy", {"items": [{"id": "nav-3"}], "n": n}).status == 200


def test_other_problems_are_as_they_were(served):
    assert "error" not in served.get("tracks", "nobody").json()


def test_new_links_are_answered_with_at_once(linked_library, serve_library, tmp_path):
    shutil.copytree(linked_library, tmp_path / "library")
    served = serve_library(tmp_path / "library")
    ids = [(f"{number}", f"track-{number:05}", "path") for number in range(60)]
    write_server_ids(ids, tmp_path / "library" / "server_ids.csv")
    while served.get("api", "similar_tracks", item_id="3").status != 200:
        pass
    found = served.get("api", "similar_tracks", item_id="3", n=59).json()
    assert {track["item_id"] for track in found} == {str(number) for number in range(60)} - {"3"}
