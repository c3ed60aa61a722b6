"""`soundkin explore library` on indexes of a few tracks: selections, plays, files, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from arc_index import arc, artists, make_index
from soundkin.cli.main import main
from soundkin.errors import CatalogError, NoSuchUserError, UsageError
from soundkin.pipelines.explore_library import explore_library
from soundkin.search.vector_index import Index


def clustered(folder: Path, tracks: int = 60) -> Index:
    """An index whose jazz (rows with even numbers) and rock lie apart."""
    vectors = np.eye(2, 16)[np.arange(tracks) % 2]
    vectors += 0.1 * np.random.default_rng(0).normal(size=vectors.shape)
    return make_index(folder, vectors, artists(tracks))


@pytest.mark.slow
def test_a_library_is_told_drawn_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clustered(tmp_path)
    history, picture = tmp_path / "plays.csv", tmp_path / "library.png"
    history.write_text("track_id,timestamp\n00,1\n02,2\n02,3\n01,4\n")
    words = [str(tmp_path / "index"), "--history", str(history)]
    with pytest.raises(SystemExit, match="0"):
        main(["explore", "library", *words, "-o", str(picture)])
    said = capsys.readouterr().out
    assert "(60 tracks): 2 clusters" in said and "75% of the plays are in" in said
    assert " jazz: 30 tracks (50%), 75% of the plays; jazz 100% (elsewhere 0%)" in said
    assert Image.open(picture).size == Image.open(tmp_path / "library-dark.png").size
    with pytest.raises(SystemExit, match="0"):
        main(["explore", "library", *words, "--json", "-o", str(tmp_path / "library.json")])
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "library.json").read_text(encoding="utf-8"))
    tracks = printed["tracks"]
    assert tracks["plays"][:3] == [1, 1, 2] and tracks["year"] == [None] * 60
    of_track = tracks["cluster"]
    assert {printed["clusters"][of_track[row]]["name"] for row in (0, 2)} == {"jazz"}


def test_tracks_stay_where_the_map_of_the_library_has_them(tmp_path: Path) -> None:
    index = clustered(tmp_path, 12)
    (tmp_path / "catalog.csv").write_text("what makes it a library")
    rows = [f"{row:02},{row},{-row}" for row in range(11)]
    (tmp_path / "map.csv").write_text("\n".join(["track_id,x,y", *rows]))
    places = explore_library(index).places
    np.testing.assert_array_equal(places[:11], [[row, -row] for row in range(11)])
    assert np.isfinite(places).all(), "a track without a place is beside its neighbours"
    assert explore_library(index, where=["genre=rock"]).places[0].tolist() == [1, -1]


def test_ratings_of_a_user_count_above_zero(tmp_path: Path) -> None:
    index = clustered(tmp_path, 12)
    ratings = tmp_path / "ratings.csv"
    ratings.write_text("user_id,track_id,rating\nann,03,4\nann,05,-1\nbob,07,5\nbob,01,0\n")
    plays = explore_library(index, ratings=ratings, user="ann").plays
    assert plays is not None and plays.tolist() == [4.0 if row == 3 else 0.0 for row in range(12)]
    with pytest.raises(NoSuchUserError, match=r"no user anne\. Did you mean ann"):
        explore_library(index, ratings=ratings, user="anne")
    with pytest.raises(CatalogError, match="no play is of any of the 12 tracks"):
        ratings.write_text("user_id,track_id,rating\nann,02,-1\n")
        explore_library(index, ratings=ratings, user="ann")


@pytest.mark.parametrize("tracks", [1, 2, 12])
def test_few_tracks_are_drawn(tmp_path: Path, tracks: int) -> None:
    index = make_index(tmp_path, arc(tracks), ["A" * 300] * tracks)
    found = explore_library(index, output=tmp_path / "few.svg")
    assert found.finding == "no clear clusters" and len(found.places) == tracks
    assert (tmp_path / "few.svg").exists() and (tmp_path / "few-dark.svg").exists()


def test_what_cannot_be_explored_is_said(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(4), ["Ann"] * 4)
    for options, said in (
        ({"where": ["artist=Anne"]}, "none of 4 tracks match.* The nearest artist is Ann"),
        ({"ratings": Path("r.csv")}, "Give both --ratings FILE and --user ID"),
        ({"user": "ann"}, "Give both"),
        ({"ratings": Path("r.csv"), "user": "ann", "history": Path("h.csv")}, "not both"),
        ({"output": tmp_path / "x.gif"}, r"ends in .html, .png, .svg or .json"),
    ):
        with pytest.raises(UsageError, match=said):
            explore_library(index, **options)  # type: ignore[arg-type]


def test_of_very_many_tracks_a_sample_is_explored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    index = make_index(tmp_path, arc(8), ["Ann"] * 8)
    monkeypatch.setattr("soundkin.pipelines.explore_library.MOST_TRACKS", 5)
    assert len(set(explore_library(index).track_ids)) == 5
    assert "a random 5 of 8 tracks are explored" in caplog.text
