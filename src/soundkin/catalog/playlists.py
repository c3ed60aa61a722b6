"""Playlists: tracks put together by a person, by hand or in one listening session."""

import logging
from pathlib import Path

import pandas as pd

from soundkin.catalog.columns import id_columns, keep_known, read_table
from soundkin.catalog.playlist_files import M3U, path_key, path_keys, read_entries
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import merge_repeats
from soundkin.errors import CatalogError

log = logging.getLogger(__name__)

COLUMNS = ["playlist_id", "track_id"]


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
        (
            file.relative_to(folder).with_suffix("").as_posix(),
            lookup.track_id(entry.location, file.parent),
            entry.place,
        )
        for file in files
        for entry in read_entries(file)
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


class _PathLookup:
    """Track ids by the many ways in which the path of their audio can be written."""

    def __init__(self, catalog: Catalog) -> None:
        self.folder = catalog.folder.resolve()
        self.track_ids: dict[str, str] = {}
        for path, track_id in zip(catalog.audio_paths(), catalog.track_ids, strict=True):
            self.track_ids[path_key(path)] = track_id
            if path.is_relative_to(catalog.folder):
                self.track_ids[path_key(self.folder / path.relative_to(catalog.folder))] = track_id

    def track_id(self, location: str, folder: Path) -> str | None:
        """Which track an entry of a playlist in `folder` means; None if the catalog has no such path."""
        keys = path_keys(location, folder, self.folder)
        return next((self.track_ids[key] for key in keys if key in self.track_ids), None)
