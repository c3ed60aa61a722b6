"""The Parquet files of an embeddings folder: a part is one file of tracks and, if asked for, one of their
patches.

Row group i of the patches belongs to row i of the tracks. A part's name ends in the hash of its content, so
that a part can be checked by its name alone, and is never overwritten by another.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from soundkin.config import Config
from soundkin.files import explaining_output, sha256_of
from soundkin.shapes import Float32, typechecked

# Vectors do not compress. Page checksums let other readers of Parquet notice damage too.
_PARQUET: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": ["model_hash"],
    "write_page_checksum": True,
}


class Part(Config):
    """What the manifest says of a part."""

    name: str = Field(pattern=r"^\d+-[0-9a-f]{16}$")
    count: int
    tracks_sha256: str
    patches_sha256: str | None = None


class TrackTables(NamedTuple):
    """One track: a tracks table of one row, and a patches table unless patches were not asked for."""

    track: pa.Table
    patches: pa.Table | None


def track_schema(embedding_size: int) -> pa.Schema:
    """Columns of a tracks file."""
    return pa.schema(
        [
            ("track_id", pa.string()),
            ("vector", pa.list_(pa.float32(), embedding_size)),
            ("duration_seconds", pa.float64()),
            ("model_hash", pa.string()),
            ("audio_hash", pa.string()),
            ("lyrics_hash", pa.string()),
            ("warnings", pa.list_(pa.string())),
        ]
    )


def patch_schema(embedding_size: int) -> pa.Schema:
    """Columns of a patches file."""
    return pa.schema(
        [
            ("track_id", pa.string()),
            ("start_seconds", pa.float64()),
            ("vector", pa.list_(pa.float32(), embedding_size)),
        ]
    )


def part_path(folder: Path, kind: str, name: str) -> Path:
    """Where the file of a part lies; `kind` is `tracks` or `patches`."""
    return folder / kind / f"{name}.parquet"


def write_part(
    folder: Path,
    number: int,
    tracks: Iterable[TrackTables],
    embedding_size: int,
    patches: bool,
    sync: bool = True,
) -> Part:
    """Write one part; patches stream through. The part is there once its tracks are: they are put in place
    last.

    Without `sync`, a power cut may leave a damaged file, which `is_whole` finds out.
    """
    rows = [track_schema(embedding_size).empty_table()]
    with _patch_writer(folder, embedding_size, patches, sync) as writer:
        for track in tracks:
            rows.append(track.track)
            if writer is not None:
                writer.write_table(track.patches)
    table = pa.concat_tables(rows).combine_chunks()
    with _writing(folder / "tracks.writing", sync) as file:
        pq.write_table(table, file, **_PARQUET)
    tracks_sha256 = sha256_of(folder / "tracks.writing")
    patches_sha256 = sha256_of(folder / "patches.writing") if patches else None
    name = _content_name(number, tracks_sha256, patches_sha256)
    for kind in ("patches", "tracks") if patches else ("tracks",):
        (folder / f"{kind}.writing").replace(part_path(folder, kind, name))
    return Part(name=name, count=len(table), tracks_sha256=tracks_sha256, patches_sha256=patches_sha256)


def read_tracks(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The tracks of a part, as one table; parts of format version 1 get the column `lyrics_hash`, empty."""
    with pq.ParquetFile(part_path(folder, "tracks", name)) as file:
        table = file.read(columns)
    if "lyrics_hash" in table.column_names or (columns is not None and "lyrics_hash" not in columns):
        return table
    empty = pa.array([""] * len(table), pa.string())
    return table.add_column(table.column_names.index("audio_hash") + 1, "lyrics_hash", empty)


def is_whole(folder: Path, name: str) -> bool:
    """Whether the files of a part hold what its name says."""
    tracks_file, patches_file = part_path(folder, "tracks", name), part_path(folder, "patches", name)
    patches_sha256 = sha256_of(patches_file) if patches_file.exists() else None
    number = name.split("-")[0]
    return number.isdecimal() and name == _content_name(int(number), sha256_of(tracks_file), patches_sha256)


class PartReader:
    """Reads single tracks out of parts. The last part stays open, because neighbours are mostly asked for
    next.
    """

    def __init__(self, patches: bool) -> None:
        self._with_patches = patches
        self._open: tuple[Path, str] | None = None
        self._tracks: pa.Table | None = None
        self._patches: pq.ParquetFile | None = None

    def read(self, folder: Path, name: str, row: int) -> TrackTables:
        """Row `row` of the part `name`."""
        if self._open != (folder, name):
            self.close()
            self._tracks = read_tracks(folder, name)
            if self._with_patches:
                self._patches = pq.ParquetFile(part_path(folder, "patches", name))
            self._open = (folder, name)
        assert self._tracks is not None
        return TrackTables(
            self._tracks.slice(row, 1), self._patches.read_row_group(row) if self._patches else None
        )

    def close(self) -> None:
        """Let go of the open part."""
        if self._patches is not None:
            self._patches.close()
        self._open = self._tracks = self._patches = None


@typechecked
def vector_column(vectors: Float32[np.ndarray, "rows embedding"]) -> pa.FixedSizeListArray:
    """Vectors as a Parquet column."""
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


def vectors_of(table: pa.Table) -> Float32[np.ndarray, "rows embedding"]:
    """The `vector` column as an array."""
    values = table["vector"].combine_chunks().flatten()
    vectors = np.from_dlpack(values)  # values.to_numpy() would import pandas
    return vectors.reshape(len(table), -1)


@contextmanager
def _patch_writer(
    folder: Path, embedding_size: int, patches: bool, sync: bool
) -> Iterator[pq.ParquetWriter | None]:
    if not patches:
        yield None
        return
    with (
        _writing(folder / "patches.writing", sync) as file,
        pq.ParquetWriter(file, patch_schema(embedding_size), **_PARQUET) as writer,
    ):
        yield writer


@contextmanager
def _writing(path: Path, sync: bool) -> Iterator[IO[bytes]]:
    with explaining_output(path), path.open("wb") as file:
        yield file
        if sync:
            file.flush()
            os.fsync(file.fileno())


def _content_name(number: int, tracks_sha256: str, patches_sha256: str | None) -> str:
    content = f"{tracks_sha256} {patches_sha256 or ''}"
    return f"{number:05d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"
