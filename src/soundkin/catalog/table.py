"""The catalog: one table, one row per track.

`track_id` and `path` are required. `title, artist, album, genre, year, lyrics, licence, duration` (seconds),
`split` and any further column are optional. An empty cell is an unknown label. Cells with several values
separate them by `;`. `path` is relative to `audio_folder` if that column is there, else to the catalog's own
folder, and stays inside it, or leads where the user allows it (`paths`). Whether the audio exists is not
checked here: missing files are recorded when they are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.artists import Artists
from soundkin.catalog.columns import Column, id_columns, read_table
from soundkin.catalog.paths import (
    absolute_elsewhere,
    climbing,
    from_disk,
    how_to_allow,
    is_allowed,
    linked_elsewhere,
    on_disk,
    with_slashes,
)
from soundkin.catalog.table_io import number_of, reject_empty, reject_repeats, reject_rows, write_rows
from soundkin.errors import CatalogError
from soundkin.shapes import Bool

SPLITS = ("train", "valid", "test")
IDS = id_columns("track_id", "path")
COLUMNS = (
    *IDS,
    Column("year", "year", problem="is not a year such as 1999"),
    Column("duration", "number", problem="is not a number of seconds"),
    Column(
        "split",
        "choice",
        choices=SPLITS,
        problem="is not train, valid or test",
        hint="Write one of these, or leave the cell empty to have it chosen.",
    ),
)


@dataclass(frozen=True, eq=False)
class Catalog:
    """Tracks and their labels; rows keep the order of the file.

    `frame` holds text (NaN where missing) but for `year` (Int64) and `duration` (float64 seconds). Paths are
    relative to `folder`. `source` opens messages: `catalog music/tracks.csv`. `no_artist` holds names that
    are no artist's, in addition to those of no_artist.txt.
    """

    frame: pd.DataFrame
    folder: Path
    source: str = "catalog"
    no_artist: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    @cached_property
    def track_ids(self) -> list[str]:
        """Ids in row order."""
        return self.frame["track_id"].to_numpy(object).tolist()

    @cached_property
    def artists(self) -> Artists:
        """The artists of each track, in row order; unknown for all if there is no column `artist`."""
        cells = self.frame["artist"].to_numpy(object) if "artist" in self.frame else [None] * len(self)
        return Artists.from_credits((None if pd.isna(cell) else str(cell) for cell in cells), self.no_artist)

    def audio_path(self, track_id: str) -> Path:
        """Where the audio of one track should be; raises CatalogError if there is no such track."""
        return self.folder / on_disk(str(self.frame["path"].iloc[self.row(track_id)]))

    def audio_paths(self) -> list[Path]:
        """Where the audio should be, in row order."""
        return [self.folder / on_disk(path) for path in self.frame["path"].to_numpy(object)]

    def row(self, track_id: str) -> int:
        """Position of one track, from 0; raises CatalogError if there is no such track."""
        if track_id not in self._rows:
            raise CatalogError(
                f"{self.source}: no track has track_id={track_id}. Check its spelling in the catalog."
            )
        return self._rows[track_id]

    def id_hint(self, track_id: str) -> str:
        """The end of a sentence about an unknown id, where a spreadsheet may have made it of a known one."""
        number = number_of(track_id)
        alike = next((id_ for id_ in self.track_ids if number is not None and number_of(id_) == number), None)
        return f"; a spreadsheet may have made it of {alike}: import that column as text" if alike else ""

    def values(self, column: str) -> list[tuple[str, ...]]:
        """The labels of each track in `column`, in row order: `rock; pop` is ("rock", "pop"), none is ()."""
        if column not in self.frame:
            raise CatalogError(f"{self.source}: no column {column}. It has {', '.join(self.frame.columns)}.")
        codes, cells = pd.factorize(self.frame[column])
        labels = [tuple(filter(None, (label.strip() for label in str(cell).split(";")))) for cell in cells]
        return [labels[code] if code >= 0 else () for code in codes]

    def select(self, tracks: Sequence[str] | Bool[np.ndarray, " tracks"]) -> "Catalog":
        """The catalog of the tracks with these ids, in this order, or where a mask [tracks] is true."""
        chosen = np.asarray(tracks)
        rows = np.flatnonzero(chosen) if chosen.dtype == bool else [self.row(str(id_)) for id_ in tracks]
        part = replace(self, frame=self.frame.iloc[rows].reset_index(drop=True))
        part.__dict__["artists"] = self.artists.take(rows)  # as told apart in the whole catalog
        return part

    def require(self, column: str, why: str) -> None:
        """Raise CatalogError unless a track has a label in `column`; `why` ends the sentence with a hint."""
        if column not in self.frame:
            raise CatalogError(f"{self.source}: there is no column {column}, and {why}")
        if self.frame[column].isna().all():
            raise CatalogError(f"{self.source}: {column} is empty in every row, and {why}")

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {track_id: row for row, track_id in enumerate(self.track_ids)}


def read_catalog(path: Path, no_artist: Sequence[str] = ()) -> Catalog:
    """Read and check a catalog, CSV or Parquet. `no_artist`: further names that are no artist's.

    Raises:
        CatalogError: names the file, the row, the column, the value, and what to do.
    """
    path = Path(path)
    source = f"catalog {path}"
    frame = read_tracks(path, source, COLUMNS)
    folder = _audio_folder(frame, source, path.absolute().parent)
    frame["path"] = _checked_paths(frame, source, folder)
    return Catalog(frame.reset_index(drop=True), folder, source, tuple(no_artist))


def read_tracks(path: Path, source: str, columns: Sequence[Column] = IDS) -> pd.DataFrame:
    """The rows of a catalog by row number, with checked ids; only `columns` are checked and converted."""
    frame = read_table(path, source, columns)
    reject_repeats(frame, source, ["track_id"], "Give every track an id of its own.")
    return frame


def write_catalog(frame: pd.DataFrame, path: Path) -> None:
    """Write a catalog as CSV or Parquet, by the suffix of `path`; the file is whole or unchanged."""
    write_rows(frame, Path(path))


def _audio_folder(frame: pd.DataFrame, source: str, own_folder: Path) -> Path:
    """The folder of the first row's audio; paths in others, where these are allowed, become absolute."""
    if "audio_folder" not in frame:
        return own_folder
    column = frame["audio_folder"]
    reject_empty(frame, source, "audio_folder")
    first, *others = column.unique()
    folders = {
        name: own_folder / on_disk(str(with_slashes(own_folder, column[column == name][:1]).iloc[0]))
        for name in (first, *others)
    }
    forbidden = [name for name in others if not is_allowed(folders[name])]
    elsewhere = folders[forbidden[0]].resolve() if forbidden else ""
    hint = (
        "Write the same folder into every row, or delete the column to mean the catalog's own folder. "
        f"{how_to_allow(elsewhere)}"
    )
    differs = f"differs from row {frame.index[0]}"
    reject_rows(frame, source, "audio_folder", column.isin(forbidden), differs, hint)
    for name in others:
        relative = (column == name) & ~frame["path"].str.startswith("/")
        frame.loc[relative, "path"] = f"{from_disk(folders[name].resolve())}/" + frame["path"][relative]
    return folders[first]


def _checked_paths(frame: pd.DataFrame, source: str, folder: Path) -> "pd.Series[str]":
    """`path` with Windows separators turned, once none of it leads out of `folder`."""
    paths = frame["path"]
    turned = with_slashes(folder, paths)
    outside = absolute_elsewhere(folder, paths) | absolute_elsewhere(folder, turned)
    first = Path(on_disk(str(paths[outside].iloc[0]))).parent if outside.any() else ""
    hint = (
        f"Write it relative to {folder}, or put that folder into a column audio_folder. {how_to_allow(first)}"
    )
    reject_rows(frame, source, "path", outside, f"lies outside {folder}", hint)
    above = "holds `..`, which may leave the folder of the audio"
    hint = f"Write it relative to {folder}, or put that folder into a column audio_folder."
    reject_rows(frame, source, "path", climbing(paths), above, hint)
    linked = linked_elsewhere(folder, turned.str.removeprefix(f"{folder}/"))
    beyond = (folder / on_disk(str(turned[linked].iloc[0]))).resolve().parent if linked.any() else ""
    hint = (
        "Copy the audio there, or name the folder that the link leads to in a column audio_folder. "
        f"{how_to_allow(beyond)}"
    )
    reject_rows(frame, source, "path", linked, f"is a link that leads out of {folder}", hint)
    return turned
