"""Playlists: tracks that somebody put together, by hand or in one sitting."""

import logging
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pandas as pd

from soundkin.catalog.ratings_table import keep_known
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import merge_repeats, read_rows, refuse_empty
from soundkin.errors import CatalogError

log = logging.getLogger(__name__)

COLUMNS = ["playlist_id", "track_id"]
M3U = (".m3u", ".m3u8")


def read_playlists(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `playlist_id, track_id`, CSV or Parquet, one row for each track of a playlist, in file
    order.

    Or an M3U playlist, named after its file, or a folder that holds some, at any depth. Their paths are
    looked for in the catalog: absolute, or relative to the playlist, or to the folder of the audio. A track
    that a playlist names twice counts once; rows about tracks that the catalog lacks are left out; both are
    counted in the log.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"playlists {path}"
    if path.is_dir() or path.suffix.lower() in M3U:
        return _read_m3u(path, source, catalog)
    frame = read_rows(path, source, required=COLUMNS)
    for column in COLUMNS:
        refuse_empty(frame, source, column)
    return keep_known(merge_repeats(frame, source, COLUMNS), source, ["track_id"], catalog)


def _read_m3u(path: Path, source: str, catalog: Catalog) -> pd.DataFrame:
    if not path.exists():
        raise CatalogError(f"{source} does not exist. Check the name.")
    folder = path if path.is_dir() else path.parent
    files = sorted(one for one in path.rglob("*") if one.suffix.lower() in M3U) if path.is_dir() else [path]
    if not files:
        raise CatalogError(
            f"{source}: the folder holds no .m3u or .m3u8. Name a folder with playlists, or a table."
        )
    places = _Places(catalog)
    rows, lost = [], []
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        for line, entry in _entries(file):
            track_id = places.track_id(entry, file.parent)
            if track_id is None:
                lost.append(f"{file}, line {line}: {entry}")
            else:
                rows.append((name, track_id))
    entries = len(rows) + len(lost)
    if not rows:
        first = f"; the first is {lost[0]}" if lost else ""
        raise CatalogError(
            f"{source}: none of {entries} entries is a path of {catalog.source}{first}. Write paths relative to the "
            "playlist, or scan the folder that they lead to."
        )
    if lost:
        message = "%s: left out %d of %d entries, which are no paths of %s, the first in %s"
        log.warning(message, source, len(lost), entries, catalog.source, lost[0])
    frame = pd.DataFrame(rows, columns=COLUMNS)
    repeats = frame.duplicated()
    if repeats.any():
        log.warning(
            "%s: merged %d of %d entries, which repeat an earlier one", source, repeats.sum(), len(frame)
        )
    return frame[~repeats].reset_index(drop=True)


def _entries(file: Path) -> Iterator[tuple[int, str]]:
    """Lines that name a track, with their numbers; UTF-8, or else what Windows wrote before it."""
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
            yield number, line.strip()


class _Places:
    """Where the catalog's audio is, to be asked for by the many ways in which a path can be written."""

    def __init__(self, catalog: Catalog) -> None:
        self.folder = catalog.folder.resolve()
        paths = catalog.audio_paths()
        self.track_ids = {
            _key(path): track_id for path, track_id in zip(paths, catalog.track_ids, strict=True)
        }
        self.track_ids |= {
            _key(
                self.folder / path.relative_to(catalog.folder)
                if path.is_relative_to(catalog.folder)
                else path
            ): one
            for path, one in zip(paths, catalog.track_ids, strict=True)
        }

    def track_id(self, entry: str, folder: Path) -> str | None:
        """Which track an entry of a playlist in `folder` means; None if the catalog has no such path."""
        for written in dict.fromkeys((entry, _path_of_url(entry), unquote(entry))):
            slashed = written.replace("\\", "/")
            for text in dict.fromkeys((written, slashed)):
                for base in (folder.absolute(), folder.resolve(), self.folder):
                    found = self.track_ids.get(_key(base / text))
                    if found is not None:
                        return found
            # Made on another machine: the same folders, somewhere else.
            parts = [part for part in slashed.split("/") if part not in ("", ".")]
            for start in range(1, len(parts) - 1):
                found = self.track_ids.get(_key(self.folder / "/".join(parts[start:])))
                if found is not None:
                    return found
        return None


def _path_of_url(entry: str) -> str:
    """The path of `file:///music/a%20b.mp3`; other entries as they are."""
    if not entry.lower().startswith("file:"):
        return entry
    path = unquote(urlsplit(entry.replace("#", "%23").replace("?", "%3F")).path)
    return path[1:] if re.match(r"/[A-Za-z]:", path) else path


def _key(path: Path) -> str:
    return unicodedata.normalize("NFC", os.path.normpath(path))
