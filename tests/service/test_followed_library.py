"""A library that changes while it is served."""

import threading

import pytest

import edited_index
from soundkin.pipelines.query import query
from soundkin.search.edits import remove_tracks
from soundkin.search.neighbour_store import ListSettings
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import open_index
from soundkin.search.versions import roll_back
from soundkin.service.followed_library import FollowedLibrary
from soundkin.service.problems import NoSuchTrackError


@pytest.fixture
def folder(tmp_path):
    edited_index.build(tmp_path / "library" / "index", range(60))
    (tmp_path / "library" / "catalog.csv").touch()
    return tmp_path / "library"


def store(folder):
    update_store(str(folder / "neighbours.lmdb"), open_index(folder / "index"), ListSettings(k=5))


def test_it_goes_on_to_new_versions_and_back_to_old_ones(folder):
    library = FollowedLibrary(folder)
    first = library.current
    library.look()
    assert library.current is first and library.swaps == 0
    remove_tracks(folder / "index", ["track-00007"])
    library.look()
    assert (library.current.version, len(library.current.index), library.swaps) == ("v2", 59, 1)
    with pytest.raises(NoSuchTrackError, match="track-00007"):
        library.current.row("track-00007")
    assert first.row("track-00007") == 7, "what began with a version ends with it"
    roll_back(folder / "index", None, lambda version: None)
    library.look()
    assert library.current.version == "v1" and library.current.row("track-00007") == 7


def test_stored_neighbours_are_of_the_version_or_not_used(folder):
    library = FollowedLibrary(folder)
    assert library.current.stored is None
    store(folder)
    library.look()
    assert library.current.stored.most == 5
    edited_index.update(folder / "index", range(10))
    library.look()
    assert library.current.version == "v2" and library.current.stored is None
    store(folder)
    library.look()
    stored = library.current.stored.answers("track-00003")
    live = query(open_index(folder / "index"), "track-00003", k=5)
    assert [library.current.index.tracks.label(row).track_id for row in stored.tracks] == [
        answer.track_id for answer in live
    ]


def test_a_broken_version_is_not_gone_on_to_and_its_repair_is(folder):
    library = FollowedLibrary(folder)
    edited_index.update(folder / "index", range(10))
    manifest = folder / "index" / "v2" / "manifest.json"
    whole = manifest.read_bytes()
    manifest.write_bytes(b"{}")
    library.look()
    assert library.current.version == "v1" and "checksum" in library.problem
    manifest.write_bytes(whole)
    library.look()
    assert library.current.version == "v2" and library.problem == ""


def test_a_broken_store_is_answered_without(folder, serve_library):
    store(folder)
    content = bytearray((folder / "neighbours.lmdb").read_bytes())
    served = serve_library(folder)
    expected = served.get("tracks", "track-00003", "similar", k=5).json()
    for place in range(8192, len(content)):
        content[place] ^= 0xFF
    (folder / "neighbours.lmdb").write_bytes(content)
    found = served.get("tracks", "track-00003", "similar", k=5)
    assert found.status == 200
    assert len(found.json()["answers"]) == len(expected["answers"])


def test_no_answer_is_of_two_versions(folder, serve_library):
    """Every version has titles of its own, and clients ask all the while."""
    served = serve_library(folder)
    found, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            for target in ("/tracks/track-00003/similar?k=9", "/tracks?limit=60", "/tracks/track-00005"):
                answer = served.ask("GET", target)
                found.append((answer.status, answer.json()))

    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    for version in range(2, 6):
        edited_index.update(folder / "index", range(60), seed=version, title=f"Of v{version}")
        if version % 2:
            store(folder)
        while served.get("readyz").json()["version"] != f"v{version}":
            pass
    stop.set()
    for client in clients:
        client.join()
    for status, answer in found:
        assert status == 200
        tracks = answer.get("answers", answer.get("tracks", [answer]))
        expected = "Title" if answer["version"] == "v1" else f"Of {answer['version']}"
        assert {track["title"].rpartition(" ")[0] for track in tracks} == {expected}
    assert {answer["version"] for _, answer in found} >= {"v2", "v5"}
