"""The map over HTTP."""

import csv

from soundkin.search.vector_index import open_index


def test_places_are_those_of_the_librarys_map(asked, library):
    with (library / "map.csv").open(encoding="utf-8", newline="") as file:
        places = {row["track_id"]: (float(row["x"]), float(row["y"])) for row in csv.DictReader(file)}
    found = asked.get("map", columns=["genre"]).json()
    assert dict(zip(found["track_id"], zip(found["x"], found["y"], strict=True), strict=True)) == places
    tracks = open_index(library / "index").tracks
    genres = [tracks.batch.column("genre")[tracks.row(each)].as_py() for each in found["track_id"]]
    assert found["columns"] == {"genre": genres} and found["version"] == "v1"
    assert asked.get("map", columns=["path"]).status == 400


def test_tracks_that_are_gone_are_not_on_it(serve_library, tmp_path):
    import edited_index

    folder = tmp_path / "library"
    edited_index.build(folder / "index", range(3))
    served = serve_library(folder)
    assert served.get("map").status == 404 and "sync" in served.get("map").json()["detail"]
    (folder / "catalog.csv").touch()
    (folder / "map.csv").write_text("track_id,x,y\ntrack-00001,0.5,1\ngone,2,3\n")
    found = served.get("map").json()
    assert found["track_id"] == ["track-00001"] and (found["x"], found["y"]) == ([0.5], [1.0])
