"""Tracks over HTTP: found, looked at, heard; and their neighbours, live and stored."""

import os
from pathlib import Path

import pytest

import edited_index
from soundkin.pipelines.query import query
from soundkin.search.neighbour_store import ListSettings
from soundkin.search.store_update import update_store
from soundkin.search.vector_index import open_index


@pytest.fixture(scope="module")
def index(library):
    return open_index(library / "index")


@pytest.fixture(scope="module")
def some_id(index):
    return index.tracks.label(5).track_id


def test_a_track_is_found_by_words_that_are_begun(asked, index):
    label = index.tracks.label(7)
    typed = f"{label.artist.split()[0][:4].upper()} {label.title.split()[0][:3]}"
    found = asked.get("tracks", q=typed).json()
    assert label.track_id in [track["track_id"] for track in found["tracks"]]
    assert found["version"] == "v1" and found["total"] == len(found["tracks"])


def test_all_tracks_are_paged_through(asked, index):
    pages = [asked.get("tracks", limit=10, offset=offset).json() for offset in range(0, 40, 10)]
    ids = [track["track_id"] for page in pages for track in page["tracks"]]
    assert ids == [index.tracks.label(row).track_id for row in range(len(index))]
    assert {page["total"] for page in pages} == {len(index)}


def test_a_track_tells_all_but_where_its_file_is(asked, index, some_id):
    track = asked.get("tracks", some_id).json()
    assert track["track_id"] == some_id and track["title"] == index.tracks.label(5).title
    assert set(track["catalog"]) == set(index.tracks.columns) - {"path", "audio_folder", "lyrics"}
    assert index.tracks.label(5).path not in asked.get("tracks", some_id).content.decode()


def test_similar_tracks_are_those_of_a_query(asked, index, some_id):
    found = asked.get("tracks", some_id, "similar", k=7, columns=["genre", "year"]).json()
    expected = query(index, f"track:{some_id}", k=7)
    assert [each["track_id"] for each in found["answers"]] == [each.track_id for each in expected]
    assert [each["score"] for each in found["answers"]] == pytest.approx([each.score for each in expected])
    assert [each["rank"] for each in found["answers"]] == list(range(1, 8))
    assert all(set(each["catalog"]) == {"genre", "year"} for each in found["answers"])


def test_conditions_narrow_what_is_similar(asked, some_id):
    genre = asked.get("tracks", some_id).json()["catalog"]["genre"]
    found = asked.get("tracks", some_id, "similar", where=f"genre={genre}", columns="genre").json()
    assert found["answers"] and {each["catalog"]["genre"] for each in found["answers"]} == {genre}


def test_stored_neighbours_are_answered_with_and_the_index_does_the_rest(
    serve_library, tmp_path, monkeypatch
):
    folder = tmp_path / "library" / "index"
    edited_index.build(folder, range(60))
    (tmp_path / "library" / "catalog.csv").touch()
    index = open_index(folder)
    update_store(tmp_path / "library" / "neighbours.lmdb", index, ListSettings(k=5))
    served = serve_library(tmp_path / "library")
    assert served.get("readyz").json()["neighbours_stored"]
    expected = query(index, "track:track-00003", k=5)
    live = served.get("tracks", "track-00003", "similar", k=6)

    def broken(*args, **options):
        raise AssertionError("the index was asked")

    monkeypatch.setattr("soundkin.service.track_routes.ask", broken)
    stored = served.get("tracks", "track-00003", "similar", k=5, columns="year").json()
    assert len(stored["answers"]) == 5 and len(live.json()["answers"]) == 6
    assert [each["rank"] for each in stored["answers"]] == [1, 2, 3, 4, 5]
    for each in stored["answers"]:
        year = index.tracks.batch.column("year")[index.row(each["track_id"])].as_py()
        assert each["catalog"] == {"year": year}
    for k, columns in ((5, ""), (3, ""), (5, "year"), (3, "year")):
        more = {"columns": columns} if columns else {}
        found = served.get("tracks", "track-00003", "similar", k=k, **more).json()
        for each, wanted in zip(found["answers"], expected[:k], strict=True):
            said = (each["track_id"], each["title"], each["rank"], tuple(each["folded"]))
            assert said == (wanted.track_id, wanted.title, wanted.rank, wanted.folded)
            assert each["score"] == pytest.approx(wanted.score, abs=1e-6)
            assert each["closer_than"] == pytest.approx(wanted.closer_than, abs=1e-3)
        assert found["version"] == "v1" and found["why_fewer"] == ""
    assert served.get("tracks", "track-00003", "similar", k=6).status == 500
    assert served.get("tracks", "nowhere", "similar", k=5).status == 404


def test_while_the_store_is_behind_answers_are_those_that_it_will_hold(serve_library, tmp_path):
    folder = tmp_path / "library" / "index"
    edited_index.build(folder, range(60))
    (tmp_path / "library" / "catalog.csv").touch()
    update_store(tmp_path / "library" / "neighbours.lmdb", open_index(folder), ListSettings(k=20))
    served = serve_library(tmp_path / "library")
    edited_index.add(folder, range(60, 63))
    served.app.state.library.look()
    assert not served.get("readyz").json()["neighbours_stored"]
    live = served.get("tracks", "track-00003", "similar", k=5).json()
    update_store(tmp_path / "library" / "neighbours.lmdb", open_index(folder), ListSettings(k=20))
    served.app.state.library.look()
    assert served.get("readyz").json()["neighbours_stored"]
    stored = served.get("tracks", "track-00003", "similar", k=5).json()
    assert [each["track_id"] for each in stored["answers"]] == [each["track_id"] for each in live["answers"]]
    assert set(stored["answers"][0]) == set(live["answers"][0]) and set(stored) == set(live)


def test_audio_is_the_file_and_its_ranges(asked, index, some_id):
    content = Path(index.audio_path(index.tracks.label(5).path)).read_bytes()
    whole = asked.get("tracks", some_id, "audio")
    assert whole.status == 200 and whole.content == content and whole.type.startswith("audio/")
    for asked_for, first, last in (
        ("0-9", 0, 9),
        ("100-", 100, len(content) - 1),
        ("-7", len(content) - 7, -1),
    ):
        part = asked.get("tracks", some_id, "audio", headers={"Range": f"bytes={asked_for}"})
        last = last % len(content)
        assert part.status == 206 and part.content == content[first : last + 1]
        assert part.headers["content-range"] == f"bytes {first}-{last}/{len(content)}"


@pytest.mark.parametrize(
    "odd", ["bytes=5-2", "bytes=-", "bytes=a-b", "lines=1-2", "bytes=0-1,3-4", "bytes=" + "9" * 400]
)
def test_a_range_that_says_nothing_is_passed_over(asked, some_id, odd):
    assert asked.get("tracks", some_id, "audio", headers={"Range": odd}).status == 200


def test_a_range_behind_the_end_is_a_problem(asked, some_id):
    for behind in ("bytes=999999999-", "bytes=-0"):
        answer = asked.get("tracks", some_id, "audio", headers={"Range": behind})
        assert answer.status == 416 and answer.headers["content-range"].startswith("bytes */")
        assert answer.type == "application/problem+json"


@pytest.mark.parametrize("where", ["elsewhere", "pipe", "gone", "folder"])
def test_audio_is_never_what_is_no_file_of_the_library(serve_library, tmp_path, where):
    music = tmp_path / "music"
    music.mkdir()
    (tmp_path / "secret").write_text("secret")
    edited_index.build(music / "index", range(3))
    places = {
        "elsewhere": lambda path: path.symlink_to(tmp_path / "secret"),
        "pipe": os.mkfifo,
        "gone": lambda path: None,
        "folder": Path.mkdir,
    }
    audio_folder = open_index(music / "index").audio_folder
    places[where](audio_folder / "1.ogg")
    answer = serve_library(music / "index").get("tracks", "track-00001", "audio")
    assert (
        answer.status == 404 and "sync" in answer.json()["detail"] and str(tmp_path) not in str(answer.json())
    )


def test_ids_hold_what_people_put_in_them(serve_library, tmp_path):
    ids = ["a/b", "c d?&#", "ü/ß", "%2e%2e", "x" * 400]
    vectors = edited_index.sounds_of(range(5))
    table = edited_index.table_of(range(5)).set_column(0, "track_id", [ids])
    from soundkin.search.vector_index import build_index

    build_index(edited_index.embeddings_of(ids, vectors), table, tmp_path, tmp_path / "index", "exact")
    served = serve_library(tmp_path / "index")
    for track_id in ids:
        assert served.get("tracks", track_id).json()["track_id"] == track_id
        assert len(served.get("tracks", track_id, "similar", k=2).json()["answers"]) == 2


def test_tracks_are_looked_up_by_their_ids_in_order(asked):
    ids = [track["track_id"] for track in asked.get("tracks", limit=5).json()["tracks"]]
    wanted = [ids[3], "gone", ids[0]]
    found = asked.get("tracks", ids=wanted, columns=["duration"]).json()
    assert [track["track_id"] for track in found["tracks"]] == [ids[3], ids[0]] and found["total"] == 2
    assert all(track["catalog"]["duration"] for track in found["tracks"])
    assert asked.get("tracks", ids=["gone"]).json()["tracks"] == []
    assert asked.get("tracks", ids=["x"] * 101).status == 422
