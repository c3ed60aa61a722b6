import json
from pathlib import Path

import pytest

from soundkin.catalog.playlist_files import Entry, path_keys, read_entries
from soundkin.errors import CatalogError


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
