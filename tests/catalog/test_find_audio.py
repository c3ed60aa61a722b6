"""Which files of a folder are music, and what they are called."""

import os
import unicodedata
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.catalog.scan import find_audio, track_id


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_audio_by_suffix_sorted_without_hidden_files(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "b/2.MP3",
        "b/1.flac",
        "a.ogg",
        "cover.jpg",
        ".hidden.mp3",
        ".trash/c.mp3",
        "b/._1.flac",
        "mp3",
        "z.wav.txt",
    )
    assert find_audio(tmp_path) == (["a.ogg", "b/1.flac", "b/2.MP3"], [])


def test_links_are_not_followed(tmp_path: Path) -> None:
    music, outside = tmp_path / "music", tmp_path / "outside"
    touch(music, "x/a.mp3")
    touch(outside, "b.mp3")
    (music / "loop").symlink_to(music)
    (music / "x/again.mp3").symlink_to("a.mp3")
    (music / "far").symlink_to(outside)
    (music / "far.mp3").symlink_to(outside / "b.mp3")
    (music / "broken.mp3").symlink_to("nothing.mp3")
    (music / "turning.mp3").symlink_to("turning.mp3")
    found, skipped = find_audio(music)
    assert found == ["x/a.mp3"]
    reasons = {Path(item.path).name: item.reason for item in skipped}
    assert set(reasons) == {"far", "far.mp3", "broken.mp3", "turning.mp3"}
    assert "a link that leads out of" in reasons["far"] and "scan where it leads to" in reasons["far.mp3"]
    assert "broken link" in reasons["broken.mp3"]


def test_what_cannot_be_listed_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3")
    os.mkfifo(tmp_path / "pipe.mp3")
    (tmp_path / "folder.mp3").mkdir()
    odd_file, odd_folder = os.fsdecode(b"caf\xe9.mp3"), os.fsdecode(b"caf\xe9")
    touch(tmp_path, odd_file, f"{odd_folder}/b.mp3")
    found, skipped = find_audio(tmp_path)
    assert found == ["a.mp3"]
    assert {Path(item.path).name: item.reason for item in skipped} == {
        "pipe.mp3": "not a regular file",
        "caf\ufffd.mp3": "its name is not valid UTF-8; rename it",
        "caf\ufffd": "its name is not valid UTF-8; rename it",
    }


def test_track_ids_are_readable_and_last() -> None:
    assert track_id("Nina Simone/Pastel Blues/08 Sinnerman.flac") == "nina-simone-pastel-blues-08-sinnerman-44426429"
    assert track_id("???.mp3").isalnum()
    assert track_id(unicodedata.normalize("NFD", "Björk/é.mp3")) == track_id(
        unicodedata.normalize("NFC", "Björk/é.mp3")
    )
    assert len(track_id("x" * 500)) <= 70


@settings(max_examples=50, deadline=None)
@given(st.sets(st.text(min_size=1, max_size=8), max_size=10))
def test_different_paths_have_different_ids(paths: set[str]) -> None:
    different = {unicodedata.normalize("NFC", path) for path in paths}
    assert len({track_id(path) for path in different}) == len(different)
