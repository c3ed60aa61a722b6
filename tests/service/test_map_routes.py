"""The map over HTTP."""

import csv
import gzip
import os

import pytest

import edited_index
from soundkin.search.vector_index import open_index


def test_places_are_those_of_the_librarys_map(asked, library):
    with (library / "map.csv").open(encoding="utf-8", newline="") as file:
        places = {row["track_id"]: (float(row["x"]), float(row["y"])) for row in csv.DictReader(file)}
    found = asked.get("map", columns=["genre"]).json()
    extent = max(max(axis) - min(axis) for axis in zip(*places.values(), strict=True))
    assert set(found["track_id"]) == set(places)
    for track_id, *place in zip(found["track_id"], found["x"], found["y"], strict=True):
        assert place == pytest.approx(places[track_id], abs=extent * 1e-6)
    tracks = open_index(library / "index").tracks
    genres = [tracks.batch.column("genre")[tracks.row(each)].as_py() for each in found["track_id"]]
    assert found["columns"] == {"genre": genres} and found["version"] == "v1"
    assert asked.get("map", columns=["path"]).status == 400


def test_tracks_that_are_gone_are_not_on_it(serve_library, tmp_path):
    folder = tmp_path / "library"
    edited_index.build(folder / "index", range(3))
    served = serve_library(folder)
    assert served.get("map").status == 404 and "sync" in served.get("map").json()["detail"]
    (folder / "catalog.csv").touch()
    (folder / "map.csv").write_text("track_id,x,y\ntrack-00001,0.5,1\ngone,2,3\n")
    found = served.get("map").json()
    assert found["track_id"] == ["track-00001"] and (found["x"], found["y"]) == ([0.5], [1.0])


@pytest.fixture
def mapped(tmp_path):
    """A library of three tracks, and a function that writes its map."""
    folder = tmp_path / "library"
    edited_index.build(folder / "index", range(3))
    (folder / "catalog.csv").touch()

    def write(*lines):
        (folder / "map.csv").write_text("".join(f"{line}\n" for line in lines))

    write("track_id,x,y", *(f"{track_id},{n},0" for n, track_id in enumerate(edited_index.ids_of(range(3)))))
    return folder, write


def test_a_map_that_is_known_is_not_sent_again(serve_library, mapped):
    folder, write = mapped
    served = serve_library(folder)
    first = served.get("map")
    tag = first.headers["etag"]
    again = served.get("map", headers={"If-None-Match": tag})
    assert (again.status, again.content, again.headers["etag"]) == (304, b"", tag)
    assert first.headers["cache-control"] == "private, no-cache"
    write("track_id,x,y", "track-00001,7,7")
    assert served.get("map", headers={"If-None-Match": tag}).json()["x"] == [7]


def test_another_version_has_another_tag_though_its_map_stays(serve_library, mapped):
    folder, _ = mapped
    served = serve_library(folder)
    before = served.get("map").headers["etag"]
    edited_index.update(folder / "index", range(3), title="Renamed")
    served.app.state.library.look()
    assert served.get("map").headers["etag"] != before


def test_it_is_packed_for_those_who_take_it(serve_library, mapped):
    served = serve_library(mapped[0])
    plain, packed = served.get("map"), served.get("map", headers={"Accept-Encoding": "br, gzip"})
    assert packed.headers["content-encoding"] == "gzip" and "content-encoding" not in plain.headers
    assert gzip.decompress(packed.content) == plain.content and packed.headers["vary"] == "Accept-Encoding"


def test_columns_are_numbers_where_the_catalog_has_them(serve_library, mapped):
    found = serve_library(mapped[0]).get("map", columns=["year", "genre", "title"]).json()
    assert found["columns"] == {
        "year": [None, 1951, 1952],
        "genre": ["Rock", "pop; rock", "Jazz"],
        "title": ["Title 0", "Title 1", "Title 2"],
    }


def test_places_that_are_none_are_left_out(serve_library, mapped):
    folder, write = mapped
    write("track_id,x,y", "track-00000,nan,1", "track-00001,,1", "track-00002,2,3")
    assert serve_library(folder).get("map").json()["track_id"] == ["track-00002"]


@pytest.mark.parametrize("lines", [[], ["track_id,x"], ["track_id,x,y", "track-00000,left,1"], ["a,b", "1"]])
def test_a_file_that_is_no_map_is_said_to_be_none(serve_library, mapped, lines):
    folder, write = mapped
    write(*lines)
    found = serve_library(folder).get("map")
    assert found.status == 503 and "sync" in found.json()["detail"]
    assert os.fspath(folder) not in found.json()["detail"]


def test_a_map_of_nobody_is_empty(serve_library, mapped):
    folder, write = mapped
    write("track_id,x,y", "gone,1,1")
    found = serve_library(folder).get("map", columns=["title"]).json()
    assert found["track_id"] == found["x"] == found["y"] == found["columns"]["title"] == []
