"""A library's table of sounds: which audio hash embedded files of that sound had, whatever their tags now.

`sound` is what a scan heard of the file (`catalog.scanned_files`), `audio_hash` is as in the embeddings. So
neither a moved nor a retagged file is embedded again, nor read whole. Without the table, files are hashed.
"""

from collections.abc import Collection, Mapping
from pathlib import Path

from soundkin.catalog.table_io import read_remembered, write_remembered

COLUMNS = ("sound", "audio_hash")


def read_known_sounds(table: Path) -> dict[str, str]:
    """Audio hashes by sound; without any, files are hashed instead."""
    return read_remembered(table, COLUMNS)


def write_known_sounds(table: Path, sounds: Mapping[str, str], embedded: Collection[str]) -> None:
    """Keep `sounds` for the next time, but for those whose audio hash is not among the `embedded`."""
    hashes = set(embedded)
    write_remembered({sound: name for sound, name in sounds.items() if name in hashes}, table, COLUMNS)
