"""Judgements: people's word on whether a neighbour that was offered for a query is a good one."""

from pathlib import Path

import pandas as pd

from soundkin.catalog.ratings_table import keep_known
from soundkin.catalog.table import Catalog
from soundkin.catalog.table_io import read_rows, refuse, refuse_empty
from soundkin.catalog.times import read_unix_seconds

COLUMNS = ["query_id", "neighbour_id"]
GOOD, BAD = "good", "bad"


def read_verdicts(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `query_id, neighbour_id, verdict[, annotator_id[, timestamp]]`, CSV or Parquet, in file
    order.

    `verdict` is `good` or `bad`. `timestamp` (as in ratings) becomes float64 Unix seconds, NaN where empty.
    Several people may judge the same pair, and disagree; one person may judge it again: `last_words` keeps
    what they said last. Rows about tracks that the catalog lacks are left out, with a warning in the log.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"judgements {path}"
    frame = read_rows(path, source, required=[*COLUMNS, "verdict"])
    for column in (*COLUMNS, "verdict"):
        refuse_empty(frame, source, column)
    same = frame["neighbour_id"] == frame["query_id"]
    refuse(
        frame,
        source,
        "neighbour_id",
        same,
        "is the query_id too",
        "Name two different tracks, or delete the row.",
    )
    odd = ~frame["verdict"].isin([GOOD, BAD])
    refuse(
        frame,
        source,
        "verdict",
        odd,
        f"is neither {GOOD} nor {BAD}",
        "Write one of these, or delete the row.",
    )
    if "timestamp" in frame:
        frame["timestamp"] = read_unix_seconds(frame, source, "timestamp")
    return keep_known(frame, source, COLUMNS, catalog)


def last_words(judgements: pd.DataFrame) -> pd.DataFrame:
    """One row for each pair and person: the last by `timestamp`, where that is known, or else in the order of
    the file.

    Rows that name no annotator are one person's.
    """
    ordered = judgements
    if "timestamp" in judgements:
        ordered = judgements.sort_values("timestamp", kind="stable", na_position="first")
    keys = [*COLUMNS, *(["annotator_id"] if "annotator_id" in judgements else [])]
    return ordered.drop_duplicates(keys, keep="last").sort_index().reset_index(drop=True)
