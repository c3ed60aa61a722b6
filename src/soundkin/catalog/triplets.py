"""Triplets: people's judgements that one track sounds closer to an anchor than another does."""

from pathlib import Path

import pandas as pd

from soundkin.catalog.ratings import keep_known
from soundkin.catalog.rows import read_rows, refuse, refuse_empty
from soundkin.catalog.table import Catalog

COLUMNS = ["anchor_id", "closer_id", "farther_id"]


def read_triplets(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `anchor_id, closer_id, farther_id[, annotator_id]`, CSV or Parquet, in the order of the file.

    Several people may judge the same three, and disagree. Rows about tracks that the catalog lacks are left out, with
    a warning in the log.

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
    return keep_known(frame, source, COLUMNS, catalog)
