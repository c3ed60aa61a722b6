"""Files that are tables, and files that are not: each complaint says where, what and the hint."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from soundkin.catalog.table_io import read_rows, reject_repeats, reject_rows, write_rows
from soundkin.errors import CatalogError, UsageError

REQUIRED = ("track_id", "path")


def written(folder: Path, content: bytes | str, name: str = "tracks.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path) -> pd.DataFrame:
    return read_rows(path, f"catalog {path.name}", REQUIRED)


def complaint(path: Path) -> str:
    with pytest.raises(CatalogError) as caught:
        read(path)
    assert isinstance(caught.value, UsageError) and caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_cells_are_trimmed_text_and_empty_ones_are_missing(tmp_path: Path) -> None:
    frame = read(written(tmp_path, 'track_id, path ,artist\n 007 ," a b.mp3",NA\nb,b.mp3,"  "\nc,c.mp3,\n'))
    assert frame["track_id"].tolist() == ["007", "b", "c"]
    assert frame["path"].tolist() == [" a b.mp3", "b.mp3", "c.mp3"], "a file name may begin with a space"
    assert frame["artist"].isna().tolist() == [False, True, True], "NA is a name, white space is not"


def test_byte_order_mark_windows_line_ends_and_quoted_line_ends(tmp_path: Path) -> None:
    frame = read(
        written(tmp_path, b'\xef\xbb\xbftrack_id,path,lyrics\r\na,a.mp3,"one\ntwo, ""three"""\r\n\r\n')
    )
    assert frame.columns.tolist() == ["track_id", "path", "lyrics"]
    assert frame["lyrics"].tolist() == ['one\ntwo, "three"']


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"track_id,path", "no rows below its header"),
        (b"track_id,path\n", "no rows below its header"),
        (b"id,path\n1,a.mp3\n", "no column track_id. Its header row has 'id', 'path'"),
        (b"id;path\n1;a.mp3\n", "no column track_id. Its header row has 'id', 'path'"),
        (b"sep=,\ntrack_id;path\n1;a.mp3\n", "no column track_id, path. Its header row has 'track_id;path'"),
        (
            b"sep=;\r\ntrack_id;path\r\na;b\r\na;b;c\r\n",
            "row 3: 3 cells, and the header has 2. Put cells that hold semi",
        ),
        (b"track_id;path;artist\na;a.mp3;Bj\xf6rk\n", "row 2: artist='Bj\ufffdrk' is not UTF-8"),
        (b"track_id,path\n\na,a.mp3\n\n\nb\n", "row 6: 1 cells, and the header has 2"),
        (b"track_id,path,,\na,b,c,d\na,b,c\n", "row 3: 3 cells"),
        (b"track_id,path,path\n1,a,b\n", "row 1: column path appears twice"),
        (b"track_id,path\na,a.mp3\nb\n", "row 3: 1 cells, and the header has 2"),
        (b'track_id,path\n"a\nx",a.mp3\nb,c,d\n', "row 3: 3 cells, and the header has 2"),
        (b"track_id,path,artist\na,a.mp3,Bj\xf6rk\n", "row 2: artist='Bj\ufffdrk' is not UTF-8"),
        (b"track_id,path,Gr\xf6\xdfe\na,a.mp3,x\n", "not a text table in UTF-8"),
        ("track_id,path\na,b\n".encode("utf-32"), "not a text table in UTF-8"),
        ("track_id,path\na,b\n".encode("utf-16")[:-1], "not a text table in UTF-8"),
        (b"track_id,path\na,b\0c\n", "row 2: path holds a NUL character"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a text table in UTF-8"),
        (b"PK\x03\x04\x14\0\x08\0workbook", "not a text table in UTF-8"),
        (b"\n\n\n", "no rows below its header"),
    ],
)
def test_broken_csv(tmp_path: Path, content: bytes, expected: str) -> None:
    message = complaint(written(tmp_path, content))
    assert expected in message
    assert message.startswith("catalog tracks.csv")


LINES = (("track_id", "path", "title"), ("a", " a,b.mp3", "one; two"), ("b", "b.mp3", 'say "hi"\r\n\u00f6'))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("first", ["", "sep={}", '"SEP={}"'])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_as_spreadsheets_save_it(
    tmp_path: Path, delimiter: str, first: str, encoding: str, end: str
) -> None:
    content = io.StringIO(newline="")
    content.write(first.format(delimiter) + end if first else "")
    csv.writer(content, delimiter=delimiter, lineterminator=end).writerows(LINES)
    path = tmp_path / "tracks.csv"
    path.write_bytes(content.getvalue().encode(encoding))
    frame = read(path)
    assert [tuple(frame.columns), *frame.itertuples(index=False, name=None)] == list(LINES)
    assert frame.index.tolist() == [2, 3], "the line about the separator is no row of the spreadsheet"


def test_rows_and_columns_that_were_emptied_are_left_out(tmp_path: Path) -> None:
    frame = read(written(tmp_path, "\ntrack_id;path;;\n;;;\na;a.mp3;;\n\n; ;;\nb;b.mp3;;\n;;;\n"))
    assert frame.columns.tolist() == ["track_id", "path"]
    assert frame.index.tolist() == [4, 7], "row numbers are those that the spreadsheet shows"
    frame = read(written(tmp_path, "track_id,path,\na,a.mp3,note\n"))
    assert frame.iloc[0].tolist() == ["a", "a.mp3", "note"]
    assert "no rows below its header" in complaint(written(tmp_path, "track_id;path\n;\n;\n"))


def test_messages_count_rows_as_a_spreadsheet_does(tmp_path: Path) -> None:
    frame = read(written(tmp_path, "track_id,path\na,a\n\nb,b\n,,\n".replace(",,", ",")))
    with pytest.raises(CatalogError, match=r"^t, row 4: track_id=b is bad\. Hint\.$"):
        reject_rows(frame, "t", "track_id", frame["track_id"] == "b", "is bad", "Hint.")
    frame = read(written(tmp_path, "track_id,path\n\na,a\n\na,b\n"))
    with pytest.raises(CatalogError, match=r"row 5: track_id=a repeats row 3"):
        reject_repeats(frame, "t", ["track_id"], "Hint.")


def test_things_that_are_no_table(tmp_path: Path) -> None:
    assert "does not exist. Check the name; `soundkin scan" in complaint(tmp_path / "nowhere.csv")
    with pytest.raises(CatalogError, match=r"^ratings .*nowhere\.csv does not exist\. Check the name\.$"):
        read_rows(tmp_path / "nowhere.csv", f"ratings {tmp_path / 'nowhere.csv'}", ())
    assert "ends in '.xlsx'. Use a file ending in .csv or .parquet" in complaint(
        written(tmp_path, b"PK", "tracks.xlsx")
    )
    assert "not a Parquet file" in complaint(written(tmp_path, b"track_id,path\na,b\n", "tracks.parquet"))
    (tmp_path / "music.csv").mkdir()
    assert "is a folder. Name the table itself." in complaint(tmp_path / "music.csv")
    written(tmp_path / "music.csv", b"track_id,path\n")
    assert "music.csv/tracks.csv" in complaint(tmp_path / "music.csv")


def test_a_folder_without_suffix_is_told_from_a_wrong_suffix(tmp_path: Path) -> None:
    assert "is a folder" in complaint(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.csv")
    assert "not a regular file" in complaint(tmp_path / "pipe.csv")


def test_parquet_of_other_types_becomes_text(tmp_path: Path) -> None:
    table = pa.table(
        {
            "track_id": pa.array([7, 8]),
            "path": pa.array(["a.mp3", "b.mp3"]).dictionary_encode(),
            "genre": pa.array([["rock", "pop"], None]),
            "year": pa.array([1999.0, None]),
            "mood": pa.array([None, None]),
        }
    )
    pa.parquet.write_table(table, tmp_path / "tracks.parquet")
    frame = read(tmp_path / "tracks.parquet")
    assert frame["track_id"].tolist() == ["7", "8"]
    assert frame["genre"].iloc[0] == "rock;pop" and frame["genre"].isna().iloc[1]
    assert frame["year"].iloc[0] == "1999" and frame["mood"].isna().all()


def test_parquet_cells_that_are_not_known(tmp_path: Path) -> None:
    nan = float("nan")
    columns = {
        "path": pa.array(["a", "b"], pa.large_string()),
        "year": pa.array([nan, 1985.0], pa.float32()),
        "half": pa.array([nan, 1.5]).cast(pa.float32()).cast(pa.float16()),
        "price": pa.array([None, Decimal("1.50")], pa.decimal128(5, 2)),
        "day": pa.array([None, date(2021, 5, 1)]),
        "moment": pa.array([None, datetime(2021, 5, 1, 10, 53, 20)], pa.timestamp("ms")),
        "zoned": pa.array([None, datetime(2021, 5, 1, 10, 53, 20)], pa.timestamp("us", "Europe/Berlin")),
        "coded": pa.array([nan, 2.0]).dictionary_encode(),
        "mood": pa.array([None, None]),
        "text": pa.array([None, "nan"], pa.string_view()),
        "tags": pa.array([[], ["a", None, "b"]]),
        "tempi": pa.array([[nan], [90.0, nan]]),
        "fixed": pa.array([None, ["a", "b"]], pa.list_(pa.string(), 2)),
    }
    pa.parquet.write_table(pa.table({"track_id": [1, 2], **columns}), tmp_path / "tracks.parquet")
    frame = read(tmp_path / "tracks.parquet").drop(columns=["track_id", "path"])
    assert frame.iloc[0].isna().all()
    assert frame.iloc[1].fillna("-").to_dict() == {
        "year": "1985",
        "half": "1.5",
        "price": "1.50",
        "day": "2021-05-01",
        "moment": "2021-05-01 10:53:20.000",
        "zoned": "2021-05-01 12:53:20.000000+0200",
        "coded": "2",
        "mood": "-",
        "text": "nan",
        "tags": "a;b",
        "tempi": "90",
        "fixed": "a;b",
    }


def test_parquet_column_that_cannot_be_text(tmp_path: Path) -> None:
    pa.parquet.write_table(
        pa.table({"track_id": ["a"], "path": ["b"], "info": [{"key": 1}]}), tmp_path / "tracks.parquet"
    )
    assert "column info holds struct" in complaint(tmp_path / "tracks.parquet")


@pytest.mark.parametrize("name", ["tracks.csv", "tracks.parquet"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame(
        {"track_id": ["ä", "b"], "path": ["x, y.mp3", 'say "hi"\n.mp3'], "genre": ["a\rb", pd.NA]}
    )
    write_rows(frame, tmp_path / name)
    assert read(tmp_path / name).fillna("-").values.tolist() == frame.fillna("-").values.tolist()
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["tracks.csv", "tracks.parquet"])
def test_names_that_mean_nothing_elsewhere_are_names(tmp_path: Path, name: str) -> None:
    names = ["None", "NA", "nan", "null", "NaN", "N/A", "<NA>", "NULL", "n/a", "-", "inf", "True", "1.0"]
    frame = pd.DataFrame({"track_id": names, "path": names, "artist": names}, dtype=object)
    write_rows(frame, tmp_path / name)
    again = read(tmp_path / name)
    assert again.to_numpy().tolist() == frame.to_numpy().tolist()
    write_rows(again, tmp_path / name)
    assert read(tmp_path / name).to_numpy().tolist() == frame.to_numpy().tolist()


def test_refuses_to_write_another_kind(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"Use a file ending in \.csv or \.parquet"):
        write_rows(pd.DataFrame(), tmp_path / "tracks.txt")
