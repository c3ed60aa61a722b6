"""Triplets: people's judgements that one track sounds closer to an anchor than another does."""

from pathlib import Path

import pandas as pd

from soundkin.catalog.ratings import keep_known
from soundkin.catalog.rows import numbers, read_rows, refuse, refuse_empty
from soundkin.catalog.table import Catalog

COLUMNS = ["anchor_id", "closer_id", "farther_id"]


def read_triplets(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check triplets, CSV or Parquet, in the order of the file.

    The columns are `anchor_id, closer_id, farther_id[, annotator_id, timestamp, session_id, seconds_taken]`, the last
    four in any choice and with empty cells. `timestamp` (Unix seconds) and `seconds_taken` become float64, NaN where
    empty. Several people may judge the same three, and disagree. Rows about tracks that the catalog lacks are left
    out, with a warning in the log.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"triplets {path}"
    frame = read_rows(path, source, required=COLUMNS)
    for column in COLUMNS:
        refuse_empty(frame, source, column)
    for column, other in (("closer_id", "anchor_id"), ("farther_id", "anchor_id"), ("farther_id", "closer_id")):
        same = frame[column] == frame[other]
        refuse(frame, source, column, same, f"is the {other} too", "Name three different tracks, or delete the row.")
    for column, kind in (("timestamp", "a number of Unix seconds"), ("seconds_taken", "a number of seconds")):
        if column in frame:
            mend = f"Write {kind} from 0 on, or leave the cell empty."
            values = numbers(frame, source, column, "is not a number", mend)
            refuse(frame, source, column, values < 0, "is below 0", mend)
            frame[column] = values
    return keep_known(frame, source, COLUMNS, catalog)
