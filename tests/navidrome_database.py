"""Databases as Navidrome's migrations leave them, but for the columns that nobody here reads."""

import sqlite3
from pathlib import Path

OLDEST = "2020"  # absolute paths, mbz_track_id added in 2020-10
RENAMED = "0.50"  # mbz_recording_id since 2023-06
LIBRARIES = "0.53"  # a table of libraries since 2024-05, paths still absolute
SCANNER = "0.55"  # paths relative to the library's, and missing files kept, since 2024-10
VERSIONS = (OLDEST, RENAMED, LIBRARIES, SCANNER)


def open_database(path: Path, version: str = SCANNER, folders: dict[int, str] | None = None):
    """A connection to a new database in WAL mode; `folders` are the libraries'."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    mbid = "mbz_track_id" if version == OLDEST else "mbz_recording_id"
    names = ("path", "title", "album", "artist", mbid)
    columns = ["id varchar(255) not null primary key", "duration real default 0 not null"]
    columns += [f"{name} varchar(255) default '' not null" for name in names]
    if version in (LIBRARIES, SCANNER):
        connection.execute("CREATE TABLE library (id integer primary key, name text, path text not null)")
        rows = [(number, f"Music {number}", at) for number, at in (folders or {1: "/music"}).items()]
        connection.executemany("INSERT INTO library VALUES (?, ?, ?)", rows)
        columns.append("library_id integer not null default 1")
    if version == SCANNER:
        columns.append("missing boolean default false not null")
    connection.execute(f"CREATE TABLE media_file ({', '.join(columns)})")
    connection.commit()
    return connection


def add_files(connection, *files):
    """Insert rows given as dicts of columns, and commit."""
    for file in files:
        marks = ", ".join("?" * len(file))
        connection.execute(
            f"INSERT INTO media_file ({', '.join(file)}) VALUES ({marks})", list(file.values())
        )
    connection.commit()
