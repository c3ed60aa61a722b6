"""`scan` on real files: what lands in the catalog, what is skipped, and what a second scan keeps."""

import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import mutagen
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from containers import encode, silent_film
from soundkin.catalog.file_tags import read_tags
from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.errors import CatalogError, UsageError
from soundkin.features.decode import read_waveform
from soundkin.pipelines.scan import Changes, scan


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
    sing(
        music,
        "b/two.flac",
        title="Two",
        artist="Nina",
        genre="Jazz",
        date="1999-05-01",
        lyrics='one, "two"\nthree',
    )
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
        "recording_mbid": pytest.approx(np.nan, nan_ok=True),
        "guessed": pytest.approx(np.nan, nan_ok=True),
    }
    assert result.catalog.values("title") == [("a, b",), ("one",), ("Two",)]
    assert result.catalog.values("guessed") == [("title",), ("title",), ()]
    [skipped] = result.skipped
    assert skipped.path == str(folder / "b/broken.mp3") and "cannot be opened as audio" in skipped.reason
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["a, b.flac", "b", name, name.replace(".", ".scanned.")]
    )


@pytest.mark.parametrize(
    ("output", "first", "audio_folder"),
    [
        ("music/catalog.csv", "a, b.flac", False),
        ("catalog.csv", "music/a, b.flac", False),
        ("runs/demo/catalog.csv", "a, b.flac", True),
        ("music/lists/catalog.csv", "a, b.flac", True),
    ],
)
def test_paths_are_as_seen_from_the_catalog(
    folder: Path, output: str, first: str, audio_folder: bool
) -> None:
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
    assert after.values("genre") == [(), ("Krautrock",), ("Polka",)], "what a person wrote stays"
    assert after.values("year") == [(), ("1970",), ("1850",)]


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


def test_a_folder_that_is_not_mounted_leaves_the_catalog(folder: Path) -> None:
    output = folder.parent / "c.csv"
    scan(folder, output)
    before = output.read_bytes()
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(UsageError, match=r"holds no audio .*c\.csv stays as it is"):
        scan(folder, output)
    assert output.read_bytes() == before


@pytest.mark.slow
def test_the_real_music(music: Path, tmp_path: Path) -> None:
    result = scan(music, tmp_path / "catalog.csv", workers=2)
    stated = read_catalog(music / "tracks.csv")
    assert len(result.catalog) == len(stated) and result.skipped == []
    assert result.catalog.frame["duration"].sum() == pytest.approx(stated.frame["duration"].sum(), rel=0.001)


def tagged(path: Path, seed: int = 0, **tags: str) -> Path:
    """A flac with noise that differs by `seed`, and these tags."""
    encode(path, "flac", seed=seed)
    file = mutagen.File(path)
    file.update(tags)
    file.save()
    return path


def retag(path: Path, **tags: str) -> None:
    """Set tags; `` takes one away."""
    file = mutagen.File(path)
    for key, value in tags.items():
        if value:
            file[key] = value
        else:
            del file[key]
    file.save()


def edit(output: Path, **columns: Sequence[str | None]) -> None:
    """Write columns into a catalog as a person would, with pandas."""
    frame = read_catalog(output).frame.assign(**columns)
    write_catalog(frame, output)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """Three tagged tracks with sounds of their own."""
    music = tmp_path / "music"
    for number, name in enumerate(["x/a.flac", "x/b.flac", "y/c.flac"]):
        tagged(music / name, number, title=f"T{number}", artist="Ann", genre="Rock")
    return music


def test_names_alike_but_for_unicode_form(tmp_path: Path) -> None:
    music, output = tmp_path / "music", tmp_path / "c.csv"
    composed, decomposed = (unicodedata.normalize(form, "Beyoncé.flac") for form in ("NFC", "NFD"))
    for number, name in enumerate([composed, decomposed]):
        tagged(music / name, number)
    first = scan(music, output).catalog
    assert len(set(first.track_ids)) == 2
    ids = dict(zip(first.frame["path"], first.track_ids, strict=True))
    assert scan(music, output).catalog.track_ids == first.track_ids
    (music / composed).unlink()
    assert scan(music, output).catalog.track_ids == [ids[f"music/{decomposed}"]]
    tagged(music / composed, 0)
    assert dict(zip(read_catalog(output).frame["path"], scan(music, output).catalog.track_ids, strict=False))
    again = scan(music, output).catalog
    assert dict(zip(again.frame["path"], again.track_ids, strict=True)) == ids


NAMES = [
    *(
        "a\nb.mp3",
        "a\rb.mp3",
        "a\tb.mp3",
        "q\"u'o.mp3",
        " lead.mp3",
        "trail .mp3",
        "=SUM(A1).mp3",
        "a;b,c.mp3",
        "é.mp3",
    ),
    *(
        "e\u0301.mp3",
        "\ufeffa.mp3",
        "\x01\x7f.mp3",
        "\u2028.mp3",
        "A.mp3",
        "a.mp3",
        "a.mp3.mp3",
        "a.MP3",
        "[/b].mp3",
    ),
    *("x" * 200 + ".mp3", "x" * 200 + "y.mp3", " /  /a.mp3", "#hash.mp3", "nan.mp3", "%41.mp3", "a\\b.mp3"),
]


def test_whatever_the_names_the_catalog_reads_back(tmp_path: Path) -> None:
    music = tmp_path / "music"
    original = encode(tmp_path / "original.mp3", "mp3")
    for name in NAMES:
        (music / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, music / name)
    for output in (tmp_path / "c.csv", tmp_path / "c.parquet", music / "c.csv"):
        result = scan(music, output)
        assert result.skipped == []
        prefix = "" if output.parent == music else "music/"
        catalog = read_catalog(output)
        assert catalog.frame["path"].tolist() == sorted(f"{prefix}{name}" for name in NAMES)
        assert all(path.is_file() for path in catalog.audio_paths())
        assert scan(music, output).catalog.track_ids == catalog.track_ids == result.catalog.track_ids


def test_a_catalog_that_cannot_be_read_back_does_not_replace_the_earlier_one(library: Path) -> None:
    output = library / "c.csv"
    scan(library, output)
    frame = read_catalog(output).frame
    output.write_text(frame.assign(split=["train", "testing", "valid"]).to_csv(index=False))
    before = output.read_bytes()
    with pytest.raises(CatalogError, match=r"c\.csv, row 3: split=testing .*The catalog stays as it was"):
        scan(library, output)
    assert output.read_bytes() == before and not list(library.glob(".*new*"))


def test_a_parquet_table_keeps_its_numbers_and_takes_empty_cells(library: Path) -> None:
    output = library / "c.parquet"
    retag(library / "x/a.flac", date="1999")
    scan(library, output)
    edit(output, duration=[1.0, None, None])
    assert scan(library, output).catalog.frame["duration"].tolist() == pytest.approx(
        [1.0, np.nan, np.nan], nan_ok=True
    )
    table = pd.read_parquet(output)
    assert table["year"].iloc[0] == 1999 and table["duration"].iloc[0] == 1.0
    edit(output, year=["199x", None, None])
    with pytest.raises(CatalogError, match=r"c\.parquet, row 2: year=199x"):
        scan(library, output)


def test_rows_outlive_their_file(library: Path) -> None:
    output = library.parent / "c.csv"
    scan(library, output)
    edit(output, mood=["happy", "sad", "calm"], genre=["Rock", "Pop", "Jazz"])
    before = output.read_bytes()
    (library / "y").rename(library.parent / "away")
    result = scan(library, output)
    assert result.changes and result.changes.gone == ["music/y/c.flac"] and result.waiting == 1
    assert result.catalog.frame["path"].tolist() == ["music/x/a.flac", "music/x/b.flac"]
    assert scan(library, output).changes == Changes(), "gone once is not gone again"
    (library.parent / "away").rename(library / "y")
    result = scan(library, output)
    assert result.changes == Changes(returned=["y/c.flac"]) and result.waiting == 0
    assert output.read_bytes() == before
    assert not (library.parent / "c.gone.csv").exists()


def test_a_row_comes_back_when_its_file_returns_under_another_name(library: Path) -> None:
    output = library.parent / "c.csv"
    ids = scan(library, output).catalog.track_ids
    edit(output, mood=["happy", "sad", "calm"])
    (library / "y/c.flac").rename(library.parent / "c.flac")
    scan(library, output)
    (library.parent / "c.flac").rename(library / "z.flac")
    catalog = scan(library, output).catalog
    assert catalog.track_ids[catalog.frame["path"].tolist().index("music/z.flac")] == ids[2]
    assert catalog.values("mood")[2] == ("calm",)


def test_a_scan_that_was_killed_between_its_files_is_put_right(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = library.parent / "c.csv"
    scan(library, output)
    edit(output, mood=["happy", "sad", "calm"])
    (library / "y").rename(library.parent / "away")
    retag(library / "x/a.flac", genre="Jazz")
    for step in ("replace_catalog", "write_scanned"):
        with monkeypatch.context() as patched:
            patched.setattr(f"soundkin.catalog.rescan.{step}", lambda *_: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                scan(library, output)
    (library.parent / "away").rename(library / "y")
    catalog = scan(library, output).catalog
    assert catalog.values("mood") == [("happy",), ("sad",), ("calm",)]
    retag(library / "x/a.flac", genre="Soul")
    assert scan(library, output).catalog.values("genre") == [("Soul",), ("Rock",), ("Rock",)]


def test_a_tag_that_was_deleted_goes_and_what_a_person_wrote_stays(library: Path) -> None:
    output = library.parent / "c.csv"
    scan(library, output)
    edit(output, genre=["Rock", "Pop", None], year=["1999.0", None, "1970"])
    for name in ("x/a.flac", "x/b.flac"):
        retag(library / name, genre="", date="2001")
    retag(library / "y/c.flac", date="2001")
    result = scan(library, output)
    assert result.catalog.values("genre") == [(), ("Pop",), ()]
    assert result.catalog.values("year") == [("1999",), ("2001",), ("1970",)]
    assert result.changes and result.changes.retagged == ["x/a.flac", "x/b.flac", "y/c.flac"]
    retag(library / "y/c.flac", genre="Soul")
    assert scan(library, output).catalog.values("genre") == [(), ("Pop",), ()], "an emptied cell stays empty"


def test_without_the_table_of_the_last_scan_tags_go_first_and_gaps_stay_filled(
    library: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = library.parent / "c.csv"
    scan(library, output)
    edit(output, genre=["Rock", "Pop", "Jazz"], licence=["mine", None, None])
    retag(library / "x/a.flac", genre="")
    for spoil in (Path.unlink, lambda path: path.write_text("nonsense")):
        spoil(library.parent / "c.scanned.csv")
        with caplog.at_level("INFO"):
            catalog = scan(library, output).catalog
        assert "not known what their tags said" in caplog.text
        assert catalog.values("genre") == [("Rock",), ("Rock",), ("Rock",)] and catalog.values("licence")[
            0
        ] == ("mine",)
        caplog.clear()


def test_ids_and_own_columns_of_a_catalog_made_by_hand_stay(library: Path) -> None:
    output = library / "mine.csv"
    output.write_text("track_id,path,mood\nmy song,./x/a.flac,happy\nother,x/b.flac,sad\n")
    catalog = scan(library, output).catalog
    assert catalog.track_ids[:2] == ["my song", "other"] and catalog.values("mood") == [
        ("happy",),
        ("sad",),
        (),
    ]


def rows(catalog: Catalog) -> dict[str, tuple[str, str]]:
    """Id and mood by path."""
    return {path: (track, mood) for path, track, mood in catalog.frame[["path", "track_id", "mood"]].values}


@pytest.fixture
def known(library: Path) -> dict[str, tuple[str, str]]:
    """The library, scanned, with moods: what it says."""
    output = library / "c.csv"
    scan(library, output)
    edit(output, mood=["happy", "sad", "calm"])
    return rows(read_catalog(output))


def test_ids_stay_when_files_move_and_are_retagged(library: Path, known: dict[str, tuple[str, str]]) -> None:
    (library / "new").mkdir()
    (library / "x/a.flac").rename(library / "new/01 A.flac")
    retag(library / "new/01 A.flac", title="Other", album="Album " * 1000)
    result = scan(library, library / "c.csv")
    assert result.changes == Changes(moved=["new/01 A.flac"])
    assert rows(result.catalog)["new/01 A.flac"] == known["x/a.flac"]


def test_rows_follow_files_that_swap_or_shift_their_names(
    library: Path, known: dict[str, tuple[str, str]]
) -> None:
    (library / "y/c.flac").rename(library / "y/d.flac")
    (library / "x/b.flac").rename(library / "y/c.flac")
    (library / "x/a.flac").rename(library / "x/b.flac")
    tagged(library / "x/a.flac", 9)
    found = rows(scan(library, library / "c.csv").catalog)
    assert [found[path] for path in ("x/b.flac", "y/c.flac", "y/d.flac")] == list(known.values())
    assert found["x/a.flac"][0] not in {track for track, _ in known.values()}
    assert rows(scan(library, library / "c.csv").catalog) == found


def test_a_file_that_was_encoded_anew_in_its_place_keeps_its_row(
    library: Path, known: dict[str, tuple[str, str]]
) -> None:
    tagged(library / "x/a.flac", 7)
    assert rows(scan(library, library / "c.csv").catalog) == known


def test_a_file_of_another_kind_in_its_place_keeps_its_row(
    library: Path, known: dict[str, tuple[str, str]]
) -> None:
    (library / "x/a.flac").unlink()
    encode(library / "x/a.m4a", "aac", seed=0)
    (library / "x/b.flac").unlink()
    (library / "x/b.mp3").write_text("broken")
    found = rows(scan(library, library / "c.csv").catalog)
    assert found == {"x/a.m4a": known["x/a.flac"], "y/c.flac": known["y/c.flac"]}


def test_equal_copies_keep_their_own_rows(library: Path) -> None:
    output = library / "c.csv"
    shutil.copy(library / "x/a.flac", library / "y/a.flac")
    scan(library, output)
    edit(output, mood=["happy", "sad", "copy", "calm"])
    known = rows(read_catalog(output))
    (library / "y/a.flac").rename(library / "z.flac")
    assert rows(scan(library, output).catalog)["z.flac"] == known["y/a.flac"], "the other copy has not moved"
    (library / "new").mkdir()
    shutil.copytree(library / "x", library / "new/x")
    found = rows(scan(library, output).catalog)
    assert found["x/a.flac"] == known["x/a.flac"] and found["new/x/a.flac"][0] not in {
        row[0] for row in known.values()
    }
    (library / "x").rename(library / "old")
    (library / "new/x/a.flac").rename(library / "other.flac")
    result = scan(library, output)
    assert result.changes == Changes(
        ["old/a.flac", "other.flac"], [], ["old/b.flac"], [], ["new/x/a.flac", "x/a.flac"]
    )
    assert "happy" in (library / "c.gone.csv").read_text(), "either may be meant, so that neither is taken"


@pytest.mark.slow
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
def test_ids_and_labels_follow_the_sound_whatever_is_renamed(
    library: Path, tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, int]]
) -> None:
    music = tmp_path_factory.mktemp("moves") / "music"
    shutil.copytree(library, music)
    places = ["x/a.flac", "x/b.flac", "y/c.flac", "a.flac", "y/a.flac", "../away.flac"]
    output = music.parent / "c.csv"
    scan(music, output)
    edit(output, mood=["T0", "T1", "T2"])
    ids = dict(zip(["T0", "T1", "T2"], read_catalog(output).track_ids, strict=True))
    for one, other in moves:
        if (music / places[one]).exists() and one != other and len(list(music.rglob("*.flac"))) > 1:
            (music / places[one]).replace(music / places[other])
            catalog = scan(music, output).catalog
            for track, title, mood in catalog.frame[["track_id", "title", "mood"]].values:
                assert (title, ids[title]) == (mood, track)
            assert len(catalog) == len(list(music.rglob("*.flac")))


def test_a_library_moved_as_a_whole_keeps_ids_and_columns(
    library: Path, known: dict[str, tuple[str, str]]
) -> None:
    elsewhere = library.parent / "lists/c.csv"
    scan(library, elsewhere)
    edit(elsewhere, mood=["happy", "sad", "calm"])
    (library.parent / "lists/c.scanned.csv").unlink()
    library.rename(library.parent / "renamed")
    result = scan(library.parent / "renamed", elsewhere)
    assert rows(result.catalog) == known and result.catalog.audio_paths()[0].is_file()


def test_guesses_are_marked_follow_the_path_and_give_way_to_tags(tmp_path: Path) -> None:
    output = tmp_path / "c.csv"
    paths = [tmp_path / f"Artist/Album/{number:02} Song {number}.flac" for number in (1, 2, 3)]
    for number, path in enumerate(paths):
        tagged(path, number)
    catalog = scan(tmp_path, output).catalog
    assert catalog.values("title") == [("Song 1",), ("Song 2",), ("Song 3",)]
    assert catalog.values("artist") == [("Artist",)] * 3 and catalog.values("album") == [("Album",)] * 3
    assert catalog.values("guessed") == [("album", "artist", "title")] * 3
    edit(output, title=["Song 1", "Mine", "Song 3"])
    retag(paths[0], artist="Tagged")
    paths[2].rename(paths[2].with_name("04 - Renamed.flac"))
    catalog = scan(tmp_path, output).catalog
    assert catalog.values("title") == [("Song 1",), ("Mine",), ("Renamed",)]
    assert catalog.values("artist") == [("Tagged",), ("Artist",), ("Artist",)]
    assert catalog.values("guessed") == [
        ("album", "title"),
        ("album", "artist"),
        ("album", "artist", "title"),
    ]
    catalog = scan(tmp_path, output, guess=False).catalog
    assert catalog.values("title") == [(), ("Mine",), ()] and "guessed" not in catalog.frame
    assert catalog.values("artist") == [("Tagged",), (), ()]


def test_unchanged_files_are_not_opened_again(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = library / "c.csv"
    first = scan(library, output)
    opened: list[str] = []
    monkeypatch.setattr(
        "soundkin.catalog.scanned_files.read_tags",
        lambda path: opened.append(path.name) or read_tags(path),  # type: ignore
    )
    before = output.read_bytes(), (library / "c.scanned.csv").read_bytes()
    assert scan(library, output).changes == Changes() and opened == []
    assert (output.read_bytes(), (library / "c.scanned.csv").read_bytes()) == before
    (library / "x/b.lrc").write_text("words")
    retag(library / "y/c.flac", genre="Jazz")
    result = scan(library, output)
    assert opened == ["b.flac", "c.flac"] and result.catalog.track_ids == first.catalog.track_ids
    assert result.catalog.values("lyrics") == [(), ("words",), ()]


FORMATS = {
    **dict.fromkeys(("m4b", "mp4", "m4r", "m4a", "aac", "3gp", "mov", "mka"), "aac"),
    **dict.fromkeys(("webm", "weba", "opus", "mkv", "oga"), "libopus"),
    **dict.fromkeys(("au", "caf", "aiff", "aifc"), "pcm_s16be"),
    **dict.fromkeys(("w64", "wav", "avi", "voc"), "pcm_s16le"),
    **{
        "tta": "tta",
        "mp2": "mp2",
        "wv": "wavpack",
        "ac3": "ac3",
        "eac3": "eac3",
        "flac": "flac",
        "mpg": "mp2",
    },
    **{"wma": "wmav2", "asf": "wmav2", "mp3": "mp3"},
}
CONTAINERS = {"m4b": "mp4", "m4r": "mp4", "aifc": "aiff", "weba": "webm"}


@pytest.mark.slow
def test_whatever_the_decoders_open_is_listed_and_decodes(tmp_path: Path) -> None:
    for suffix, codec in FORMATS.items():
        encode(tmp_path / f"x.{suffix}", codec, CONTAINERS.get(suffix))
    silent_film(tmp_path / "silent.mp4")
    (tmp_path / "cover.jpg").touch()
    result = scan(tmp_path, tmp_path / "c.csv")
    assert result.catalog.frame["path"].tolist() == sorted(f"x.{suffix}" for suffix in FORMATS)
    assert result.skipped == [] and result.passed_over == [] and result.others == 2
    for path in result.catalog.audio_paths():
        assert read_waveform(path, 16_000).samples.size == pytest.approx(16_000, rel=0.15), path


def test_linked_tracks_can_be_embedded_and_others_are_named(tmp_path: Path) -> None:
    music = tmp_path / "music"
    encode(music / ".git/annex/k.mp3", "mp3")
    (music / "Artist").mkdir()
    (music / "Artist/01 Song.mp3").symlink_to("../.git/annex/k.mp3")
    (music / "Artist/02 Absent.mp3").symlink_to("../.git/annex/absent.mp3")
    for output in (tmp_path / "c.csv", music / "c.csv", tmp_path / "lists/c.csv"):
        result = scan(music, output)
        [path] = read_catalog(output).audio_paths()
        assert path.name == "01 Song.mp3" and read_waveform(path, 8000).samples.size
        assert [item.reason for item in result.skipped] == ["a broken link"]


def test_links_into_a_store_beside_the_music_are_listed_where_the_catalog_stands_above_both(
    tmp_path: Path,
) -> None:
    music = tmp_path / "annex/music"
    encode(music / "plain.mp3", "mp3")
    encode(tmp_path / "annex/.git/annex/k.mp3", "mp3", seed=1)
    encode(tmp_path / "annex/other/seen.mp3", "mp3", seed=2)
    for name, target in {"song.mp3": ".git/annex/k.mp3", "seen.mp3": "other/seen.mp3", "up": "."}.items():
        (music / name).symlink_to(tmp_path / "annex" / target)
    result = scan(music, tmp_path / "annex/c.csv")
    assert result.catalog.frame["path"].tolist() == ["music/plain.mp3", "music/song.mp3"]
    assert {Path(item.path).name for item in result.skipped} == {"seen.mp3", "up"}
    result = scan(music, music / "c.csv")
    assert result.catalog.frame["path"].tolist() == ["plain.mp3"]
    assert {Path(item.path).name for item in result.skipped} == {"song.mp3", "seen.mp3", "up"}


@pytest.mark.slow
def test_names_that_the_locale_cannot_spell(tmp_path: Path) -> None:
    encode(tmp_path / "lib/música.mp3", "mp3")
    encode(tmp_path / "lib/Größe/東京.m4a", "aac")
    code = (
        "import sys\nfrom pathlib import Path\nfrom soundkin.pipelines.scan import scan\n"
        "assert sys.getfilesystemencoding() == 'ascii' or sys.getfilesystemencoding() == 'utf-8', 1\n"
        "catalog = scan(Path('lib'), Path('c.csv')).catalog\n"
        "assert all(path.is_file() for path in catalog.audio_paths())\n"
        "assert not scan(Path('lib'), Path('c.csv')).changes.moved\n"
    )
    legacy = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=legacy, check=True)
    assert read_catalog(tmp_path / "c.csv").frame["path"].tolist() == ["lib/Größe/東京.m4a", "lib/música.mp3"]
    assert scan(tmp_path / "lib", tmp_path / "c.csv").changes == Changes()


def test_other_sound_in_the_same_place_is_a_change(library: Path) -> None:
    output = library.parent / "c.csv"
    ids = scan(library, output).catalog.track_ids
    tagged(library / "x/a.flac", 9, title="T0", artist="Ann", genre="Rock")
    result = scan(library, output)
    assert result.changes == Changes(changed=["x/a.flac"]) and result.catalog.track_ids == ids


def test_links_out_of_the_folder_are_followed_on_request(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    tagged(tmp_path / "disk/d.flac", 3)
    tagged(tmp_path / "other/e.flac", 4)
    (library / "disk").symlink_to(tmp_path / "disk")
    (library / "e.flac").symlink_to(tmp_path / "other/e.flac")
    output = tmp_path / "c.csv"
    first = scan(library, output)
    assert len(first.catalog) == 3 and len(first.skipped) == 2 and "--follow-links" in first.skipped[0].reason
    result = scan(library, output, follow_links=True)
    assert result.skipped == [] and result.changes == Changes(new=["disk/d.flac", "e.flac"])
    assert all(path.is_file() for path in read_catalog(output).audio_paths())
