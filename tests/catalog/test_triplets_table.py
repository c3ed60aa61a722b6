import logging
from pathlib import Path

import pandas as pd
import pytest

from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import read_triplets
from soundkin.errors import CatalogError

TRACKS = Catalog(pd.DataFrame({"track_id": list("abc"), "path": list("abc")}), Path(), "catalog tracks.csv")
HEADER = "anchor_id,closer_id,farther_id,annotator_id\n"


def read(folder: Path, rows: str) -> pd.DataFrame:
    (folder / "triplets.csv").write_text(HEADER + rows)
    return read_triplets(folder / "triplets.csv", TRACKS)


def test_judgements_may_repeat_and_disagree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(tmp_path, "a,b,c,anna\na,c,b,ben\na,b,c,\na,b,elsewhere,ben\n")
    assert frame[["anchor_id", "closer_id", "farther_id"]].agg("".join, axis=1).tolist() == [
        "abc",
        "acb",
        "abc",
    ]
    assert frame["annotator_id"].isna().tolist() == [False, False, True]
    assert "left out 1 of 4 rows" in caplog.text


def read_timed(folder: Path, rows: str) -> pd.DataFrame:
    header = "anchor_id,closer_id,farther_id,annotator_id,timestamp,session_id,seconds_taken\n"
    (folder / "triplets.csv").write_text(header + rows)
    return read_triplets(folder / "triplets.csv", TRACKS)


def test_when_and_how_fast_are_numbers(tmp_path: Path) -> None:
    frame = read_timed(tmp_path, "a,b,c,anna,1700000000,s1,4.5\na,c,b,ben,,,\nb,a,c,,0,s2,0\n")
    assert frame["timestamp"].dtype == frame["seconds_taken"].dtype == "float64"
    assert frame["timestamp"].fillna(-1).tolist() == [1_700_000_000.0, -1.0, 0.0]
    assert frame["seconds_taken"].fillna(-1).tolist() == [4.5, -1.0, 0.0]
    assert frame["session_id"].fillna("").tolist() == ["s1", "", "s2"]


def test_a_parquet_table_of_answers_reads_alike(tmp_path: Path) -> None:
    text = read_timed(tmp_path, "a,b,c,anna,1700000000,s1,4.5\na,c,b,ben,1700000001.25,s1,12\n")
    text.to_parquet(tmp_path / "triplets.parquet")
    pd.testing.assert_frame_equal(read_triplets(tmp_path / "triplets.parquet", TRACKS), text)


def test_an_answer_that_was_exported_twice_counts_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    answer, later = "a,b,c,anna,1700000000,s1,4.5\n", "a,b,c,anna,1700009999,s1,4.5\n"
    untimed, nobody = "a,b,c,anna,,s1,\n", "a,b,c,,1700000000,s1,\n"
    with caplog.at_level(logging.WARNING):
        frame = read_timed(tmp_path, answer + later + answer + 2 * untimed + 2 * nobody)
    assert len(frame) == 6, "who says it again later, or is not known to be the same person, is counted again"
    assert "merged 1 of 7 rows, which repeat an earlier one, the first of them row 4" in caplog.text


def test_times_may_be_dates(tmp_path: Path) -> None:
    frame = read_timed(tmp_path, "a,b,c,anna,2023-11-14T22:13:20Z,s1,4.5\n")
    assert frame["timestamp"].tolist() == [1_700_000_000.0]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            "a,b,c,x,1,s,1\na,b,c,x,noon,s,1\n",
            "row 3: timestamp=noon is not a time. Write Unix seconds, or a date",
        ),
        (
            "a,b,c,x,1,s,fast\n",
            "row 2: seconds_taken=fast is not a number. Write a number of seconds from 0 on",
        ),
        ("a,b,c,x,inf,s,1\n", "row 2: timestamp=inf is not a time"),
        ("a,b,c,x,-5,s,1\n", "row 2: timestamp=-5 is before 1970"),
        (
            "a,b,c,x,1,s,-0.5\n",
            "row 2: seconds_taken=-0.5 is below 0. Write a number of seconds from 0 on, or leave",
        ),
    ],
)
def test_refuses_times_that_are_none(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read_timed(tmp_path, rows)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,b,c,\na,a,c,\n", "row 3: closer_id=a is the anchor_id too"),
        ("a,b,b,\n", "row 2: farther_id=b is the closer_id too"),
        ("a,b,a,\n", "row 2: farther_id=a is the anchor_id too"),
        ("a,,c,\n", "row 2: closer_id is empty"),
        (
            "a,b,z,\n",
            "no row is about tracks of catalog tracks.csv; row 2 has anchor_id=a, closer_id=b, farther_id=z",
        ),
    ],
)
def test_refuses(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, rows)
    assert expected in str(caught.value)
