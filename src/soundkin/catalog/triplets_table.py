"""Triplets: people's judgements that one track sounds closer to an anchor than another does."""

from pathlib import Path

import pandas as pd

from soundkin.catalog.ratings_table import keep_known
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import merge_repeats, numbers, read_rows, refuse, refuse_empty
from soundkin.catalog.times import read_unix_seconds

COLUMNS = ["anchor_id", "closer_id", "farther_id"]


def read_triplets(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check triplets, CSV or Parquet, in the order of the file.

    The columns are `anchor_id, closer_id, farther_id[, annotator_id, timestamp, session_id, seconds_taken]`,
    the last four in any choice and with empty cells. `timestamp` (as in ratings) becomes float64 Unix
    seconds, `seconds_taken` float64, NaN where empty. Several people may judge the same three, and disagree;
    one may say the same again. A row with the annotator, the time and the answer of an earlier one is that
    answer exported twice, and left out. So are rows about tracks that the catalog lacks; both are counted in
    the log.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"triplets {path}"
    frame = read_rows(path, source, required=COLUMNS)
    for column in COLUMNS:
        refuse_empty(frame, source, column)
    for column, other in (
        ("closer_id", "anchor_id"),
        ("farther_id", "anchor_id"),
        ("farther_id", "closer_id"),
    ):
        same = frame[column] == frame[other]
        refuse(
            frame,
            source,
            column,
            same,
            f"is the {other} too",
            "Name three different tracks, or delete the row.",
        )
    if "timestamp" in frame:
        frame["timestamp"] = read_unix_seconds(frame, source, "timestamp")
    if "seconds_taken" in frame:
        mend = "Write a number of seconds from 0 on, or leave the cell empty."
        frame["seconds_taken"] = numbers(frame, source, "seconds_taken", "is not a number", mend)
        refuse(frame, source, "seconds_taken", frame["seconds_taken"] < 0, "is below 0", mend)
    if {"annotator_id", "timestamp"} <= set(frame.columns):
        again = (frame["annotator_id"].notna() & frame["timestamp"].notna()).to_numpy(bool)
        frame = merge_repeats(frame, source, [*COLUMNS, "annotator_id", "timestamp"], among=again)
    return keep_known(frame, source, COLUMNS, catalog)
