"""The ids of a bundle's user vectors: a table of its own, because it names people."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from soundkin.errors import ArtefactError
from soundkin.files import replacing

COLUMNS = ("task", "user_id")


def write_users(path: Path, users: dict[str, list[str]]) -> None:
    """Write `task, user_id`, the users of each task in the order of its user vectors."""
    tasks = [task for task, names in users.items() for _ in names]
    names = [name for names in users.values() for name in names]
    with replacing(path) as file:
        pq.write_table(pa.table([tasks, names], names=list(COLUMNS)), file, compression="zstd")


def read_users(path: Path) -> dict[str, list[str]]:
    """User ids by task; empty where there is no such file.

    Raises:
        ArtefactError: the file is corrupt.
    """
    if not path.exists():
        return {}
    try:
        table = pq.read_table(path, columns=list(COLUMNS))
    except (OSError, pa.ArrowException) as error:
        raise ArtefactError(f"{path} is corrupt ({error}). Copy or train the model again.") from error
    users: dict[str, list[str]] = {}
    for task, name in zip(*(table[column].to_pylist() for column in COLUMNS), strict=True):
        users.setdefault(task, []).append(name)
    return users
