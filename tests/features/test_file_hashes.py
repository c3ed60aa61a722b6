"""A file that has not changed is not read again, and one that has is."""

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from soundkin.features import file_hashes
from soundkin.features.file_hashes import SETTLED_SECONDS, file_hash


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read; hashes are remembered in a folder of the test's own, at once."""
    found: list[Path] = []
    whole = file_hashes.sha256_of
    monkeypatch.setattr(file_hashes, "sha256_of", lambda path: found.append(path) or whole(path))
    monkeypatch.setattr(file_hashes, "SETTLED_SECONDS", -1.0)
    monkeypatch.setenv("SOUNDKIN_CACHE", str(tmp_path / "cache"))
    return found


def test_an_unchanged_file_is_read_once(tmp_path: Path, reads: list[Path]) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(b"music")
    assert file_hash(song) == file_hash(song) == file_hash(song)
    assert reads == [song]


def test_whatever_changes_is_read_again(tmp_path: Path, reads: list[Path]) -> None:
    song, other = tmp_path / "song.mp3", tmp_path / "other.mp3"
    song.write_bytes(b"music")
    times = song.stat()
    before = file_hash(song)
    song.write_bytes(b"cisum")
    os.utime(song, ns=(times.st_atime_ns, times.st_mtime_ns))  # as taggers do that keep a file's time
    assert file_hash(song) != before
    other.write_bytes(b"music")
    other.replace(song)
    assert file_hash(song) == before
    assert len(reads) == 3


def test_a_file_written_just_now_is_not_remembered(
    tmp_path: Path, reads: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_hashes, "SETTLED_SECONDS", SETTLED_SECONDS)
    song = tmp_path / "song.mp3"
    song.write_bytes(b"music")
    assert file_hash(song) == file_hash(song)
    assert len(reads) == 2


@pytest.mark.parametrize("harm", ["corrupt", "a folder", "no permission"])
def test_without_a_memory_files_are_read(tmp_path: Path, reads: list[Path], harm: str) -> None:
    memory = tmp_path / "cache" / "audio-hashes.sqlite"
    if harm == "corrupt":
        memory.parent.mkdir()
        memory.write_bytes(b"no database" * 1_000)
    elif harm == "a folder":
        memory.mkdir(parents=True)
    else:
        (tmp_path / "cache").write_bytes(b"a file in the way")
    song = tmp_path / "song.mp3"
    song.write_bytes(b"music")
    assert file_hash(song) == file_hash(song)
    assert len(reads) == 2


def test_threads_share_the_memory(tmp_path: Path, reads: list[Path]) -> None:
    songs = [tmp_path / f"{number}.mp3" for number in range(50)]
    for song in songs:
        song.write_bytes(song.name.encode())
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(file_hash, songs)) == list(pool.map(file_hash, songs))
    assert sorted(reads) == sorted(songs)
    with sqlite3.connect(tmp_path / "cache" / "audio-hashes.sqlite") as database:
        assert database.execute("SELECT COUNT(*) FROM hashes").fetchone() == (50,)
