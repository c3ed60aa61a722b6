"""The ids by which a media server knows the tracks of a library, as `soundkin link` found them.

One CSV table of a library, `server_ids.csv`, with a row for each of the server's ids. Where several are of
one track, the first is the one to answer with.
"""

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import csv

from soundkin.errors import ArtefactError
from soundkin.files import replacing

REQUIRED = ("server_id", "track_id")
COLUMNS = (*REQUIRED, "matched_by")


class ServerIds(NamedTuple):
    """Ids of a media server, and the ids of our tracks."""

    server_ids: pa.Array
    track_ids: pa.Array


NO_SERVER_IDS = ServerIds(pa.array([], pa.large_string()), pa.array([], pa.large_string()))


def read_server_ids(path: Path) -> ServerIds:
    """Read the table; there are none where there is no table. Raises ArtefactError if it cannot be read."""
    text = csv.ConvertOptions(
        include_columns=REQUIRED,
        column_types=dict.fromkeys(REQUIRED, pa.large_string()),
        strings_can_be_null=False,
    )
    try:
        table = csv.read_csv(
            path, parse_options=csv.ParseOptions(newlines_in_values=True), convert_options=text
        )
    except FileNotFoundError:
        return NO_SERVER_IDS
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ArtefactError(f"{path} cannot be read ({reason}). Make it again: soundkin link") from error
    return ServerIds(*(table[name].combine_chunks() for name in REQUIRED))


def write_server_ids(table: pa.Table, path: Path) -> None:
    """Write a table of COLUMNS; the file is whole or unchanged."""
    with replacing(path) as file:
        csv.write_csv(table.select(COLUMNS), file)
