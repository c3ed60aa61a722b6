"""The catalog: one table, one row per track.

`track_id` and `path` are required. `title, artist, album, genre, year, lyrics, licence, duration` (seconds),
`split` and any further column are optional. An empty cell is an unknown label. Cells with several values
separate them by `;`. `path` is relative to `audio_folder` if that column is there, else to the catalog's own
folder, and stays inside it. Whether the audio exists is not checked here: whoever reads it records the files
that are missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.artists import Artists
from soundkin.catalog.paths import absolute_elsewhere, climbing, linked_elsewhere, on_disk, with_slashes
from soundkin.catalog.table_io import (
    number_of,
    numbers,
    read_rows,
    refuse,
    refuse_empty,
    refuse_repeats,
    write_rows,
)
from soundkin.errors import CatalogError
from soundkin.shapes import Bool

SPLITS = ("train", "valid", "test")
YEAR = r"^([12]\d{3})(?:[.,]0*)?$"
ISO_DATE = r"[12]\d{3}-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:[T ]\d{2}:.*)?)?"


@dataclass(frozen=True, eq=False)
class Catalog:
    """Tracks and their labels; rows keep the order of the file.

    `frame` holds text (NaN where missing) but for `year` (Int64) and `duration` (float64 seconds). Paths are
    relative to `folder`. `source` opens messages: `catalog music/tracks.csv`. `no_artist` holds names that
    are no artist's, beside those of no_artist.txt.
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
        """Who plays on each track, in row order; nobody is known where there is no column `artist`."""
        cells = self.frame["artist"].to_numpy(object) if "artist" in self.frame else [None] * len(self)
        return Artists.from_credits((None if pd.isna(cell) else str(cell) for cell in cells), self.no_artist)

    def audio_path(self, track_id: str) -> Path:
        """Where the audio of one track should be.

        Raises:
            CatalogError: no such track.
        """
        return self.folder / on_disk(str(self.frame["path"].iloc[self.row(track_id)]))

    def audio_paths(self) -> list[Path]:
        """Where the audio should be, in row order."""
        return [self.folder / on_disk(path) for path in self.frame["path"].to_numpy(object)]

    def row(self, track_id: str) -> int:
        """Position of one track, from 0.

        Raises:
            CatalogError: no such track.
        """
        if track_id not in self._rows:
            raise CatalogError(
                f"{self.source}: no track has track_id={track_id}. Check its spelling in the catalog."
            )
        return self._rows[track_id]

    def id_hint(self, track_id: str) -> str:
        """The end of a sentence about an id that is not here: whether a spreadsheet may have made it of one
        that is.
        """
        number = number_of(track_id)
        alike = [] if number is None else [one for one in self.track_ids if number_of(one) == number]
        return f"; a spreadsheet may have made it of {alike[0]}: import that column as text" if alike else ""

    def values(self, column: str) -> list[tuple[str, ...]]:
        """The labels of each track in `column`, in row order: `rock; pop` is ("rock", "pop"), nothing is ().

        Raises:
            CatalogError: the catalog has no such column.
        """
        if column not in self.frame:
            raise CatalogError(f"{self.source}: no column {column}. It has {', '.join(self.frame.columns)}.")
        codes, cells = pd.factorize(self.frame[column])
        labels = [tuple(filter(None, (label.strip() for label in str(cell).split(";")))) for cell in cells]
        return [labels[code] if code >= 0 else () for code in codes]

    def select(self, tracks: Sequence[str] | Bool[np.ndarray, " tracks"]) -> "Catalog":
        """The catalog of some tracks: those with these ids, in this order, or those where a mask [tracks] is
        true.

        Its artists are told apart as they are in the whole.

        Raises:
            CatalogError: no track has one of the ids.
        """
        chosen = np.asarray(tracks)
        rows = (
            np.flatnonzero(chosen)
            if chosen.dtype == bool
            else [self.row(str(track_id)) for track_id in tracks]
        )
        part = replace(self, frame=self.frame.iloc[rows].reset_index(drop=True))
        part.__dict__["artists"] = self.artists.take(rows)
        return part

    def require(self, column: str, why: str) -> None:
        """Raise CatalogError unless some track has a label in `column`; `why` ends the sentence and says the
        mend.
        """
        if column not in self.frame:
            raise CatalogError(f"{self.source}: there is no column {column}, and {why}")
        if self.frame[column].isna().all():
            raise CatalogError(f"{self.source}: {column} is empty in every row, and {why}")

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {track_id: row for row, track_id in enumerate(self.track_ids)}


def read_catalog(path: Path, no_artist: Sequence[str] = ()) -> Catalog:
    """Read and check a catalog, CSV (UTF-8) or Parquet. `no_artist`: names that are no artist's, beside the
    usual ones.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"catalog {path}"
    frame = read_rows(path, source, required=("track_id", "path"))
    for column in ("track_id", "path"):
        refuse_empty(frame, source, column)
    refuse_repeats(frame, source, ["track_id"], "Give every track an id of its own.")
    folder = _audio_folder(frame, source, path.absolute().parent)
    frame["path"] = _checked_paths(frame, source, folder)
    return Catalog(_typed(frame, source).reset_index(drop=True), folder, source, tuple(no_artist))


def write_catalog(frame: pd.DataFrame, path: Path) -> None:
    """Write a catalog as CSV or Parquet, by the suffix of `path`; the file is whole or unchanged.

    Raises:
        CatalogError: another suffix.
        OutputError: the folder cannot be written, or the disk is full.
    """
    write_rows(frame, Path(path))


def _audio_folder(frame: pd.DataFrame, source: str, own_folder: Path) -> Path:
    if "audio_folder" not in frame:
        return own_folder
    column = frame["audio_folder"]
    refuse_empty(frame, source, "audio_folder")
    mend = "Write the same folder into every row, or delete the column to mean the catalog's own folder."
    differs = f"differs from row {frame.index[0]}"
    refuse(frame, source, "audio_folder", column != column.iloc[0], differs, mend)
    return own_folder / on_disk(str(with_slashes(own_folder, column[:1]).iloc[0]))


def _checked_paths(frame: pd.DataFrame, source: str, folder: Path) -> "pd.Series[str]":
    """`path` with Windows separators turned, once none of it leads out of `folder`."""
    paths = frame["path"]
    turned = with_slashes(folder, paths)
    outside = absolute_elsewhere(folder, paths) | absolute_elsewhere(folder, turned)
    mend = f"Write it relative to {folder}, or put that folder into a column audio_folder."
    refuse(frame, source, "path", outside, f"lies outside {folder}", mend)
    refuse(
        frame, source, "path", climbing(paths), "holds `..`, which may leave the folder of the audio", mend
    )
    inside = turned.str.removeprefix(f"{folder}/")
    mend = "Copy the audio there, or name the folder that the link leads to in a column audio_folder."
    refuse(
        frame, source, "path", linked_elsewhere(folder, inside), f"is a link that leads out of {folder}", mend
    )
    return turned


def _typed(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """`year` and `duration` as numbers, `split` one of ours."""
    if "year" in frame:
        years = years_of(frame["year"])
        odd = frame["year"].notna() & years.isna()
        refuse(
            frame, source, "year", odd, "is not a year such as 1999", "Correct it, or leave the cell empty."
        )
        frame["year"] = years
    if "duration" in frame:
        mend = "Correct it, or leave the cell empty."
        frame["duration"] = numbers(frame, source, "duration", "is not a number of seconds", mend)
    if "split" in frame:
        odd = frame["split"].notna() & ~frame["split"].isin(SPLITS)
        mend = "Write one of these, or leave the cell empty to have it chosen."
        refuse(frame, source, "split", odd, "is not train, valid or test", mend)
    return frame


def years_of(cells: "pd.Series[str]") -> "pd.Series[int]":
    """The years (1000 to 2999) that text cells hold, as Int64: `1999`, `1999.0` or an ISO date; else missing."""
    text = cells.astype("str")
    years = text.str.extract(YEAR, expand=False)
    dated = text.str.fullmatch(ISO_DATE).fillna(False).astype(bool)
    years[dated] = text[dated].str[:4]
    return pd.to_numeric(years).astype("Int64")
