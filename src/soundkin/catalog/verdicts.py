"""Verdicts: whether people find a neighbour that was returned for a query good or bad."""

from pathlib import Path

import pandas as pd

from soundkin.catalog.columns import Column, id_columns, keep_known, read_table
from soundkin.catalog.table import Catalog

COLUMNS = ["query_id", "neighbour_id"]
GOOD, BAD = "good", "bad"
VERDICT = Column(
    "verdict",
    "choice",
    required=True,
    filled=True,
    choices=(GOOD, BAD),
    problem=f"is neither {GOOD} nor {BAD}",
    hint="Write one of these, or delete the row.",
)


def read_verdicts(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `query_id, neighbour_id, verdict[, annotator_id[, timestamp]]`, CSV or Parquet.

    Rows keep the order of the file. `verdict` is `good` or `bad`; `timestamp` becomes float64 Unix seconds.
    Several people may judge the same pair and disagree; a person may judge it again (`latest_verdicts`). Rows
    about tracks that the catalog lacks are left out, with a warning in the log.
    """
    path = Path(path)
    source = f"verdicts {path}"
    columns = (*id_columns(*COLUMNS), VERDICT, Column("timestamp", "unix_time"))
    frame = read_table(path, source, columns, different=COLUMNS)
    return keep_known(frame, source, COLUMNS, catalog)


def latest_verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One row for each pair and annotator: the last by `timestamp` where known, else in the file's order.

    Rows that name no annotator count as one person's.
    """
    if "timestamp" in verdicts:
        verdicts = verdicts.sort_values("timestamp", kind="stable", na_position="first")
    keys = [*COLUMNS, *(["annotator_id"] if "annotator_id" in verdicts else [])]
    return verdicts.drop_duplicates(keys, keep="last").sort_index().reset_index(drop=True)
