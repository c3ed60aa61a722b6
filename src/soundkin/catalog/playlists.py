"""Playlists: tracks put together by a person, by hand or in one listening session."""

import logging
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd

from soundkin.catalog.columns import id_columns, keep_known, read_table
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import merge_repeats
from soundkin.errors import CatalogError

log = logging.getLogger(__name__)

COLUMNS = ["playlist_id", "track_id"]
M3U = (".m3u", ".m3u8")


def read_playlists(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `playlist_id, track_id`, CSV or Parquet: one row per track of a playlist, in file order.

    Or an M3U playlist, named after its file, or a folder that holds some, at any depth. Their paths are
    looked up in the catalog: absolute, or relative to the playlist, or to the folder of the audio. A track
    that a playlist names twice counts once; rows about tracks that the catalog lacks are left out. The log
    counts both.
    """
    path = Path(path)
    source = f"playlists {path}"
    if path.is_dir() or path.suffix.lower() in M3U:
        return _read_m3u(path, source, catalog)
    frame = read_table(path, source, id_columns(*COLUMNS))
    return keep_known(merge_repeats(frame, source, COLUMNS), source, ["track_id"], catalog)


def _read_m3u(path: Path, source: str, catalog: Catalog) -> pd.DataFrame:
    if not path.exists():
        raise CatalogError(f"{source} does not exist. Check the name.")
    folder = path if path.is_dir() else path.parent
    files = (
        sorted(file for file in path.rglob("*") if file.suffix.lower() in M3U) if path.is_dir() else [path]
    )
    if not files:
        raise CatalogError(
            f"{source}: the folder holds no .m3u or .m3u8. Name a folder with playlists, or a table."
        )
    lookup = _PathLookup(catalog)
    rows = [
        (file.relative_to(folder).with_suffix("").as_posix(), lookup.track_id(entry, file.parent), place)
        for file in files
        for place, entry in _entries(file)
    ]
    known = [row[:2] for row in rows if row[1] is not None]
    lost = [place for _, track_id, place in rows if track_id is None]
    if not known:
        first = f"; the first is {lost[0]}" if lost else ""
        hint = "Write paths relative to the playlist, or scan the folder that they lead to."
        raise CatalogError(
            f"{source}: none of {len(rows)} entries is a path of {catalog.source}{first}. {hint}"
        )
    if lost:
        message = "%s: left out %d of %d entries, which are no paths of %s, the first in %s"
        log.warning(message, source, len(lost), len(rows), catalog.source, lost[0])
    frame = pd.DataFrame(known, columns=COLUMNS)
    repeats = frame.duplicated()
    if repeats.any():
        message = "%s: merged %d of %d entries, which repeat an earlier one"
        log.warning(message, source, repeats.sum(), len(frame))
    return frame[~repeats].reset_index(drop=True)


def _entries(file: Path) -> Iterator[tuple[str, str]]:
    """Where a line names a track, and that line; UTF-8, or else what Windows wrote before it."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CatalogError(f"playlists {file} cannot be read: {error.strerror or error}.") from error
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", errors="replace")
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        if line.strip() and not line.startswith("#"):
            yield f"{file}, line {number}: {line.strip()}", line.strip()


class _PathLookup:
    """Track ids by the many ways in which the path of their audio can be written."""

    def __init__(self, catalog: Catalog) -> None:
        self.folder = catalog.folder.resolve()
        self.track_ids: dict[str, str] = {}
        for path, track_id in zip(catalog.audio_paths(), catalog.track_ids, strict=True):
            self.track_ids[_key(path)] = track_id
            if path.is_relative_to(catalog.folder):
                self.track_ids[_key(self.folder / path.relative_to(catalog.folder))] = track_id

    def track_id(self, entry: str, folder: Path) -> str | None:
        """Which track an entry of a playlist in `folder` means; None if the catalog has no such path."""
        paths = (
            path for way in (entry, _path_of_url(entry), unquote(entry)) for path in self._paths(way, folder)
        )
        return next((self.track_ids[key] for path in paths if (key := _key(path)) in self.track_ids), None)

    def _paths(self, written: str, folder: Path) -> Iterator[Path]:
        slashed = written.replace("\\", "/")
        for text in dict.fromkeys((written, slashed)):
            yield from (base / text for base in (folder.absolute(), folder.resolve(), self.folder))
        # Made on another machine: the same folders, somewhere else.
        parts = [part for part in slashed.split("/") if part not in ("", ".")]
        yield from (self.folder / "/".join(parts[start:]) for start in range(1, len(parts) - 1))


def _path_of_url(entry: str) -> str:
    """The path of `file:///music/a%20b.mp3`; other entries as they are."""
    if not entry.lower().startswith("file:"):
        return entry
    path = unquote(urlsplit(entry.replace("#", "%23").replace("?", "%3F")).path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def _key(path: Path) -> str:
    return unicodedata.normalize("NFC", os.path.normpath(path))
