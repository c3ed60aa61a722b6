import json
from pathlib import Path

import pytest

from soundkin.catalog.playlist_files import (
    Entry,
    ListedFile,
    path_key,
    path_keys,
    read_entries,
    write_playlist,
)
from soundkin.errors import CatalogError, UsageError


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def names(entries: list[Entry]) -> list[tuple[str, str, str]]:
    return [(entry.location, entry.artist, entry.title) for entry in entries]


def test_names_stand_before_their_entry(tmp_path: Path) -> None:
    text = "#EXTM3U\n#EXTINF:12,Ann - Dawn - Live\na.mp3\n\nb.mp3\n#EXTINF:-1,Dusk\nc.mp3\n"
    expected = [("a.mp3", "Ann", "Dawn - Live"), ("b.mp3", "", ""), ("c.mp3", "", "Dusk")]
    assert names(read_entries(written(tmp_path, "p.m3u", text))) == expected
    assert read_entries(tmp_path / "p.m3u")[1].place == f"{tmp_path}/p.m3u, line 5: b.mp3"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    assert names(read_entries(written(tmp_path, "p.m3u", "é.mp3\r\n", encoding))) == [("é.mp3", "", "")]


def test_jspf(tmp_path: Path) -> None:
    tracks = [
        {"location": ["file:///m/a.mp3", "x"], "title": "Dawn", "creator": "Ann"},
        {"location": "b.mp3"},
        {"title": "Dusk", "creator": None, "identifier": ["https://musicbrainz.org/recording/1"]},
    ]
    playlist = written(tmp_path, "p.jspf", json.dumps({"playlist": {"title": "p", "track": tracks}}))
    expected = [("file:///m/a.mp3", "Ann", "Dawn"), ("b.mp3", "", ""), ("", "", "Dusk")]
    assert names(read_entries(playlist)) == expected
    assert read_entries(playlist)[0].place.endswith("track 1: Ann - Dawn")


@pytest.mark.parametrize("text", ["{", "{}", '{"playlist": {"track": [3]}}', '{"playlist": []}'])
def test_json_that_is_no_playlist(tmp_path: Path, text: str) -> None:
    with pytest.raises(CatalogError, match=r"p\.jspf is no JSPF: it needs a list at playlist\.track"):
        read_entries(written(tmp_path, "p.jspf", text))


def test_a_playlist_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        read_entries(tmp_path / "p.m3u")


def test_paths_of_another_machine_are_known_by_their_last_folders() -> None:
    keys = list(path_keys("D:\\Music\\Ann\\Dawn.mp3", Path("/lists"), Path("/music")))
    assert "/music/Ann/Dawn.mp3" in keys
    assert "/music/Dawn.mp3" not in keys
    assert next(path_keys("../music/./a.mp3", Path("/lists"), Path("/elsewhere"))) == "/music/a.mp3"


LISTED = [
    ListedFile("1", "/music/Ann/one & ünë.mp3", "One\nTwo", "Ann", 61.4),
    ListedFile("2", "/music/#2 50%.mp3", "Two", ""),
    ListedFile("3", "/other/three\nlines.mp3", "", "Bob - Cy", 0.4),
]


@pytest.mark.parametrize("name", ["a.m3u8", "A.M3U", "a.jspf"])
def test_what_is_written_is_read_again(tmp_path: Path, name: str) -> None:
    write_playlist(LISTED, tmp_path / name, "Mine")
    entries = read_entries(tmp_path / name)
    for listed, entry in zip(LISTED, entries, strict=True):
        keys = list(path_keys(entry.location, tmp_path, Path("/music")))
        assert path_key(listed.path) in keys
    assert (entries[0].artist, entries[1].title) == ("Ann", "Two")


def test_m3u_has_relative_paths_and_lengths(tmp_path: Path) -> None:
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "a.m3u8"
    inside = ListedFile("1", str(tmp_path / "music" / "a.mp3"), "One\nTwo", "Ann", 61.4)
    beside = ListedFile("2", str(tmp_path / "lists" / "#b.mp3"), "Two", "")
    write_playlist([inside, beside], file, "My\nlist")
    assert file.read_text().splitlines() == [
        "#EXTM3U", "#PLAYLIST:My list",
        "#EXTINF:61,Ann - One Two", "../music/a.mp3",
        "#EXTINF:-1,Two", "./#b.mp3",
    ]  # fmt: skip


def test_jspf_is_a_playlist_with_locations(tmp_path: Path) -> None:
    write_playlist(LISTED[:1], tmp_path / "a.jspf", "Mine")
    [track] = json.loads((tmp_path / "a.jspf").read_text())["playlist"]["track"]
    assert track["duration"] == 61400 and track["creator"] == "Ann" and len(track["location"]) == 1


def test_plain_ids_one_a_line(tmp_path: Path) -> None:
    write_playlist(LISTED, tmp_path / "a.txt", "Mine")
    assert (tmp_path / "a.txt").read_text() == "1\n2\n3\n"


def test_another_suffix_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.m3u8, \.m3u or \.jspf"):
        write_playlist(LISTED, tmp_path / "a.pdf", "Mine")
    assert list(tmp_path.iterdir()) == []
