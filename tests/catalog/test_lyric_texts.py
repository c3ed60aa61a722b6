"""Reference and property tests of lyrics as plain text."""

import os
from pathlib import Path

import pandas as pd
import pytest

from soundkin.catalog.lyric_texts import LARGEST_BYTES, lyrics_beside, lyrics_of, plain_lyrics
from soundkin.catalog.table import Catalog, read_catalog, write_catalog
from soundkin.errors import CatalogError


def test_lrc_marks_go_and_words_stay() -> None:
    text = "[ar: Nina]\n[length: 03:00]\n[00:12.00][01:12.00]Birds <00:12.5>flying\n\n"
    text += "[00:15]High [chorus]\n[Verse 1]\n"
    assert plain_lyrics(text) == "Birds flying\n\nHigh [chorus]\n[Verse 1]"
    assert plain_lyrics("Straße\n東京") == "Straße\n東京"


def test_the_file_beside_the_audio(tmp_path: Path) -> None:
    audio = tmp_path / "song.mp3"
    assert lyrics_beside(audio) == ""
    (tmp_path / "song.txt").write_bytes("\ufeffla la".encode())
    assert lyrics_beside(audio) == "la la"
    (tmp_path / "song.lrc").write_text("[00:01.00]lo lo")
    assert lyrics_beside(audio) == "lo lo", "the words with times are the surer ones"


def test_what_is_no_lyrics(tmp_path: Path) -> None:
    audio = tmp_path / "song.mp3"
    (tmp_path / "song.lrc").write_bytes(b"caf\xe9")
    (tmp_path / "song.txt").write_text("x" * (LARGEST_BYTES + 1))
    assert lyrics_beside(audio) == ""
    (tmp_path / "song.txt").unlink()
    (tmp_path / "song.txt").mkdir()
    assert lyrics_beside(audio) == ""


LYRIC_CELLS = {
    "words": "la la\nlo",
    "cell with times": "[ar: Nina]\n[00:12.00]Birds flying\n[00:15]High",
    "none": "",
    "text file": "words/a b.txt",
    "timed file": "words/song.LRC",
    "words that end like a file": "I wrote it down\nin notes.txt",
}


def catalog_of(folder: Path, cells: list[str]) -> Catalog:
    """A catalog whose tracks have these cells in its column `lyrics`."""
    ids = [f"t{row}" for row in range(len(cells))]
    frame = pd.DataFrame({"track_id": ids, "path": [f"{name}.mp3" for name in ids], "lyrics": cells})
    folder.mkdir(exist_ok=True)
    write_catalog(frame, folder / "catalog.csv")
    return read_catalog(folder / "catalog.csv")


def test_words_come_from_cells_and_from_the_files_they_name(tmp_path: Path) -> None:
    words = tmp_path / "music" / "words"
    words.mkdir(parents=True)
    (words / "a b.txt").write_text("\ufeffStraße\n東京\n", encoding="utf-8")
    (words / "song.LRC").write_text("[00:01.00]lo lo")
    catalog = catalog_of(tmp_path / "music", list(LYRIC_CELLS.values()))
    expected = [
        "la la\nlo",
        "Birds flying\nHigh",
        "",
        "Straße\n東京",
        "lo lo",
        "I wrote it down\nin notes.txt",
    ]
    assert lyrics_of(catalog) == expected
    assert lyrics_of(catalog.select(["t3", "t0"])) == [expected[3], expected[0]]


def test_files_are_looked_for_where_the_audio_is(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.txt").write_text("la")
    frame = pd.DataFrame({"track_id": ["t"], "path": ["t.mp3"], "lyrics": ["a.txt"]})
    write_catalog(frame.assign(audio_folder=str(tmp_path / "elsewhere")), tmp_path / "catalog.csv")
    assert lyrics_of(read_catalog(tmp_path / "catalog.csv")) == ["la"]


def test_no_column_is_no_lyrics(tmp_path: Path) -> None:
    frame = pd.DataFrame({"track_id": ["a", "b"], "path": ["a.mp3", "b.mp3"]})
    assert lyrics_of(Catalog(frame, tmp_path)) == ["", ""]
    assert lyrics_of(Catalog(frame.assign(lyrics=[None, None]), tmp_path)) == ["", ""]


def test_files_that_cannot_be_read_are_told_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "book.txt").write_text("x" * (LARGEST_BYTES + 1))
    (tmp_path / "folder.txt").mkdir()
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "good.txt").write_text("la")
    cells = [
        "gone.lrc",
        "latin.txt",
        "book.txt",
        "folder.txt",
        "pipe.txt",
        "x" * 300 + ".txt",
        "good.txt",
        "lo",
    ]
    assert lyrics_of(catalog_of(tmp_path, cells)) == [""] * 6 + ["la", "lo"]
    assert (
        "6 of 7 files of lyrics" in caplog.text and "track_id=t0: lyrics=gone.lrc is no file" in caplog.text
    )
    caplog.clear()
    assert lyrics_of(catalog_of(tmp_path, ["good.txt", "latin.txt"])) == ["la", ""]
    assert (
        "1 of 2 files of lyrics" in caplog.text
        and "track_id=t1: lyrics=latin.txt is not UTF-8 text" in caplog.text
    )


@pytest.mark.parametrize(
    "cell", ["../secret.txt", "{outside}", "a/../../secret.txt", "link.txt", "linked/secret.txt"]
)
def test_no_file_outside_the_folder_is_read(tmp_path: Path, cell: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    music = tmp_path / "music"
    music.mkdir()
    (music / "link.txt").symlink_to(tmp_path / "secret.txt")
    (music / "linked").symlink_to(tmp_path, target_is_directory=True)
    catalog = catalog_of(music, ["la", "", cell.format(outside=tmp_path / "secret.txt")])
    with pytest.raises(CatalogError, match=r"track_id=t2: lyrics=.*txt lies outside") as caught:
        lyrics_of(catalog)
    assert "Copy the file there" in str(caught.value)


def test_windows_separators_are_folders(tmp_path: Path) -> None:
    (tmp_path / "words").mkdir()
    (tmp_path / "words/a.txt").write_text("la la")
    assert lyrics_of(catalog_of(tmp_path, ["words\\a.txt"])) == ["la la"]
    with pytest.raises(CatalogError, match="lies outside"):
        lyrics_of(catalog_of(tmp_path, ["\\words\\a.txt"]))


def test_a_link_within_the_folder_and_an_absolute_path_into_it_are_fine(tmp_path: Path) -> None:
    (tmp_path / "song.txt").write_text("la")
    (tmp_path / "link.txt").symlink_to(tmp_path / "song.txt")
    assert lyrics_of(catalog_of(tmp_path, ["link.txt", str(tmp_path / "song.txt")])) == ["la", "la"]


def test_the_real_music_has_words(music: Path) -> None:
    catalog = read_catalog(music / "tracks.csv")
    texts = lyrics_of(catalog)
    named = catalog.frame["lyrics"].notna().to_numpy()
    assert named.any() and [bool(text) for text in texts] == named.tolist()
    assert "Standing in the shadows" in texts[catalog.row("ultrastar_002")]
