"""Ratings: any signal between a user and a track, be it stars, plays, likes or skips."""

import logging
from pathlib import Path

import pandas as pd

from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import merge_repeats, numbers, read_rows, refuse_empty, refuse_repeats
from soundkin.catalog.times import read_times
from soundkin.errors import CatalogError

log = logging.getLogger(__name__)


def read_ratings(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `user_id, track_id, rating[, timestamp]`, CSV or Parquet, in the order of the file.

    `rating` is float64; a log of plays, `user_id, track_id, timestamp`, has 1 in each row. `timestamp`
    (`times` says in what forms) becomes datetime64 in UTC, NaT where empty. A row that repeats another is
    merged with it, and counted in the log: it counts once, or, where no moment is known and all ratings of
    the file are 1, as a play more. Rows about tracks that the catalog lacks are left out, with a warning in
    the log: listening data usually covers more than the audio at hand.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend; also where a user rates a
            track
            twice, and differently, at one time or at no known one.
    """
    path = Path(path)
    source = f"ratings {path}"
    frame = read_rows(path, source, required=("user_id", "track_id"))
    if "rating" not in frame:
        if "timestamp" not in frame:
            found = ", ".join(map(repr, frame.columns))
            mend = "name it so there, or add a timestamp if each row is a play"
            raise CatalogError(f"{source}: no column rating. Its header row has {found}: {mend}.")
        log.warning("%s: there is no column rating, so each of %d rows counts as a play", source, len(frame))
        frame["rating"] = "1"
    for column in ("user_id", "track_id", "rating"):
        refuse_empty(frame, source, column)
    frame["rating"] = numbers(
        frame, source, "rating", "is not a number", "Write a number, or delete the row."
    )
    if "timestamp" in frame:
        frame["timestamp"] = read_times(frame, source, "timestamp")
    return keep_known(_merged(frame, source), source, ["track_id"], catalog)


def _merged(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    """One row for each user, track and time."""
    keys = [column for column in ("user_id", "track_id", "timestamp") if column in frame]
    repeated = frame.duplicated(keys, keep=False)
    if not repeated.any():
        return frame
    refuse_repeats(
        frame.drop_duplicates([*keys, "rating"]),
        source,
        keys,
        "They differ in rating: keep the row that is right, sum plays up in one, or tell them apart by timestamp.",
    )
    if (frame["rating"] == 1).all():
        moments = pd.Series(False, frame.index)
        if "timestamp" in frame and (frame["timestamp"].dt.normalize() != frame["timestamp"]).any():
            moments = frame[
                "timestamp"
            ].notna()  # else they are days, on which a track may be played more than once
        counted = repeated & ~moments
        plays = frame[counted].groupby(keys, dropna=False)["rating"].transform("size")
        frame.loc[counted, "rating"] = plays.astype("float64")
    return merge_repeats(frame, source, keys)


def keep_known(frame: pd.DataFrame, source: str, columns: list[str], catalog: Catalog) -> pd.DataFrame:
    """The rows whose track ids all stand in the catalog; a warning in the log says how many do not.

    Raises:
        CatalogError: none does.
    """
    known = frame[columns].isin(set(catalog.track_ids)).all(axis="columns").to_numpy(bool)
    if not known.any():
        cells = ", ".join(f"{column}={frame[column].iloc[0]}" for column in columns)
        hint = catalog.id_hint(str(frame[columns[0]].iloc[0])) or ". Use its track_id"
        row = frame.index[0]
        raise CatalogError(
            f"{source}: no row is about tracks of {catalog.source}; row {row} has {cells}{hint}."
        )
    if not known.all():
        message = "%s: left out %d of %d rows, about tracks that %s lacks, the first in row %d"
        log.warning(message, source, (~known).sum(), len(frame), catalog.source, frame.index[~known][0])
    return frame[known].reset_index(drop=True)
