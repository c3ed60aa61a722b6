"""Histories in the forms in which people have them."""

import json
from pathlib import Path

import pytest

from soundkin.catalog.listening_history import Listen, read_history
from soundkin.errors import CatalogError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_a_table_of_names_with_times(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", "artist_name,track_name,date\nAnn,One,2026-01-02\nBob,,\n")
    assert read_history(table) == [
        Listen(f"{table}, row 2", "", "Ann", "One", 1_767_312_000.0),
        Listen(f"{table}, row 3", "", "Bob", "", None),
    ]


def test_a_table_of_ids_without_times(tmp_path: Path) -> None:
    table = write(tmp_path / "a.csv", "track_id\n17\n18\n")
    assert [(listen.location, listen.unix_seconds) for listen in read_history(table)] == [
        ("17", None),
        ("18", None),
    ]


@pytest.mark.parametrize("in_lines", [True, False])
def test_an_export_of_listenbrainz(tmp_path: Path, in_lines: bool) -> None:
    listens = [
        {"listened_at": 1, "track_metadata": {"artist_name": "Ann", "track_name": "One, with , commas"}},
        {"track_metadata": {"artist_name": "Bob", "track_name": "Two"}},
    ]
    text = "\n".join(map(json.dumps, listens)) if in_lines else json.dumps(listens, indent=1)
    found = read_history(write(tmp_path / "listens.json", text))
    assert [(listen.artist, listen.title, listen.unix_seconds) for listen in found] == [
        ("Ann", "One, with , commas", 1.0),
        ("Bob", "Two", None),
    ]


def test_a_playlist_or_a_list_of_ids(tmp_path: Path) -> None:
    assert [listen.location for listen in read_history(write(tmp_path / "a.txt", "a\nb\n"))] == ["a", "b"]
    [listen] = read_history(write(tmp_path / "a.m3u8", "#EXTINF:1,Ann - One\none.mp3\n"))
    assert (listen.location, listen.artist, listen.title) == ("one.mp3", "Ann", "One")


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "when,what\n1,2\n", "needs a column track_id, or artist and title"),
        ("a.json", "{", "no export of ListenBrainz"),
        ("a.json", '[{"artist": "Ann"}]', "no export of ListenBrainz"),
        ("a.csv", "track_id,listened_at\na,yesterday\n", "row 2"),
    ],
)
def test_what_is_no_history_is_refused(tmp_path: Path, name: str, text: str, problem: str) -> None:
    with pytest.raises(CatalogError, match=problem):
        read_history(write(tmp_path / name, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="does not exist"):
        read_history(tmp_path / "gone.csv")
