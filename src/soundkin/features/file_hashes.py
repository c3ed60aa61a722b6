"""Hashes of audio files, remembered from one command to the next so that an unchanged file is not read again.

A file is the one that was hashed if its device, inode, size, time of change and time of modification are what
they were. The times of a file written in the last `SETTLED_SECONDS` may not tell a further change: such a
hash is not kept. The memory is `audio-hashes.sqlite` in SOUNDKIN_CACHE, or in `soundkin/` of the user's cache
folder. It may be deleted; where it cannot be used, files are read.
"""

import os
import sqlite3
import threading
import time
from functools import lru_cache
from pathlib import Path

from soundkin.files import sha256_of

SETTLED_SECONDS = 2.0

_lock = threading.Lock()


def cache_folder() -> Path:
    """Where soundkin keeps what it can compute again."""
    stated = os.environ.get("SOUNDKIN_CACHE")
    return (
        Path(stated)
        if stated
        else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soundkin"
    )


def file_hash(path: Path) -> str:
    """First 32 hex digits of the SHA-256 of a file's bytes.

    Raises:
        OSError: the file cannot be read.
    """
    stat = path.stat()
    key = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    memory = _memory(cache_folder(), os.getpid())
    known = memory.find(key) if memory else None
    if known:
        return known
    found = sha256_of(path)[:32]
    if memory and time.time() - max(stat.st_mtime, stat.st_ctime) > SETTLED_SECONDS:
        memory.keep(key, found)
    return found


class _Memory:
    """One connection to the table of hashes; whatever goes wrong with it means that a hash is not known."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            folder / "audio-hashes.sqlite", timeout=5, isolation_level=None, check_same_thread=False
        )
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS hashes "
            "(device, inode, size, modified, changed, hash, PRIMARY KEY (device, inode)) WITHOUT ROWID"
        )

    def find(self, key: tuple[int, ...]) -> str | None:
        query = "SELECT hash FROM hashes WHERE device=? AND inode=? AND size=? AND modified=? AND changed=?"
        try:
            with _lock:
                row = self._database.execute(query, [str(part) for part in key]).fetchone()
        except sqlite3.Error:
            return None
        return str(row[0]) if row else None

    def keep(self, key: tuple[int, ...], found: str) -> None:
        try:
            with _lock:
                self._database.execute(
                    "INSERT OR REPLACE INTO hashes VALUES (?, ?, ?, ?, ?, ?)", [*map(str, key), found]
                )
        except sqlite3.Error:
            pass


@lru_cache(maxsize=2)
def _memory(folder: Path, process: int) -> _Memory | None:
    """The memory of this process: a connection must not be shared over a fork."""
    try:
        return _Memory(folder)
    except (OSError, sqlite3.Error):
        return None
