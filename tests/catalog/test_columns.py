"""Columns described once: what each kind becomes, and how a cell that does not fit is named."""

from pathlib import Path

import pytest

from soundkin.catalog.columns import Column, id_columns, read_table
from soundkin.errors import CatalogError

COLUMNS = (
    *id_columns("a_id", "b_id"),
    Column("count", "number", minimum=0),
    Column("share", "number", minimum=0, maximum=1),
    Column("year", "year", problem="is no year"),
    Column("answer", "choice", choices=("yes", "no"), problem="is neither yes nor no", hint="Choose."),
    Column("when", "unix_time"),
    Column("note", filled=True),
)


def read(folder: Path, text: str):
    (folder / "t.csv").write_text(text)
    return read_table(folder / "t.csv", "table t.csv", COLUMNS, different=("a_id", "b_id"))


def test_columns_become_their_kind_and_others_stay_text(tmp_path: Path) -> None:
    frame = read(
        tmp_path, "a_id,b_id,count,year,answer,when,more\n7,8,2.5,1999.0,yes,1600000000,007\n7,9,,,,,\n"
    )
    assert frame.index.tolist() == [2, 3], "rows are counted as a spreadsheet does"
    first = {
        "a_id": "7",
        "b_id": "8",
        "count": 2.5,
        "year": 1999,
        "answer": "yes",
        "when": 1.6e9,
        "more": "007",
    }
    assert frame.iloc[0].to_dict() == first
    assert frame.iloc[1].isna().tolist() == [False, False, *[True] * 5]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a_id\n1\n", "table t.csv: no column b_id"),
        ("a_id,b_id\n1,\n", "row 2: b_id is empty. Fill it in"),
        ("a_id,b_id\n1,2\n3,3\n", "row 3: b_id=3 is the a_id too. Name 2 different tracks"),
        (
            "a_id,b_id,count\n1,2,many\n",
            "row 2: count=many is not a number. Correct it, or leave the cell empty.",
        ),
        ("a_id,b_id,count\n1,2,-1\n", "row 2: count=-1 is below 0"),
        ("a_id,b_id,share\n1,2,2\n", "row 2: share=2 is not from 0 to 1"),
        ("a_id,b_id,year\n1,2,99\n", "row 2: year=99 is no year"),
        ("a_id,b_id,answer\n1,2,perhaps\n", "row 2: answer=perhaps is neither yes nor no. Choose."),
        ("a_id,b_id,when\n1,2,soon\n", "row 2: when=soon is not a time"),
        ("a_id,b_id,note\n1,2,\n", "row 2: note is empty"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, text)
    assert expected in str(caught.value)
