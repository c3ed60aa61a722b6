"""Tracks of media servers, from real databases and tables."""

import sqlite3
import threading

import pytest

from navidrome_database import LIBRARIES, OLDEST, SCANNER, VERSIONS, add_files, open_database
from soundkin.catalog.media_server import COLUMNS, read_media_server
from soundkin.errors import CatalogError

SONG = {"id": "Ab1", "title": "Sinnerman", "artist": "Nina • Bob", "album": "Pastel", "duration": 622.5}
MBID = "5935ec91-8124-42ff-937f-f31a20ffe58f"


@pytest.mark.parametrize("version", VERSIONS)
def test_navidrome_of_every_age(tmp_path, version):
    mbid = "mbz_track_id" if version == OLDEST else "mbz_recording_id"
    path = "Nina/1.flac" if version == SCANNER else "/music/Nina/1.flac"
    with open_database(tmp_path / "navidrome.db", version) as connection:
        add_files(connection, {**SONG, "path": path, mbid: MBID}, {"id": "7", "path": "x.mp3", mbid: ""})
        found = read_media_server(tmp_path / "navidrome.db")
    assert tuple(found.columns) == COLUMNS
    folder = "/music" if version in (LIBRARIES, SCANNER) else ""
    second, first = found.to_dict("records")
    assert first == {**SONG, "path": path, "recording_mbid": MBID, "folder": folder, "missing": False}
    assert second["id"] == "7" and second["recording_mbid"] == "", "text, whatever it looks like"


def test_a_database_that_is_being_written_is_read_as_it_was_committed(tmp_path):
    connection = open_database(tmp_path / "navidrome.db")
    add_files(connection, {"id": "1", "path": "a.mp3"})
    connection.execute("INSERT INTO media_file (id, path) VALUES ('2', 'b.mp3')")  # not committed yet
    assert read_media_server(tmp_path / "navidrome.db")["id"].tolist() == ["1"], "what is in the WAL counts"
    connection.commit()
    assert read_media_server(tmp_path / "navidrome.db")["id"].tolist() == ["1", "2"]
    connection.close()


def test_a_database_that_is_written_all_the_while(tmp_path):
    add_files(open_database(tmp_path / "navidrome.db"), {"id": "0", "path": "a.mp3"})
    stop = threading.Event()

    def write():
        connection = sqlite3.connect(tmp_path / "navidrome.db", timeout=30)
        number = 1
        while not stop.is_set():
            add_files(connection, *({"id": f"{number}-{n}", "path": f"{n}.mp3"} for n in range(10)))
            number += 1
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    sizes = [len(read_media_server(tmp_path / "navidrome.db")) for _ in range(10)]
    stop.set()
    writer.join()
    assert sizes == sorted(sizes) and all(size % 10 == 1 for size in sizes), "whole transactions"


def test_a_copy_without_its_wal_in_a_folder_that_is_read_only(tmp_path, monkeypatch):
    connection = open_database(tmp_path / "navidrome.db")
    add_files(connection, {"id": "1", "path": "a.mp3"})
    connection.close()
    before = (tmp_path / "navidrome.db").read_bytes()
    real = sqlite3.connect

    def connect(address, **options):
        if "immutable" not in address:  # as SQLite says where it may not create NAME-shm
            raise sqlite3.OperationalError("unable to open database file")
        return real(address, **options)

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert read_media_server(tmp_path / "navidrome.db")["id"].tolist() == ["1"]
    assert (tmp_path / "navidrome.db").read_bytes() == before


def test_missing_files_and_libraries(tmp_path):
    with open_database(tmp_path / "navidrome.db", folders={1: "/music", 2: "/vinyl rips"}) as connection:
        add_files(
            connection,
            {"id": "1", "path": "a.mp3", "missing": 1},
            {"id": "2", "path": "a.mp3", "library_id": 2},
            {"id": "3", "path": "a.mp3", "library_id": 9},
        )
    found = read_media_server(tmp_path / "navidrome.db")
    assert found["missing"].tolist() == [True, False, False]
    assert found["folder"].tolist() == ["/music", "/vinyl rips", ""]


def test_tables_of_any_server(tmp_path):
    (tmp_path / "export.csv").write_text(
        "Item_ID;URL;Name;Author;Album;Secs;MBID\n"
        "007;file:///music/a%20b%C3%B6.mp3;Song;Ann;;3,5;\n"
        "1e5;/music/c;;;;long;" + MBID + "\n"
    )
    first, second = read_media_server(tmp_path / "export.csv").to_dict("records")
    assert first == {
        **{"id": "007", "path": "/music/a bö.mp3", "title": "Song", "artist": "Ann", "album": ""},
        **{"duration": 3.5, "recording_mbid": "", "folder": "", "missing": False},
    }
    assert second["id"] == "1e5" and second["duration"] != second["duration"]
    assert second["recording_mbid"] == MBID
    (tmp_path / "export.tsv").write_text("id\ttitle\tartist\n9\tA, B\tC\n")
    assert read_media_server(tmp_path / "export.tsv")["title"].tolist() == ["A, B"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty"),
        (b"path,title\na,b\n", "needs a column id, and path or title and artist; it has path, title"),
        (b"id,title\na,b\n", "needs a column id"),
        (b"id,path\n1,a\n1,b\n", "row 3: id=1 repeats row 2"),
        (b"id,path\n,a\n", "id is empty"),
        (b"SQLite format 3\0" + bytes(100), "cannot be read"),
    ],
)
def test_what_cannot_be_used_is_said(tmp_path, content, complaint):
    (tmp_path / "export.csv").write_bytes(content)
    with pytest.raises(CatalogError, match=complaint):
        read_media_server(tmp_path / "export.csv")


def test_other_databases_and_folders_are_refused(tmp_path):
    with sqlite3.connect(tmp_path / "library.db") as connection:
        connection.execute("CREATE TABLE tracks (id integer)")
    with pytest.raises(CatalogError, match="no table media_file"):
        read_media_server(tmp_path / "library.db")
    open_database(tmp_path / "navidrome.db").close()
    with pytest.raises(CatalogError, match="lists no tracks"):
        read_media_server(tmp_path / "navidrome.db")
    with pytest.raises(CatalogError, match="is a folder"):
        read_media_server(tmp_path)
    with pytest.raises(CatalogError, match=r"nowhere\.db cannot be read: No such file"):
        read_media_server(tmp_path / "nowhere.db")
