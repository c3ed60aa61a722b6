import logging
from pathlib import Path

import pandas as pd
import pytest

from soundkin.catalog.playlists import read_playlists
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError

TRACKS = Catalog(pd.DataFrame({"track_id": list("abc"), "path": list("abc")}), Path(), "catalog tracks.csv")


def read(folder: Path, rows: str, header: str = "playlist_id,track_id") -> pd.DataFrame:
    (folder / "playlists.csv").write_text(f"{header}\n{rows}")
    return read_playlists(folder / "playlists.csv", TRACKS)


def test_a_track_may_be_in_several_playlists_and_order_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(tmp_path, "p,c\np,a\nq,a\nq,elsewhere\nr,b\n")
    assert frame[["playlist_id", "track_id"]].agg("".join, axis=1).tolist() == ["pc", "pa", "qa", "rb"]
    assert frame.index.tolist() == [0, 1, 2, 3]
    assert "left out 1 of 5 rows, about tracks that catalog tracks.csv lacks, the first in row 5" in caplog.text


def test_parquet_and_further_columns(tmp_path: Path) -> None:
    table = pd.DataFrame({"playlist_id": [1, 1], "track_id": ["a", "b"], "name": ["dawn", "dawn"]})
    table.to_parquet(tmp_path / "playlists.parquet")
    frame = read_playlists(tmp_path / "playlists.parquet", TRACKS)
    assert frame["playlist_id"].tolist() == ["1", "1"] and frame["name"].tolist() == ["dawn", "dawn"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("p,a\n,b\n", "row 3: playlist_id is empty. Fill it in, or delete the row."),
        ("p,\n", "row 2: track_id is empty"),
        ("p,a\nq,a\np,a\n", "row 4: playlist_id=p, track_id=a stands in row 2 already. Name a track once a playlist."),
        ("p,z\n", "no row is about tracks of catalog tracks.csv; row 2 has track_id=z"),
    ],
)
def test_refuses(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, rows)
    assert expected in str(caught.value) and str(caught.value).startswith(f"playlists {tmp_path}/playlists.csv")


def test_refuses_a_table_without_playlists(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no column playlist_id"):
        read(tmp_path, "a\n", header="track_id")
