"""The catalog: what is read, looked up and refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from soundkin.catalog.paths import allow_folders, list_of_folders
from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.errors import CatalogError

TABLE = """track_id,path,artist,genre,year,duration,mood
a,x/a.mp3,Nina,jazz; soul,1965,12.5,calm
b,x/b.mp3,,;,,,
c,c.mp3,Boards,,1998.0,3,
"""


def catalog(folder: Path, text: str = TABLE) -> Catalog:
    (folder / "tracks.csv").write_text(text)
    return read_catalog(folder / "tracks.csv")


def complaint(folder: Path, text: str) -> str:
    with pytest.raises(CatalogError) as caught:
        catalog(folder, text)
    return str(caught.value)


def test_reads_labels_and_numbers(tmp_path: Path) -> None:
    tracks = catalog(tmp_path)
    assert len(tracks) == 3 and tracks.track_ids == ["a", "b", "c"]
    assert tracks.values("genre") == [("jazz", "soul"), (), ()]
    assert tracks.values("year") == [("1965",), (), ("1998",)]
    assert tracks.values("mood") == [("calm",), (), ()]
    assert tracks.frame["year"].dtype == "Int64" and tracks.frame["duration"].tolist()[::2] == [12.5, 3.0]
    assert tracks.audio_path("b") == tmp_path / "x/b.mp3"
    assert tracks.audio_paths() == [tracks.audio_path(track_id) for track_id in tracks.track_ids]


def test_selects_by_id_and_by_mask(tmp_path: Path) -> None:
    tracks = catalog(tmp_path)
    assert tracks.select(["c", "a"]).track_ids == ["c", "a"]
    assert tracks.select(["c", "a"]).audio_path("a") == tmp_path / "x/a.mp3"
    assert tracks.select(np.array([False, True, True])).track_ids == ["b", "c"]
    assert tracks.select(tracks.frame["artist"].notna()).track_ids == ["a", "c"]
    assert len(tracks.select([])) == 0
    with pytest.raises(CatalogError, match=r"tracks\.csv: no track has track_id=z"):
        tracks.select(["a", "z"])
    with pytest.raises(CatalogError, match="track_id=z"):
        tracks.audio_path("z")


def test_requires_labels(tmp_path: Path) -> None:
    tracks = catalog(tmp_path, "track_id,path,artist,genre\na,a.mp3,,rock\n")
    tracks.require("genre", "the genre task learns from it")
    with pytest.raises(
        CatalogError, match="artist is empty in every row, and the artist task learns from it"
    ):
        tracks.require("artist", "the artist task learns from it")
    with pytest.raises(CatalogError, match="there is no column album, and why not"):
        tracks.require("album", "why not")
    with pytest.raises(CatalogError, match=r"no column album\. It has track_id, path, artist, genre"):
        tracks.values("album")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,a.mp3,1999,train\na,b.mp3,1999,", "row 3: track_id=a repeats row 2"),
        (",a.mp3,,", "row 2: track_id is empty"),
        ("a,a.mp3,,\nb,,,", "row 3: path is empty"),
        (
            "a,a.mp3,19x9,",
            "row 2: year=19x9 is not a year such as 1999. Correct it, or leave the cell empty.",
        ),
        ("a,a.mp3,20,\nb,b.mp3,c. 1985,", "row 2: year=20 is not a year such as 1999 (and 1 more rows)"),
        ("a,a.mp3,,\nb,b.mp3,1999-13-01,", "row 3: year=1999-13-01 is not a year such as 1999"),
        ("a,\\\\nas\\music\\a.mp3,,", "path=\\\\nas\\music\\a.mp3 lies outside"),
        ("a,\\music\\a.mp3,,", "path=\\music\\a.mp3 lies outside"),
        ("a,a.mp3,,training", "row 2: split=training is not train, valid or test"),
        ("a,/etc/passwd,,", "row 2: path=/etc/passwd lies outside"),
        ("a,C:\\music\\a.mp3,,", "row 2: path=C:\\music\\a.mp3 lies outside"),
        ("a,../a.mp3,,", "row 2: path=../a.mp3 holds `..`"),
        ("a,x/../../a.mp3,,", "holds `..`"),
        ("a,x\\..\\a.mp3,,", "holds `..`"),
    ],
)
def test_refuses_with_file_row_column_value_and_hint(tmp_path: Path, rows: str, expected: str) -> None:
    message = complaint(tmp_path, f"track_id,path,year,split\n{rows}\n")
    assert message.startswith(f"catalog {tmp_path}/tracks.csv, row ") and expected in message


@pytest.mark.parametrize("cell", ["long", "nan", "inf", "1e999"])
def test_refuses_durations_that_are_no_number(tmp_path: Path, cell: str) -> None:
    message = complaint(tmp_path, f"track_id,path,duration\na,a.mp3,{cell}\n")
    assert f"row 2: duration={cell} is not a number of seconds" in message


@pytest.mark.parametrize(
    "cell",
    [
        "1999",
        "1999.0",
        "1999.00",
        "1999.",
        "1999-05",
        "1999-05-01",
        "1999-05-01 00:00:00",
        "1999-05-01T10:00:00Z",
    ],
)
def test_years_of_dates_and_spreadsheets(tmp_path: Path, cell: str) -> None:
    assert catalog(tmp_path, f"track_id,path,year\na,a.mp3,{cell}\nb,b.mp3,\n").values("year") == [
        ("1999",),
        (),
    ]


def test_windows_separators_are_folders_unless_a_file_has_that_name(tmp_path: Path) -> None:
    (tmp_path / "AC\\DC.mp3").touch()
    (tmp_path / "Artist/Album").mkdir(parents=True)
    (tmp_path / "Artist/Album/a.mp3").touch()
    rows = "a,Artist\\Album\\a.mp3\nb,AC\\DC.mp3\nc,.\\gone\\c.mp3\nd,Artist\\Album/a.mp3\n"
    tracks = catalog(tmp_path, f"track_id,path\n{rows}")
    expected = ["Artist/Album/a.mp3", "AC\\DC.mp3", "gone/c.mp3", "Artist/Album/a.mp3"]
    assert tracks.audio_paths() == [tmp_path / path for path in expected]


def test_links_are_seen_behind_windows_separators(tmp_path: Path) -> None:
    music, outside = tmp_path / "music", tmp_path / "outside"
    music.mkdir()
    outside.mkdir()
    (music / "far").symlink_to(outside)
    assert "is a link that leads out of" in complaint(music, "track_id,path\na,far\\a.mp3\n")


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_nan_in_parquet_is_not_known(tmp_path: Path, kind: str) -> None:
    numbers = pa.array([1985.0, float("nan")]).cast(kind)
    table = {"track_id": ["a", "b"], "path": ["a", "b"], "year": numbers, "duration": numbers, "bpm": numbers}
    pa.parquet.write_table(pa.table(table), tmp_path / "tracks.parquet")
    tracks = read_catalog(tmp_path / "tracks.parquet")
    for column in ("year", "duration", "bpm"):
        assert tracks.frame[column].isna().tolist() == [False, True]


def test_numbers_in_a_semicolon_file_have_decimal_commas(tmp_path: Path) -> None:
    tracks = catalog(
        tmp_path, "track_id;path;year;duration;bpm;title\na;a.mp3;1999,0;12,5;90,25;1,2,3\nb;b.mp3;;3;120;x\n"
    )
    assert tracks.frame["duration"].tolist() == [12.5, 3.0] and tracks.values("year") == [("1999",), ()]
    assert tracks.values("bpm") == [("90.25",), ("120",)] and tracks.values("title")[0] == ("1,2,3",)
    expected = "row 3: duration=long is not a number of seconds."
    assert expected in complaint(tmp_path, "track_id;path;duration\na;a.mp3;12,5\nb;b.mp3;long\n")
    expected = "row 2: duration=12,5 is not a number of seconds"
    assert expected in complaint(tmp_path, 'track_id,path,duration\na,a.mp3,"12,5"\n')


def test_dots_in_names_are_not_climbing(tmp_path: Path) -> None:
    assert len(catalog(tmp_path, "track_id,path\na,x/..and so on/a..mp3\nb,./b.mp3\n")) == 2


def test_absolute_paths_inside_the_folder(tmp_path: Path) -> None:
    tracks = catalog(tmp_path, f"track_id,path\na,{tmp_path}/x/a.mp3\n")
    assert tracks.audio_path("a") == tmp_path / "x/a.mp3"


def test_links(tmp_path: Path) -> None:
    music, outside = tmp_path / "music", tmp_path / "outside"
    (music / "x").mkdir(parents=True)
    outside.mkdir()
    (outside / "a.mp3").touch()
    (music / "x/inside.mp3").touch()
    (music / "x/near.mp3").symlink_to("inside.mp3")
    (music / "loop").symlink_to(music)
    (music / "far").symlink_to(outside)
    (music / "x/far.mp3").symlink_to(outside / "a.mp3")
    assert (
        len(catalog(music, "track_id,path\na,x/near.mp3\nb,loop/loop/x/inside.mp3\nc,missing/c.mp3\n")) == 3
    )
    expected = "is a link that leads out of"
    assert f"row 3: path=x/far.mp3 {expected}" in complaint(
        music, "track_id,path\na,x/near.mp3\nb,x/far.mp3\n"
    )
    assert f"row 2: path=far/a.mp3 {expected}" in complaint(music, "track_id,path\na,far/a.mp3\n")
    assert f"row 2: path=far/gone/a.mp3 {expected}" in complaint(music, "track_id,path\na,far/gone/a.mp3\n")
    assert f"path=loop/far/a.mp3 {expected}" in complaint(music, "track_id,path\na,loop/far/a.mp3\n")


def test_a_catalog_reached_over_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.mp3").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real/tracks.csv").write_text(f"track_id,path\na,{tmp_path}/link/a.mp3\nb,b.mp3\n")
    assert read_catalog(tmp_path / "link/tracks.csv").audio_path("a").is_file()


def test_audio_folder_elsewhere(tmp_path: Path) -> None:
    tracks = catalog(tmp_path, "track_id,path,audio_folder\na,a.mp3,../music\nb,b.mp3,../music\n")
    assert tracks.audio_path("b") == tmp_path / "../music/b.mp3"
    tracks = catalog(tmp_path, "track_id,path,audio_folder\na,a.mp3,..\\music\\old\n")
    assert tracks.audio_path("a") == tmp_path / "../music/old/a.mp3"
    tracks = catalog(tmp_path, "track_id,path,audio_folder\na,a.mp3,/mnt/music\n")
    assert tracks.audio_path("a") == Path("/mnt/music/a.mp3")
    message = complaint(tmp_path, "track_id,path,audio_folder\na,a.mp3,m\nb,b.mp3,n\n")
    assert "row 3: audio_folder=n differs from row 2" in message
    assert "row 2: audio_folder is empty" in complaint(tmp_path, "track_id,path,audio_folder\na,a.mp3,\n")


def test_folders_that_the_user_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    music, disk, secret = tmp_path / "music", tmp_path / "disk", tmp_path / "disk not"
    for folder in (music, disk, secret):
        (folder / "deep").mkdir(parents=True)
        for name in ("a.mp3", "deep/a.mp3"):
            (folder / name).touch()
    (music / "far").symlink_to(disk)
    (music / "far.mp3").symlink_to(disk / "a.mp3")
    (disk / "out").symlink_to(secret)
    (disk / "out.mp3").symlink_to(secret / "a.mp3")
    rows = {
        "absolute": f"a,{disk}/deep/a.mp3,",
        "linked folder": "a,far/deep/a.mp3,",
        "linked file": "a,far.mp3,",
        "second folder": "a,deep/a.mp3,../disk",
    }
    tables = {
        kind: f"track_id,path,audio_folder\nx,a.mp3,{music}\n{row if row[-1] != ',' else row + str(music)}\n"
        for kind, row in rows.items()
    }
    for table in tables.values():
        message = complaint(music, table)
        assert f"{disk}" in message and f"on a line of {list_of_folders()}." in message
    allow_folders([str(disk), str(disk / "deep")])
    assert list_of_folders().read_text() == f"{disk}\n", "what is inside it is allowed with it"
    for table in tables.values():
        tracks = catalog(music, table)
        assert tracks.audio_path("x") == music / "a.mp3"
        assert tracks.audio_path("a").resolve().is_relative_to(disk) and tracks.audio_path("a").is_file()
    for path in (
        f"{secret}/a.mp3",
        f"{disk}/out/a.mp3",
        f"{disk}/out.mp3",
        f"{disk}/../x.mp3",
        "far/out/a.mp3",
    ):
        assert "row 2: path=" in complaint(music, f"track_id,path\na,{path}\n"), path
    list_of_folders().unlink()
    assert complaint(music, tables["absolute"])
    monkeypatch.setenv("SOUNDKIN_AUDIO_FOLDERS", f"/nowhere:{disk}:")
    assert all(catalog(music, table) for table in tables.values())


@pytest.mark.parametrize("name", ["again.csv", "again.parquet"])
def test_round_trip_keeps_every_column(tmp_path: Path, name: str) -> None:
    tracks = catalog(tmp_path)
    write_catalog(tracks.frame, tmp_path / name)
    pd.testing.assert_frame_equal(read_catalog(tmp_path / name).frame, tracks.frame)


def test_reads_the_real_music(music: Path) -> None:
    tracks = read_catalog(music / "tracks.csv")
    assert len(set(tracks.track_ids)) == len(tracks) and all(path.is_file() for path in tracks.audio_paths())
    assert set(tracks.frame["licence_class"]) <= {"free", "nc"}
    named = tracks.frame.iloc[tracks.row("wesnoth_001")]
    assert named["title"] == "battle" and tracks.artists.keys[tracks.row("wesnoth_001")]


@pytest.mark.slow
def test_a_million_rows_take_seconds(tmp_path: Path) -> None:
    import time

    rows = 1_000_000
    frame = pd.DataFrame({"track_id": [f"track-{row:07d}" for row in range(rows)]})
    frame["path"] = [f"artist {row % 50_000}/{row}.mp3" for row in range(rows)]
    frame["genre"], frame["year"] = "rock;pop", "1999"
    write_catalog(frame, tmp_path / "tracks.csv")
    began = time.process_time()
    pd.read_csv(tmp_path / "tracks.csv", dtype=str)
    plain = time.process_time() - began
    began = time.process_time()
    tracks = read_catalog(tmp_path / "tracks.csv")
    assert time.process_time() - began < 6 * plain, "checking may cost a few times the plain reading"
    began = time.process_time()
    assert len(tracks.values("genre")) == rows
    assert time.process_time() - began < plain
