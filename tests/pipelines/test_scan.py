"""`scan` on real files: what lands in the catalog, what is skipped, and what a second scan keeps."""

from pathlib import Path

import mutagen
import numpy as np
import pandas as pd
import pytest
import soundfile

from soundkin.catalog.table import read_catalog, write_catalog
from soundkin.errors import CatalogError, UsageError
from soundkin.pipelines.scan import scan


def sing(folder: Path, name: str, **tags: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(22050, dtype=np.float32), 22050)
    file = mutagen.File(path)
    for key, value in tags.items():
        file[key] = value
    file.save()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    music = tmp_path / "music"
    sing(music, "b/two.flac", title="Two", artist="Nina", genre="Jazz", date="1999-05-01", lyrics='one, "two"\nthree')
    sing(music, "b/one.ogg")
    sing(music, "a, b.flac", artist="Can")
    (music / "b/broken.mp3").write_text("not music")
    return music


@pytest.mark.parametrize("name", ["catalog.csv", "catalog.parquet"])
def test_a_folder_becomes_a_catalog(folder: Path, name: str) -> None:
    result = scan(folder, folder / name)
    frame = result.catalog.frame
    assert frame["path"].tolist() == ["a, b.flac", "b/one.ogg", "b/two.flac"]
    assert all(path.is_file() for path in result.catalog.audio_paths())
    assert frame.iloc[2].drop("track_id").to_dict() == {
        "path": "b/two.flac",
        "title": "Two",
        "artist": "Nina",
        "album": pytest.approx(np.nan, nan_ok=True),
        "genre": "Jazz",
        "year": 1999,
        "duration": 1.0,
        "lyrics": 'one, "two"\nthree',
        "licence": pytest.approx(np.nan, nan_ok=True),
    }
    [skipped] = result.skipped
    assert skipped.path == str(folder / "b/broken.mp3") and "cannot be opened as audio" in skipped.reason
    assert sorted(path.name for path in folder.iterdir()) == sorted(["a, b.flac", "b", name])


@pytest.mark.parametrize(
    ("output", "first", "audio_folder"),
    [
        ("music/catalog.csv", "a, b.flac", False),
        ("catalog.csv", "music/a, b.flac", False),
        ("runs/demo/catalog.csv", "a, b.flac", True),
        ("music/lists/catalog.csv", "a, b.flac", True),
    ],
)
def test_paths_are_as_seen_from_the_catalog(folder: Path, output: str, first: str, audio_folder: bool) -> None:
    catalog = scan(folder, folder.parent / output).catalog
    assert catalog.frame["path"].iloc[0] == first
    assert ("audio_folder" in catalog.frame) == audio_folder
    assert all(path.is_file() for path in catalog.audio_paths())
    assert catalog.track_ids == scan(folder, folder / "other.csv").catalog.track_ids


def test_a_relative_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    catalog = scan(Path("music"), Path("catalog.csv")).catalog
    assert catalog.frame["path"].iloc[0] == "music/a, b.flac" and catalog.audio_paths()[0].is_file()


def test_a_second_scan_keeps_ids_and_what_people_added(folder: Path) -> None:
    output = folder / "catalog.csv"
    before = scan(folder, output).catalog
    edited = before.frame.copy()
    edited["mood"] = ["calm", "wild", pd.NA]
    edited["genre"] = ["Krautrock", "Folk", "Polka"]
    edited["year"] = pd.array([1970, None, 1850], dtype="Int64")
    write_catalog(edited, output)
    sing(folder, "0 new.flac", title="New")
    (folder / "b/one.ogg").unlink()
    after = scan(folder, output, workers=2).catalog
    assert after.frame["path"].tolist() == ["0 new.flac", "a, b.flac", "b/two.flac"]
    assert after.track_ids[1:] == [before.track_ids[0], before.track_ids[2]]
    assert after.values("mood") == [(), ("calm",), ()]
    assert after.values("genre") == [(), ("Krautrock",), ("Jazz",)], "the file's own tag goes first"
    assert after.values("year") == [(), ("1970",), ("1999",)]


def test_the_same_folder_gives_the_same_bytes(folder: Path) -> None:
    scan(folder, folder / "one.csv", workers=1)
    scan(folder, folder / "two.csv", workers=3)
    assert (folder / "one.csv").read_bytes() == (folder / "two.csv").read_bytes()


def test_a_move_to_another_place_leaves_no_stale_folder(folder: Path) -> None:
    elsewhere = folder.parent / "lists/catalog.csv"
    scan(folder, elsewhere)
    frame = read_catalog(elsewhere).frame
    write_catalog(frame, folder / "catalog.csv")
    assert "audio_folder" not in scan(folder, folder / "catalog.csv").catalog.frame


def test_nothing_to_list(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a folder\. Name the folder that holds the music"):
        scan(tmp_path / "nowhere", tmp_path / "catalog.csv")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UsageError, match=r"holds no audio \(\.mp3"):
        scan(tmp_path, tmp_path / "catalog.csv")
    (tmp_path / "a.mp3").touch()
    with pytest.raises(UsageError, match=r"none of the 1 audio files in .* can be opened\. First: "):
        scan(tmp_path, tmp_path / "catalog.csv")
    assert not (tmp_path / "catalog.csv").exists()


def test_a_broken_earlier_catalog_is_not_overwritten(folder: Path) -> None:
    output = folder / "catalog.csv"
    output.write_text("my notes\n")
    with pytest.raises(CatalogError, match="no column track_id"):
        scan(folder, output)
    assert output.read_text() == "my notes\n"
    with pytest.raises(CatalogError, match=r"\.csv or \.parquet"):
        scan(folder, folder / "catalog.xls")


def test_the_real_music(music: Path, tmp_path: Path) -> None:
    result = scan(music, tmp_path / "catalog.csv", workers=2)
    stated = read_catalog(music / "tracks.csv")
    assert len(result.catalog) == len(stated) and result.skipped == []
    assert result.catalog.frame["duration"].sum() == pytest.approx(stated.frame["duration"].sum(), rel=0.001)
