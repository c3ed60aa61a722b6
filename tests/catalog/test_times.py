"""Times as exports write them: one moment in many forms, and forms that are refused."""

from datetime import date, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from soundkin.catalog.table_io import read_rows
from soundkin.catalog.times import read_times, read_unix_seconds
from soundkin.errors import CatalogError

MOMENT = pd.Timestamp("2021-05-01 10:53:20", tz="UTC")
MINUTE, MIDNIGHT = MOMENT.floor("min"), MOMENT.floor("D")


def column(folder: Path, *cells: str, delimiter: str = ",") -> pd.DataFrame:
    rows = "".join(f'{number}{delimiter}"{cell}"\n' for number, cell in enumerate(cells))
    (folder / "t.csv").write_text(f"id{delimiter}timestamp\n{rows}")
    return read_rows(folder / "t.csv", "t", ("id", "timestamp"))


def times(folder: Path, *cells: str, delimiter: str = ",") -> list[pd.Timestamp]:
    return read_times(column(folder, *cells, delimiter=delimiter), "t", "timestamp").tolist()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1619866400", MOMENT),
        ("1619866400.0", MOMENT),
        ("1619866400000", MOMENT),
        ("1619866400000.0", MOMENT),
        ("1619866400000000", MOMENT),
        ("1619866400000000000", MOMENT),
        ("2021-05-01T10:53:20Z", MOMENT),
        ("2021-05-01T10:53:20.000Z", MOMENT),
        ("2021-05-01 10:53:20", MOMENT),
        ("2021-05-01 10:53:20 UTC", MOMENT),
        ("2021-05-01T12:53:20+02:00", MOMENT),
        ("2021-05-01 12:53:20+0200", MOMENT),
        ("20210501T105320Z", MOMENT),
        ("2021/05/01 10:53:20", MOMENT),
        ("20210501105320", MOMENT),
        ("202105011053", MINUTE),
        ("20210501", MIDNIGHT),
        ("202105", MIDNIGHT),
        ("2021", pd.Timestamp("2021-01-01", tz="UTC")),
        ("2021-05-01", MIDNIGHT),
        ("2021-05", MIDNIGHT),
        ("01 May 2021 10:53", MINUTE),
        ("01 May 2021, 10:53", MINUTE),
        ("1 May 2021", MIDNIGHT),
        ("May 1, 2021, 10:53:20 AM", MOMENT),
        ("1 may 2021 10:53:20 UTC", MOMENT),
        ("Sat, 01 May 2021 10:53:20 GMT", MOMENT),
        ("Sat, 01 May 2021 12:53:20 +0200", MOMENT),
        ("1970-01-01", pd.Timestamp(0, tz="UTC")),
        ("0", pd.Timestamp(0, tz="UTC")),
    ],
)
def test_forms_that_say_what_they_are(tmp_path: Path, cell: str, expected: pd.Timestamp) -> None:
    assert times(tmp_path, "", cell)[1] == expected
    assert pd.isna(times(tmp_path, "", cell)[0])
    seconds = read_unix_seconds(column(tmp_path, cell), "t", "timestamp")
    assert seconds.dtype == "float64" and seconds.tolist() == [expected.timestamp()]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["soon"], "row 2: timestamp=soon is not a time. Write Unix seconds, or a date such as 2021"),
        (["12:30"], "row 2: timestamp=12:30 is not a time"),
        (["", "5/1/21 10:53"], "row 3: timestamp=5/1/21 10:53 is a date that can be read in two ways"),
        (["01.05.2021"], "row 2: timestamp=01.05.2021 is a date that can be read in two ways"),
        (
            ["05-01-2021 10:53:20"],
            "can be read in two ways, day or month first. Write it as 2021-05-01T18:30:00Z.",
        ),
        (["-5"], "row 2: timestamp=-5 is before 1970"),
        (["1969-12-31T23:59:59Z"], "row 2: timestamp=1969-12-31T23:59:59Z is before 1970"),
        (["2521-05-01"], "row 2: timestamp=2521-05-01 is after 2100"),
        (["9999-12-31"], "row 2: timestamp=9999-12-31 is after 2100"),
        (["0001-01-01"], "row 2: timestamp=0001-01-01 is before 1970"),
        (["0000-00-00 00:00:00"], "is not a time"),
        (["2021-02-30"], "row 2: timestamp=2021-02-30 is not a time"),
        (["20210231", "20210501"], "row 2: timestamp=20210231 is not a date"),
        (
            ["1619866400", "99999999999"],
            "row 3: timestamp=99999999999 is not a time: in any unit it is after 2100",
        ),
        (["99999999999999999999999999"], "is not a time"),
        (["44317.45", "44318"], "row 2: timestamp=44317.45 is a number of days, as spreadsheets"),
        (["18748"], "row 2: timestamp=18748 is a number of days"),
        (["1.62E+12"], "row 2: timestamp=1.62E+12 is not a time: a spreadsheet has rounded it"),
        (["1,62E+12"], "a spreadsheet has rounded it"),
        (["1619866400", "1619866400000"], "row 3: timestamp=1619866400000 is in another unit than row 2"),
        (
            ["1619866400", "1619866401", "", "20210501"],
            "row 5: timestamp=20210501 is in another unit than row 2",
        ),
        (
            ["1619866400", "1619866401", "2021"],
            "row 4: timestamp=2021 is in another unit than row 2, which is in Unix sec",
        ),
        (
            ["2021", "2020", "20210501"],
            "row 4: timestamp=20210501 is in another unit than row 2, which is in years",
        ),
        (["20210501", "20210502", "20211301"], "row 4: timestamp=20211301 is in another unit"),
        (["1619866400", "1619866401", "44317"], "row 4: timestamp=44317 is in another unit"),
    ],
)
def test_what_is_no_time_or_could_be_several_is_refused(
    tmp_path: Path, cells: list[str], expected: str
) -> None:
    with pytest.raises(CatalogError) as caught:
        times(tmp_path, *cells)
    assert expected in str(caught.value)


def test_dates_in_words_may_stand_beside_numbers(tmp_path: Path) -> None:
    cells = ("1619866400", "2021-05-01T10:53:20Z", "01 May 2021 10:53", "0", "")
    assert times(tmp_path, *cells)[:4] == [MOMENT, MOMENT, MINUTE, pd.Timestamp(0, tz="UTC")]


def test_seconds_of_the_first_years_are_read_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert times(tmp_path, "5.5", "2021", "31000000")[0] == pd.Timestamp(5_500_000_000, tz="UTC")
    assert "timestamp is read as Unix seconds, all of them before 1973" in caplog.text


def test_decimal_commas_of_a_semicolon_file(tmp_path: Path) -> None:
    assert times(tmp_path, "1619866400,0", "1619866400,5", delimiter=";")[1] == MOMENT + pd.Timedelta(
        seconds=0.5
    )


@pytest.mark.parametrize(
    "array",
    [
        pa.array([datetime(2021, 5, 1, 10, 53, 20), None], pa.timestamp("ms")),
        pa.array([datetime(2021, 5, 1, 10, 53, 20), None], pa.timestamp("ns", "UTC")),
        pa.array([datetime(2021, 5, 1, 10, 53, 20), None], pa.timestamp("us", "Europe/Berlin")),
        pa.array([datetime(2021, 5, 1, 10, 53, 20), None], pa.timestamp("s", "+02:00")),
        pa.array([1619866400.0, float("nan")]),
        pa.array([1619866400123.0, None]),
        pa.array([1619866400_000_000_000, None]),
        pa.array([date(2021, 5, 1), None]),
        pa.array([20210501, None], pa.int32()),
    ],
)
def test_parquet_columns(tmp_path: Path, array: pa.Array) -> None:
    pa.parquet.write_table(pa.table({"id": [1, 2], "timestamp": array}), tmp_path / "t.parquet")
    found = read_times(read_rows(tmp_path / "t.parquet", "t", ("id",)), "t", "timestamp")
    assert found.iloc[0].floor("s") in (MOMENT, MIDNIGHT) and pd.isna(found.iloc[1])
