"""Listening histories as people have them: tables of ids or names, exports of ListenBrainz, playlists.

A table has `track_id`, or `artist` and `title` (`artist_name` and `track_name`, as exports call them), and
maybe `listened_at`. A ListenBrainz export is JSON: a list of listens, or one a line. Without times the last
listen is the latest.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundkin.catalog.columns import Column, read_table
from soundkin.catalog.playlist_files import IDS, PLAYLIST_FILES, read_entries
from soundkin.errors import CatalogError

NAMES = {"artist_name": "artist", "track_name": "title", "track": "title", "name": "title"}
TIMES = ("listened_at", "timestamp", "date", "uts", "time")
JSON = (".json", ".jsonl")


@dataclass(frozen=True)
class Listen:
    """Somebody listened to a track, known by id or path, or by names; `unix_seconds` None where not known."""

    place: str
    location: str = ""
    artist: str = ""
    title: str = ""
    unix_seconds: float | None = None


def read_history(path: Path) -> list[Listen]:
    """All listens of a history, in its order; CatalogError where it cannot be read or names no tracks."""
    path = Path(path)
    if not path.is_file():
        raise CatalogError(f"history {path} does not exist. Check the name.")
    suffix = path.suffix.lower()
    if suffix in (*PLAYLIST_FILES, IDS):
        return [Listen(e.place, e.location, e.artist, e.title) for e in read_entries(path)]
    return _listenbrainz(path) if suffix in JSON else _table(path)


def _table(path: Path) -> list[Listen]:
    source = f"history {path}"
    time_column = [Column(name, kind="unix_time") for name in TIMES]
    frame = read_table(path, source, time_column)
    frame = frame.rename(columns={old: new for old, new in NAMES.items() if new not in frame})
    if "track_id" not in frame and not {"artist", "title"} <= set(frame.columns):
        raise CatalogError(f"{source}: it needs a column track_id, or artist and title. Name them so.")
    names = frame.reindex(columns=["track_id", "artist", "title"]).astype(object).fillna("")
    known = [name for name in TIMES if name in frame]
    times = frame[known[0]].tolist() if known else [float("nan")] * len(frame)
    return [
        Listen(f"{path}, row {row}", *(str(cell).strip() for cell in cells), None if time != time else time)
        for (row, *cells), time in zip(names.itertuples(), times, strict=True)
    ]


def _listenbrainz(path: Path) -> list[Listen]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        if not text.lstrip().startswith("["):
            text = f"[{','.join(line for line in text.splitlines() if line.strip())}]"
        items: list[Any] = json.loads(text)
        return [_listen(f"{path}, listen {number}", item) for number, item in enumerate(items, start=1)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        wanted = "a list of listens, or one a line, each with track_metadata"
        raise CatalogError(f"history {path} is no export of ListenBrainz: it needs {wanted}.") from error


def _listen(place: str, item: Any) -> Listen:
    names = item["track_metadata"]
    time = item.get("listened_at")
    return Listen(
        place, "", str(names["artist_name"]), str(names["track_name"]), None if time is None else float(time)
    )
