"""A library's table of sounds: which audio hash embedded files of that sound had, whatever their tags now.

`sound` is what a scan heard of the file (`catalog.scanned_files`), `audio_hash` is as in the embeddings. So
neither a moved nor a retagged file is embedded again, nor read whole. Without the table, files are hashed.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

import pandas as pd

from soundkin.catalog.table_io import read_rows, write_rows
from soundkin.errors import CatalogError

COLUMNS = ["sound", "audio_hash"]


def read_known_sounds(table: Path) -> dict[str, str]:
    """Audio hashes by sound; none where there is no such table, or it cannot be read."""
    try:
        frame = read_rows(table, f"table {table}", required=COLUMNS) if table.exists() else pd.DataFrame()
    except CatalogError:
        return {}  # files are hashed instead
    return dict(zip(frame["sound"], frame["audio_hash"], strict=True)) if len(frame) else {}


def write_known_sounds(table: Path, sounds: Mapping[str, str], embedded: Collection[str]) -> None:
    """Keep `sounds` for the next time, but for those whose audio hash is not among the `embedded`."""
    hashes = set(embedded)
    rows = [row for row in sounds.items() if row[1] in hashes]
    write_rows(pd.DataFrame(rows, columns=COLUMNS), table)
