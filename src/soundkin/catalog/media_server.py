"""What a media server knows of its tracks: the database of a Navidrome, or a table that any server exports.

Navidrome's table `media_file` has changed over the years: paths are relative to the library's since 0.55, ids
of recordings are called `mbz_recording_id` since 0.50, and files that are gone are marked `missing` since
0.55. All are read. The database is opened read-only, and may be written to meanwhile.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pandas as pd

from soundkin.catalog.table_io import read_rows, reject_empty, reject_repeats, to_numbers
from soundkin.errors import CatalogError

SQLITE = b"SQLite format 3\0"  # a database begins so
BUSY_SECONDS = 30
TEXTS = ("id", "path", "title", "artist", "album", "recording_mbid")
COLUMNS = (*TEXTS, "folder", "duration", "missing")
# What servers and people call the columns of a table, compared without case.
SPELLINGS = {
    "id": ("id", "item_id", "track_id", "song_id", "server_id"),
    "path": ("path", "url", "location", "file", "filename"),
    "title": ("title", "name"),
    "artist": ("artist", "author", "artists"),
    "album": ("album",),
    "duration": ("duration", "seconds", "secs", "length"),
    "recording_mbid": ("mbid", "recording_mbid", "musicbrainz_id", "mbz_recording_id", "mb_trackid"),
}


def read_media_server(export: Path) -> pd.DataFrame:
    """COLUMNS of each of a server's tracks: text, empty where unknown, `duration` in seconds or NaN.

    `path` is relative to `folder` where that is known, else as the server has it. `missing`: the file is
    gone. Raises CatalogError where `export` is neither a Navidrome's database nor a table with the columns
    that are needed.
    """
    try:
        with Path(export).open("rb") as file:
            is_database = file.read(len(SQLITE)) == SQLITE
    except IsADirectoryError:
        is_database = False
    except OSError as error:
        raise CatalogError(f"{export} cannot be read: {error.strerror}.") from error
    return _read_navidrome(Path(export)) if is_database else _read_table(Path(export))


def _read_navidrome(database: Path) -> pd.DataFrame:
    with _opened(database) as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        if "media_file" not in tables:
            raise CatalogError(
                f"{database} has no table media_file, so it is not Navidrome's. Give its navidrome.db, or a "
                "CSV file with the columns id and path."
            )
        known = {row[1] for row in connection.execute("PRAGMA table_info(media_file)")}
        mbid = next((name for name in ("mbz_recording_id", "mbz_track_id") if name in known), "''")
        missing = "missing" if "missing" in known else "0"
        folder, join = "''", ""
        if "library" in tables and "library_id" in known:
            folder, join = "library.path", "LEFT JOIN library ON library.id = media_file.library_id"
        asked = (
            f"SELECT media_file.id, media_file.path, title, artist, album, {mbid}, {folder}, duration, "
            f"{missing} FROM media_file {join} ORDER BY media_file.id"
        )
        rows = connection.execute(asked).fetchall()
    if not rows:
        raise CatalogError(f"{database} lists no tracks. Let Navidrome scan its music first.")
    columns = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
    texts = {
        name: ["" if cell is None else str(cell) for cell in columns[name]] for name in (*TEXTS, "folder")
    }
    frame = pd.DataFrame({**columns, **texts})
    frame["duration"] = pd.to_numeric(frame["duration"], errors="coerce")
    frame["missing"] = [cell not in (0, None, "false") for cell in columns["missing"]]
    return frame


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    """The database, read-only. Raises CatalogError where it cannot be read."""
    address = f"file:{quote(str(database.absolute()))}?mode=ro"
    try:
        if not Path(f"{database}-wal").exists() and not _can_be_asked(address):
            address += "&immutable=1"  # nobody writes
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as connection:
            connection.text_factory = lambda text: text.decode(errors="replace")
            yield connection
    except sqlite3.Error as error:
        hint = (
            "Copy it, with NAME-wal and NAME-shm if they are beside it, to a folder of yours, and name that."
        )
        raise CatalogError(f"database {database} cannot be read: {error}. {hint}") from error


def _can_be_asked(address: str) -> bool:
    """Whether SQLite may create the files beside a database that it asks others by."""
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as connection:
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return False
    return True


def _read_table(table: Path) -> pd.DataFrame:
    source = f"export {table}"
    given = read_rows(table, source, required=())
    names = {str(name).casefold(): name for name in reversed(given.columns)}
    found = {
        ours: next(names[spelling] for spelling in spellings if spelling in names)
        for ours, spellings in SPELLINGS.items()
        if names.keys() & set(spellings)
    }
    if "id" not in found or not ("path" in found or {"title", "artist"} <= found.keys()):
        raise CatalogError(
            f"{source} needs a column id, and path or title and artist; it has {', '.join(map(str, given))}. "
            "Name them so in its first row."
        )
    frame = given[list(found.values())].set_axis(list(found), axis="columns")
    reject_empty(frame, source, "id")
    reject_repeats(frame, source, ["id"], "Leave each id once.")
    frame = frame.reindex(columns=list(COLUMNS)).astype("str").fillna("")
    frame["duration"] = to_numbers(frame["duration"], bool(given.attrs.get("decimal_comma")))
    frame["path"] = [_of_address(path) for path in frame["path"]]
    frame["missing"] = False
    return frame.reset_index(drop=True)


def _of_address(path: str) -> str:
    """`file:///music/a%20b.mp3` as a path."""
    return unquote(urlsplit(path).path) if path.startswith("file://") else path
