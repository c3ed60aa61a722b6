"""Ratings: any signal between a user and a track, be it stars, plays, likes or skips."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.catalog.rows import numbers, read_rows, refuse, refuse_empty, refuse_repeats
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError

log = logging.getLogger(__name__)


def read_ratings(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `user_id, track_id, rating[, timestamp]`, CSV or Parquet, in the order of the file.

    `rating` is float64. `timestamp` (Unix seconds or ISO 8601; UTC where no zone is given) becomes datetime64 in UTC,
    NaT where empty. Rows about tracks that the catalog lacks are left out, with a warning in the log: listening data
    usually covers more than the audio at hand. A user may rate a track again only at another time.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"ratings {path}"
    frame = read_rows(path, source, required=("user_id", "track_id", "rating"))
    for column in ("user_id", "track_id", "rating"):
        refuse_empty(frame, source, column)
    frame["rating"] = numbers(frame, source, "rating", "is not a number", "Write a number, or delete the row.")
    if "timestamp" in frame:
        frame["timestamp"] = _times(frame, source)
    keys = [column for column in ("user_id", "track_id", "timestamp") if column in frame]
    refuse_repeats(frame, source, keys, "Sum plays up in one row, or tell them apart in a column timestamp.")
    return keep_known(frame, source, ["track_id"], catalog)


def keep_known(frame: pd.DataFrame, source: str, columns: list[str], catalog: Catalog) -> pd.DataFrame:
    """The rows whose track ids all stand in the catalog; a warning in the log says how many do not.

    Raises:
        CatalogError: none does.
    """
    known = frame[columns].isin(set(catalog.track_ids)).all(axis="columns").to_numpy(bool)
    if not known.any():
        cells = ", ".join(f"{column}={frame[column].iloc[0]}" for column in columns)
        raise CatalogError(
            f"{source}: no row is about tracks of {catalog.source}; row 2 has {cells}. Use its track_id."
        )
    if not known.all():
        first = int(np.flatnonzero(~known)[0])
        message = "%s: left out %d of %d rows, about tracks that %s lacks, the first in row %d"
        log.warning(message, source, (~known).sum(), len(frame), catalog.source, first + 2)
    return frame[known].reset_index(drop=True)


def _times(frame: pd.DataFrame, source: str) -> "pd.Series[pd.Timestamp]":
    text = frame["timestamp"]
    seconds = pd.to_numeric(text, errors="coerce")
    times = pd.to_datetime(seconds, unit="s", utc=True, errors="coerce").astype("datetime64[ns, UTC]")
    iso = text.notna() & seconds.isna()
    times[iso] = pd.to_datetime(text[iso], format="ISO8601", utc=True, errors="coerce").astype("datetime64[ns, UTC]")
    mend = "Write Unix seconds, or a date such as 2021-05-01T18:30:00Z, or leave the cell empty."
    refuse(frame, source, "timestamp", text.notna() & times.isna(), "is not a time", mend)
    return times
