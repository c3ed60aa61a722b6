"""Playlists: tracks that somebody put together, by hand or in one sitting."""

from pathlib import Path

import pandas as pd

from soundkin.catalog.ratings import keep_known
from soundkin.catalog.rows import read_rows, refuse_empty, refuse_repeats
from soundkin.catalog.table import Catalog


def read_playlists(path: Path, catalog: Catalog) -> pd.DataFrame:
    """Read and check `playlist_id, track_id`, CSV or Parquet, one row for each track of a playlist, in file order.

    Rows about tracks that the catalog lacks are left out, with a warning in the log.

    Raises:
        CatalogError: names the file, the row, the column, the value, and the mend.
    """
    path = Path(path)
    source = f"playlists {path}"
    frame = read_rows(path, source, required=("playlist_id", "track_id"))
    for column in ("playlist_id", "track_id"):
        refuse_empty(frame, source, column)
    refuse_repeats(frame, source, ["playlist_id", "track_id"], "Name a track once a playlist.")
    return keep_known(frame, source, ["track_id"], catalog)
