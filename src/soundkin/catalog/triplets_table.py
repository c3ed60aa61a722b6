"""Triplets: people's judgements that one track sounds closer to an anchor than another does."""

from pathlib import Path

import pandas as pd

from soundkin.catalog.columns import Column, id_columns, keep_known, read_table
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import merge_repeats

COLUMNS = ["anchor_id", "closer_id", "farther_id"]
SECONDS_TAKEN = Column(
    "seconds_taken", "number", minimum=0, hint="Write a number of seconds from 0 on, or leave the cell empty."
)


def read_triplets(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check triplets, CSV or Parquet, in the order of the file.

    The columns are `anchor_id, closer_id, farther_id[, annotator_id, timestamp, session_id, seconds_taken]`;
    cells of the last four may be empty. `timestamp` becomes float64 Unix seconds, `seconds_taken` float64.
    Several people may answer the same question and disagree, and a person may answer again; only a row with
    the annotator, time and answer of an earlier one is an export made twice, and left out. So are rows about
    tracks that the catalog lacks. The log counts both.
    """
    path = Path(path)
    source = f"triplets {path}"
    columns = (*id_columns(*COLUMNS), Column("timestamp", "unix_time"), SECONDS_TAKEN)
    frame = read_table(path, source, columns, different=COLUMNS)
    if {"annotator_id", "timestamp"} <= set(frame.columns):
        again = (frame["annotator_id"].notna() & frame["timestamp"].notna()).to_numpy(bool)
        frame = merge_repeats(frame, source, [*COLUMNS, "annotator_id", "timestamp"], among=again)
    return keep_known(frame, source, COLUMNS, catalog)
