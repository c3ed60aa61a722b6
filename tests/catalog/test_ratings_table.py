import logging
from pathlib import Path

import pandas as pd
import pytest

from soundkin.catalog.ratings_table import read_ratings
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError

TRACKS = Catalog(
    pd.DataFrame({"track_id": ["a", "b"], "path": ["a.mp3", "b.mp3"]}), Path(), "catalog tracks.csv"
)


def read(folder: Path, text: str) -> pd.DataFrame:
    (folder / "ratings.csv").write_text(text)
    return read_ratings(folder / "ratings.csv", TRACKS)


def test_ratings_and_times(tmp_path: Path) -> None:
    frame = read(
        tmp_path,
        "user_id,track_id,rating,timestamp\n1,a,5,1600000000\n1,a,-1.5,2020-09-13T12:26:41Z\n"
        "2,b,0,2020-09-13\n3,b,1,2020-09-13T14:26:40+02:00\n4,b,1,\n",
    )
    assert frame["user_id"].tolist() == ["1", "1", "2", "3", "4"]
    assert frame["rating"].tolist() == [5.0, -1.5, 0.0, 1.0, 1.0]
    moment = pd.Timestamp(1_600_000_000, unit="s", tz="UTC")
    expected = [
        moment,
        moment + pd.Timedelta(seconds=1),
        pd.Timestamp("2020-09-13", tz="UTC"),
        moment,
        pd.NaT,
    ]
    assert frame["timestamp"].tolist()[:4] == expected[:4] and pd.isna(frame["timestamp"].iloc[4])


def test_tracks_without_audio_are_left_out_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(tmp_path, "user_id,track_id,rating\n1,a,5\n1,zz,5\n2,b,1\n")
    assert frame["track_id"].tolist() == ["a", "b"] and frame.index.tolist() == [0, 1]
    assert (
        "left out 1 of 3 rows, about tracks that catalog tracks.csv lacks, the first in row 3" in caplog.text
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user_id,track_id\n1,a\n", "no column rating"),
        ("user_id,track_id,rating\n,a,1\n", "row 2: user_id is empty"),
        ("user_id,track_id,rating\n1,a,\n", "row 2: rating is empty"),
        ("user_id,track_id,rating\n1,a,5\n1,b,good\n", "row 3: rating=good is not a number. Write a number"),
        ("user_id,track_id,rating\n1,a,inf\n", "rating=inf is not a number"),
        ("user_id,track_id,rating\n1,a,5\n2,a,5\n1,a,4\n", "row 4: user_id=1, track_id=a repeats row 2"),
        (
            "user_id,track_id,rating,timestamp\n1,a,5,\n1,a,4,\n",
            "row 3: user_id=1, track_id=a, timestamp=NaT repeats",
        ),
        ("user_id,track_id,rating,timestamp\n1,a,5,soon\n", "row 2: timestamp=soon is not a time"),
        ("user_id,track_id,rating,timestamp\n1,a,5,1e300\n", "timestamp=1e300 is not a time"),
        ("user_id,track_id,rating\n\n1,a,5\n\n1,b,good\n", "row 5: rating=good is not a number"),
        (
            "user_id,track_id,rating,timestamp\n1,a,5,1600000000\n1,a,4,1600000000\n",
            "row 3: user_id=1, track_id=a, time",
        ),
        (
            "user_id,track_id,rating\n1,A,5\n",
            "no row is about tracks of catalog tracks.csv; row 2 has track_id=A",
        ),
    ],
)
def test_refuses(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, text)
    assert expected in str(caught.value) and str(caught.value).startswith(f"ratings {tmp_path}/ratings.csv")


def test_a_play_that_was_exported_twice_counts_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(
            tmp_path,
            "user_id,track_id,rating,timestamp\n1,a,1,1600000000\n1,b,1,1600000300\n1,a,1,1600000000\n1,a,1,1600000600\n",
        )
    assert frame["rating"].tolist() == [1.0, 1.0, 1.0] and frame["track_id"].tolist() == ["a", "b", "a"]
    assert "merged 1 of 4 rows, which repeat an earlier one, the first of them row 4" in caplog.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("user_id,track_id,rating\n1,a,1\n2,a,1\n1,a,1\n1,a,1\n", [3.0, 1.0]),
        ("user_id,track_id,rating,timestamp\n1,a,1,\n2,a,1,\n1,a,1,\n", [2.0, 1.0]),
        ("user_id,track_id,timestamp\n1,a,2021-05-01\n1,a,2021-05-02\n1,a,2021-05-01\n", [2.0, 1.0]),
        ("user_id,track_id,timestamp\n1,a,2021-05-01 10:53\n1,a,2021-05-01 10:53\n1,a,\n1,a,\n", [1.0, 2.0]),
        ("user_id,track_id,rating\n1,a,5\n2,a,4\n1,a,5\n", [5.0, 4.0]),
    ],
)
def test_plays_without_a_moment_add_up_and_stars_do_not(
    tmp_path: Path, text: str, expected: list[float]
) -> None:
    assert read(tmp_path, text)["rating"].tolist() == expected


def test_a_log_of_plays_needs_no_ratings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(tmp_path, "user_id,track_id,timestamp\n1,a,1600000000\n1,a,1600000600\n")
    assert frame["rating"].tolist() == [1.0, 1.0]
    assert "there is no column rating, so each of 2 rows counts as a play" in caplog.text


def test_ratings_from_a_spreadsheet(tmp_path: Path) -> None:
    frame = read(
        tmp_path, "\ufeffuser_id;track_id;rating;timestamp\r\n1;a;4,5;1600000000\r\n2;b;3;1600000001,5\r\n"
    )
    assert frame["rating"].tolist() == [4.5, 3.0]
    assert frame["timestamp"].iloc[1] == pd.Timestamp(1_600_000_001.5, unit="s", tz="UTC")


@pytest.mark.parametrize("cell", ["7", "7.0", "007.0"])
def test_ids_that_a_spreadsheet_changed_are_recognised(tmp_path: Path, cell: str) -> None:
    tracks = Catalog(
        pd.DataFrame({"track_id": ["x", "007"], "path": ["x", "y"]}), tmp_path, "catalog tracks.csv"
    )
    (tmp_path / "ratings.csv").write_text(f"user_id,track_id,rating\n1,{cell},5\n")
    with pytest.raises(
        CatalogError, match=r"row 2 has track_id=.*; a spreadsheet may have made it of 007: import that"
    ):
        read_ratings(tmp_path / "ratings.csv", tracks)
