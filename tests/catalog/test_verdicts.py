import logging
from pathlib import Path

import pandas as pd
import pytest

from soundkin.catalog.table import Catalog
from soundkin.catalog.verdicts import latest_verdicts, read_verdicts
from soundkin.errors import CatalogError

TRACKS = Catalog(pd.DataFrame({"track_id": list("abc"), "path": list("abc")}), Path(), "catalog tracks.csv")
HEADER = "query_id,neighbour_id,verdict,annotator_id,timestamp\n"


def read(folder: Path, rows: str, header: str = HEADER) -> pd.DataFrame:
    (folder / "judgements.csv").write_text(header + rows)
    return read_verdicts(folder / "judgements.csv", TRACKS)


def test_verdicts_may_repeat_and_disagree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(
            tmp_path, "a,b,good,anna,1700000000\na,b,bad,ben,\nb,a,good,,5.5\na,elsewhere,bad,ben,\n"
        )
    assert frame[["query_id", "neighbour_id", "verdict"]].agg(" ".join, axis=1).tolist() == [
        "a b good",
        "a b bad",
        "b a good",
    ]
    assert frame["timestamp"].fillna(-1).tolist() == [1.7e9, -1, 5.5]
    assert "left out 1 of 4 rows" in caplog.text


def test_two_ids_and_a_verdict_are_enough(tmp_path: Path) -> None:
    assert len(read(tmp_path, "a,b,good\n", "query_id,neighbour_id,verdict\n")) == 1


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,b,good,,\na,a,good,,\n", "row 3: neighbour_id=a is the query_id too"),
        ("a,b,fine,,\n", "row 2: verdict=fine is neither good nor bad"),
        ("a,b,Good,,\n", "row 2: verdict=Good is neither good nor bad"),
        ("a,b,,,\n", "row 2: verdict is empty"),
        ("a,,bad,,\n", "row 2: neighbour_id is empty"),
        ("a,b,bad,,yesterday\n", "row 2: timestamp=yesterday is not a time"),
        ("a,z,bad,,\n", "no row is about tracks of catalog tracks.csv; row 2 has query_id=a, neighbour_id=z"),
    ],
)
def test_refuses(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, rows)
    assert expected in str(caught.value)


def test_a_verdict_is_required(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no column verdict"):
        read(tmp_path, "a,b\n", "query_id,neighbour_id\n")


def said(frame: pd.DataFrame) -> list[str]:
    return frame[["query_id", "neighbour_id", "verdict"]].agg(" ".join, axis=1).tolist()


def test_the_last_word_of_each_person_on_each_pair_counts(tmp_path: Path) -> None:
    frame = read(tmp_path, "a,b,bad,anna,\na,b,good,ben,\na,c,bad,anna,\na,b,good,anna,\nb,a,bad,anna,\n")
    assert said(latest_verdicts(frame)) == ["a b good", "a c bad", "a b good", "b a bad"]


def test_times_say_which_word_is_the_last_and_a_time_beats_none(tmp_path: Path) -> None:
    assert said(latest_verdicts(read(tmp_path, "a,b,good,anna,20\na,b,bad,anna,10\n"))) == ["a b good"]
    assert said(latest_verdicts(read(tmp_path, "a,b,good,anna,10\na,b,bad,anna,\n"))) == ["a b good"]


def test_rows_without_an_annotator_are_one_persons(tmp_path: Path) -> None:
    assert said(latest_verdicts(read(tmp_path, "a,b,good,,\na,b,bad,,\n"))) == ["a b bad"]
    header = "query_id,neighbour_id,verdict\n"
    assert said(latest_verdicts(read(tmp_path, "a,b,good\na,b,bad\n", header))) == ["a b bad"]
