"""Files that are tables, and files that are not: each complaint says where, what and the mend."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from soundkin.catalog.rows import read_rows, write_rows
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
    frame = read(written(tmp_path, b'\xef\xbb\xbftrack_id,path,lyrics\r\na,a.mp3,"one\ntwo, ""three"""\r\n\r\n'))
    assert frame.columns.tolist() == ["track_id", "path", "lyrics"]
    assert frame["lyrics"].tolist() == ['one\ntwo, "three"']


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"track_id,path", "no rows below its header"),
        (b"track_id,path\n", "no rows below its header"),
        (b"id,path\n1,a.mp3\n", "no column track_id. Its header row has 'id', 'path'"),
        (b"track_id;path\n1;a.mp3\n", "no column track_id, path. Its header row has 'track_id;path'"),
        (b"track_id,path,path\n1,a,b\n", "row 1: column path stands there twice"),
        (b"track_id,path\na,a.mp3\nb\n", "row 3: 1 cells, and the header has 2"),
        (b'track_id,path\n"a\nx",a.mp3\nb,c,d\n', "row 3: 3 cells, and the header has 2"),
        (b"track_id,path,artist\na,a.mp3,Bj\xf6rk\n", "row 2: artist='Bj\ufffdrk' is not UTF-8"),
        (b"track_id,path,Gr\xf6\xdfe\na,a.mp3,x\n", "not a text table in UTF-8"),
        ("track_id,path\na,b\n".encode("utf-16"), "not a text table in UTF-8"),
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


def test_parquet_column_that_cannot_be_text(tmp_path: Path) -> None:
    pa.parquet.write_table(
        pa.table({"track_id": ["a"], "path": ["b"], "info": [{"key": 1}]}), tmp_path / "tracks.parquet"
    )
    assert "column info holds struct" in complaint(tmp_path / "tracks.parquet")


@pytest.mark.parametrize("name", ["tracks.csv", "tracks.parquet"])
def test_round_trip(tmp_path: Path, name: str) -> None:
    frame = pd.DataFrame({"track_id": ["ä", "b"], "path": ["x, y.mp3", 'say "hi"\n.mp3'], "genre": ["a;b", pd.NA]})
    write_rows(frame, tmp_path / name)
    assert read(tmp_path / name).fillna("-").values.tolist() == frame.fillna("-").values.tolist()
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_refuses_to_write_another_kind(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"Use a file ending in \.csv or \.parquet"):
        write_rows(pd.DataFrame(), tmp_path / "tracks.txt")
