"""Hashes of audio files, remembered from one command to the next so that an unchanged file is not read again.

A file is unchanged if its device, inode, size, modification time and change time are. The times of a file
written in the last `SETTLED_SECONDS` may not tell a further change: such a hash is not kept. The memory is
`audio-hashes.sqlite` in SOUNDKIN_CACHE, or in `soundkin/` of the user's cache folder. It may be deleted; if
it cannot be used, files are read.
"""

import os
import sqlite3
import threading
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from soundkin.files import sha256_of
from soundkin.user_folders import user_folder

SETTLED_SECONDS = 2.0
CREATE = (
    "CREATE TABLE IF NOT EXISTS hashes "
    "(device, inode, size, modified, changed, hash, PRIMARY KEY (device, inode)) WITHOUT ROWID"
)
CREATE_URLS = "CREATE TABLE IF NOT EXISTS urls (url PRIMARY KEY, version, hash) WITHOUT ROWID"
FIND_URL = "SELECT version, hash FROM urls WHERE url=?"
KEEP_URL = "INSERT OR REPLACE INTO urls VALUES (?, ?, ?)"
FIND = "SELECT hash FROM hashes WHERE device=? AND inode=? AND size=? AND modified=? AND changed=?"
KEEP = "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?)"

_lock = threading.Lock()


def cache_folder() -> Path:
    """Where soundkin keeps what it can compute again."""
    return Path(os.environ.get("SOUNDKIN_CACHE") or user_folder("cache"))


def file_hash(path: Path) -> str:
    """First 32 hex digits of the SHA-256 of a file's bytes; OSError if it cannot be read."""
    stat = path.stat()
    times = (stat.st_mtime_ns, stat.st_ctime_ns)
    key = [str(part) for part in (stat.st_dev, stat.st_ino, stat.st_size, *times)]
    if known := _query(FIND, key):
        return str(known[0])
    computed = sha256_of(path)[:32]
    if time.time() - max(stat.st_mtime, stat.st_ctime) > SETTLED_SECONDS:
        _query(KEEP, [*key, computed])
    return computed


def remembered_url(url: str) -> tuple[str, str]:
    """A version of a remote file and the hash of its content then; empty texts if nothing is remembered."""
    version, hash_ = _query(FIND_URL, [url]) or ("", "")
    return str(version), str(hash_)


def remember_url(url: str, version: str, hash_: str) -> None:
    """Remember what content a version of a remote file has."""
    _query(KEEP_URL, [url, version, hash_])


def _query(statement: str, values: list[str]) -> tuple[Any, ...] | None:
    """The row that a statement returns, if any; None if the memory cannot be used."""
    with _lock, suppress(sqlite3.Error):
        if database := _open(cache_folder(), os.getpid()):
            row: tuple[Any, ...] | None = database.execute(statement, values).fetchone()
            return row
    return None


@lru_cache(maxsize=2)
def _open(folder: Path, process: int) -> sqlite3.Connection | None:
    """The connection of this process, which must not be shared over a fork."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "audio-hashes.sqlite"
        database = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=NORMAL", CREATE, CREATE_URLS):
            database.execute(statement)
        return database
    except (OSError, sqlite3.Error):
        return None
