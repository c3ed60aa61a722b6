"""Files of ours among those of a server, which sees the same folders under other names.

A server's `/music/Nina/Sinnerman.flac` may be our `/srv/tunes/Nina/Sinnerman.flac`: `/music` is then a mount
of `/srv/tunes`. Mounts are found by vote. A pair of paths votes where all of one, relative to its top folder,
ends the other; the mount with most votes decides first, and below a folder of the server that a mount has
decided about no other counts: `01.flac` of an unknown album is not the `01.flac` in our top folder.

Paths are compared without case and in one normal form (NFC), with `/` between folders.
"""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Mount(NamedTuple):
    """A folder of the server and ours, as they are compared; "" is what the paths are relative to."""

    server: str
    ours: str


def same_files(server: Sequence[tuple[str, str]], ours: Sequence[str]) -> dict[int, list[int]]:
    """Our rows, by the server's, that are the same file.

    `server` holds the (folder, path) of each track, the folder empty where it is not known, and `ours` paths
    relative to our folder. Several rows are of files whose names differ in case alone.
    """
    placed = _placed([(comparable(folder), comparable(path)) for folder, path in server])
    relative = [comparable(path).lstrip("/") for path in ours]
    votes: dict[Mount, dict[int, list[int]]] = {}
    for mount, theirs, own in (*_below_ours(placed, relative), *_below_theirs(placed, relative)):
        votes.setdefault(mount, {}).setdefault(theirs, []).append(own)
    found: dict[int, list[int]] = {}
    decided: set[str] = set()
    for mount in sorted(votes, key=lambda mount: (-len(votes[mount]), len(mount.server), mount)):
        if decided.isdisjoint(_above(mount.server)):
            new = {theirs: own for theirs, own in votes[mount].items() if theirs not in found}
            found |= new
            decided |= {mount.server} if new else set()
    return {theirs: _same_case(server[theirs][1], own, ours) for theirs, own in found.items()}


def comparable(path: str) -> str:
    """A path without what servers and file systems write differently."""
    parts = unicodedata.normalize("NFC", path).casefold().replace("\\", "/").split("/")
    start = "/" if not parts[0] and len(parts) > 1 else ""
    return start + "/".join(part for part in parts if part not in ("", "."))


def _placed(server: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """(folder, path relative to it); absolute paths whose folder is not known have the one that holds all."""
    absolute = [path for folder, path in server if path.startswith("/") and not _is_in(folder, path)]
    shared = os.path.commonpath([path.rpartition("/")[0] or "/" for path in absolute]) if absolute else ""
    placed = []
    for folder, path in server:
        if path.startswith("/"):
            folder = (folder if _is_in(folder, path) else shared).rstrip("/")
            path = path[len(folder) :]
        placed.append((folder.rstrip("/"), path.strip("/")))
    return placed


def _is_in(folder: str, path: str) -> bool:
    return bool(folder) and path.startswith(f"{folder.rstrip('/')}/")


Vote = tuple[Mount, int, int]


def _below_ours(placed: Sequence[tuple[str, str]], relative: Sequence[str]) -> Iterator[Vote]:
    """All of our path ends the server's."""
    by_path: dict[str, list[int]] = {}
    for row, path in enumerate(relative):
        by_path.setdefault(path, []).append(row)
    for theirs, (root, path) in enumerate(placed):
        full = f"{root}/{path}" if root else path
        for start in _ends(full):
            for own in by_path.get(full[start:], ()):
                yield Mount(full[:start].rstrip("/"), ""), theirs, own


def _below_theirs(placed: Sequence[tuple[str, str]], relative: Sequence[str]) -> Iterator[Vote]:
    """All of the server's path ends ours, and there is more of ours."""
    by_path: dict[str, list[int]] = {}
    for row, (_, path) in enumerate(placed):
        by_path.setdefault(path, []).append(row)
    for own, path in enumerate(relative):
        for start in _ends(path):
            for theirs in by_path.get(path[start:], ()) if start else ():
                yield Mount(placed[theirs][0], path[:start].rstrip("/")), theirs, own


def _ends(path: str) -> Iterator[int]:
    """Where the path and each of its ends begin."""
    start = 0
    while True:
        if path[start : start + 1] != "/":
            yield start
        start = path.find("/", start) + 1
        if not start:
            return


def _above(folder: str) -> Iterator[str]:
    """The folders that hold this one."""
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


def _same_case(path: str, rows: list[int], ours: Sequence[str]) -> list[int]:
    """Of several rows, the one whose path is spelled as the server's, or else all."""
    if len(rows) == 1:
        return rows
    wanted = unicodedata.normalize("NFC", path)
    spelled = [(row, unicodedata.normalize("NFC", ours[row])) for row in rows]
    same = [row for row, own in spelled if wanted.endswith(own) or own.endswith(wanted)]
    return same if len(same) == 1 else rows
