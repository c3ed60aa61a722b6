"""Ratings: any signal between a user and a track, be it stars, plays, likes or skips."""

import logging
from pathlib import Path

import pandas as pd

from soundkin.catalog.columns import Column, id_columns, keep_known, read_table
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import merge_repeats, reject_repeats
from soundkin.errors import CatalogError

log = logging.getLogger(__name__)

COLUMNS = (
    *id_columns("user_id", "track_id"),
    Column("rating", "number", filled=True, hint="Write a number, or delete the row."),
    Column("timestamp", "time"),
)


def read_ratings(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `user_id, track_id, rating[, timestamp]`, CSV or Parquet, in the order of the file.

    A log of plays, `user_id, track_id, timestamp`, has rating 1 in each row. Rows that repeat an earlier one
    are merged: such a row counts once, or, where no moment is known and all ratings of the file are 1, as one
    more play. Rows about tracks that the catalog lacks are left out, since ratings usually cover more than
    the audio at hand. The log counts both. Raises CatalogError where a user rates a track twice, and
    differently, at one time or at no known one.
    """
    path = Path(path)
    source = f"ratings {path}"
    frame = read_table(path, source, COLUMNS)
    if "rating" not in frame:
        if "timestamp" not in frame:
            header = ", ".join(map(repr, frame.columns))
            hint = "name it so there, or add a timestamp if each row is a play"
            raise CatalogError(f"{source}: no column rating. Its header row has {header}: {hint}.")
        log.warning("%s: there is no column rating, so each of %d rows counts as a play", source, len(frame))
        frame["rating"] = 1.0
    return keep_known(_merged(frame, source), source, ["track_id"], catalog)


def _merged(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """One row for each user, track and time."""
    keys = [column for column in ("user_id", "track_id", "timestamp") if column in frame]
    repeated = frame.duplicated(keys, keep=False)
    if not repeated.any():
        return frame
    hint = "They differ in rating: keep the right row, sum plays up in one, or tell them apart by timestamp."
    reject_repeats(frame.drop_duplicates([*keys, "rating"]), source, keys, hint)
    if (frame["rating"] == 1).all():
        if "timestamp" in frame and (frame["timestamp"].dt.normalize() != frame["timestamp"]).any():
            repeated &= frame["timestamp"].isna()  # else they are days: a track may be played twice on one
        plays = frame[repeated].groupby(keys, dropna=False)["rating"].transform("size")
        frame.loc[repeated, "rating"] = plays.astype("float64")
    return merge_repeats(frame, source, keys)
