import logging
import unicodedata
from pathlib import Path
from urllib.parse import quote

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
    assert (
        "left out 1 of 5 rows, about tracks that catalog tracks.csv lacks, the first in row 5" in caplog.text
    )


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
        ("p,z\n", "no row is about tracks of catalog tracks.csv; row 2 has track_id=z"),
    ],
)
def test_refuses(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError) as caught:
        read(tmp_path, rows)
    assert expected in str(caught.value) and str(caught.value).startswith(
        f"playlists {tmp_path}/playlists.csv"
    )


def test_refuses_a_table_without_playlists(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no column playlist_id"):
        read(tmp_path, "a\n", header="track_id")


def test_repeats_are_merged_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        frame = read(tmp_path, "p,a\nq,a\np,a\np,b\np,a\n")
    assert frame[["playlist_id", "track_id"]].agg("".join, axis=1).tolist() == ["pa", "qa", "pb"]
    assert "merged 2 of 5 rows, which repeat an earlier one, the first of them row 4" in caplog.text


PATHS = ["Ann/One/01 a.mp3", "Ann/One/02 Bj\u00f6rk #1.mp3", "c.mp3"]
MUSIC = pd.DataFrame({"track_id": list("abc"), "path": PATHS})


def m3u(folder: Path, *lines: str, name: str = "lists/favourites.m3u", encoding: str = "utf-8") -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes("\r\n".join(["#EXTM3U", "#EXTINF:12,Ann - a", *lines, ""]).encode(encoding))
    return folder / name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_m3u_playlists_name_tracks_in_many_ways(tmp_path: Path, encoding: str) -> None:
    tracks = Catalog(MUSIC, tmp_path, "catalog tracks.csv")
    b = PATHS[1]
    for line in (
        f"../{b}",
        b,
        f"{tmp_path}/{b}",
        f"{tmp_path}/lists/../{b}",
        f"..\\{b}".replace("/", "\\"),
        f"C:\\Users\\Ann\\Music\\{b}".replace("/", "\\"),
        f"{tmp_path.as_uri()}/{quote(b)}",
        f"file://localhost{tmp_path}/{quote(b)}",
        f"file:///C:/Music/{quote(b)}",
        f"../{quote(b)}",
        *([] if encoding == "cp1252" else [unicodedata.normalize("NFD", f"../{b}")]),
    ):
        frame = read_playlists(m3u(tmp_path, line, encoding=encoding), tracks)
        assert frame.to_numpy().tolist() == [["favourites", "b"]], line


def test_m3u_what_is_not_found_and_what_repeats_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracks = Catalog(MUSIC, tmp_path, "catalog tracks.csv")
    path = m3u(tmp_path, "../c.mp3", "http://radio.example/live", "", "../gone.mp3", "../c.mp3")
    with caplog.at_level(logging.WARNING):
        assert read_playlists(path, tracks)["track_id"].tolist() == ["c"]
    assert "left out 2 of 4 entries, which are no paths of catalog tracks.csv, the first in" in caplog.text
    assert "favourites.m3u, line 4: http://radio.example/live" in caplog.text
    assert "merged 1 of 2 entries" in caplog.text


def test_a_folder_of_m3u_playlists(tmp_path: Path) -> None:
    tracks = Catalog(MUSIC, tmp_path, "catalog tracks.csv")
    m3u(tmp_path, "../c.mp3", name="lists/b.M3U8")
    m3u(tmp_path, "../../c.mp3", f"../../{PATHS[0]}", name="lists/old/a.m3u")
    frame = read_playlists(tmp_path / "lists", tracks)
    assert frame.to_numpy().tolist() == [["b", "c"], ["old/a", "c"], ["old/a", "a"]]


def test_m3u_of_a_catalog_reached_over_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    tracks = Catalog(MUSIC, tmp_path / "link", "catalog tracks.csv")
    for line in (f"{tmp_path}/real/c.mp3", f"{tmp_path}/link/c.mp3"):
        assert len(read_playlists(m3u(tmp_path, line), tracks)) == 1


def test_m3u_that_names_nothing_of_the_catalog(tmp_path: Path) -> None:
    tracks = Catalog(MUSIC, tmp_path, "catalog tracks.csv")
    with pytest.raises(
        CatalogError, match=r"none of 1 entries is a path of catalog tracks\.csv; the first is .*, line 3"
    ):
        read_playlists(m3u(tmp_path, "a.mp3"), tracks)
    with pytest.raises(CatalogError, match="does not exist"):
        read_playlists(tmp_path / "gone.m3u", tracks)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CatalogError, match=r"holds no \.m3u or \.m3u8"):
        read_playlists(tmp_path / "empty", tracks)
