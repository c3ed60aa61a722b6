import logging
from pathlib import Path

import pandas as pd
import pytest

from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets import read_triplets
from soundkin.errors import CatalogError

TRACKS = Catalog(pd.DataFrame({"track_id": list("abc"), "path": list("abc")}), Path(), "catalog tracks.csv")
HEADER = "anchor_id,closer_id,farther_id,annotator_id\n"


def read(folder: Path, rows: str) -> pd.DataFrame:
    (folder / "triplets.csv").write_text(HEADER + rows)
    return read_triplets(folder / "triplets.csv", TRACKS)


def test_judgements_may_repeat_and_disagree(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(tmp_path, "a,b,c,anna\na,c,b,ben\na,b,c,\na,b,elsewhere,ben\n")
    assert frame[["anchor_id", "closer_id", "farther_id"]].agg("".join, axis=1).tolist() == ["abc", "acb", "abc"]
    assert frame["annotator_id"].isna().tolist() == [False, False, True]
    assert "left out 1 of 4 rows" in caplog.text


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,b,c,\na,a,c,\n", "row 3: closer_id=a is the anchor_id too"),
        ("a,b,b,\n", "row 2: farther_id=b is the closer_id too"),
        ("a,b,a,\n", "row 2: farther_id=a is the anchor_id too"),
        ("a,,c,\n", "row 2: closer_id is empty"),
        ("a,b,z,\n", "no row is about tracks of catalog tracks.csv; row 2 has anchor_id=a, closer_id=b, farther_id=z"),
    ],
)
def test_refuses(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, rows)
    assert expected in str(caught.value)
