"""Vectors from elsewhere, found by track_id: an .npz, a .parquet, or a folder of Parquet files such as ours.

    track_id        the track, as in the catalog
    vector          its numbers, as many in every row (in an .npz the array is `vectors`, [rows, size])
    start_seconds   where in the track a row begins; needed where a track has several rows

Further columns are not looked at. A table is held in memory, once a process.
"""

import hashlib
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from soundkin.errors import AudioError, UsageError
from soundkin.files import sha256_of
from soundkin.shapes import Float, Float32

SUFFIXES = (".npz", ".parquet", "")  # a folder has none
LARGEST = 65_504.0  # float16, which the cache holds, goes no further


@dataclass(frozen=True)
class TableTrack:
    """A track that is known by its row in a table instead of by its audio."""

    track_id: str

    def __str__(self) -> str:
        return f"track_id={self.track_id}"


@dataclass(frozen=True)
class TrackVectors:
    """The rows of one track, in order of time."""

    vectors: Float32[np.ndarray, "frames size"]
    start_seconds: Float[np.ndarray, " frames"]

    def content_hash(self) -> str:
        """32 hex digits that change when any number does."""
        digest = hashlib.sha256(np.ascontiguousarray(self.vectors).tobytes())
        digest.update(np.ascontiguousarray(self.start_seconds).tobytes())
        return digest.hexdigest()[:32]


@dataclass(frozen=True)
class VectorTable:
    """All rows, in the file's order."""

    path: Path
    track_ids: list[str]
    vectors: Float[np.ndarray, "rows size"]
    start_seconds: Float[np.ndarray, " rows"]

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def track(self, track_id: str) -> TrackVectors:
        """The rows of one track.

        Raises:
            AudioError: there are none, or they hold something that is not a number, or too large a one.
        """
        if track_id not in self._places:
            raise AudioError(
                f"track_id={track_id} is not in {self.path}. Add its vector, or leave the track out."
            )
        first, past = self._places[track_id]
        rows = self._order[first:past]
        vectors = self.vectors[rows].astype(np.float32)
        bad = ~(np.abs(vectors) <= LARGEST).all(axis=1)
        if bad.any():
            raise AudioError(
                f"track_id={track_id}: its vector in row {rows[bad.argmax()]} of {self.path} (the first is row 0) "
                f"holds numbers that are not finite or beyond {LARGEST:g}. Compute it again, or leave the track out."
            )
        return TrackVectors(vectors, self.start_seconds[rows])

    @cached_property
    def _sorted(self) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
        """Rows by track and time, and which run of them is whose."""
        names, numbers = np.unique(np.asarray(self.track_ids), return_inverse=True)
        order = np.lexsort((self.start_seconds, numbers))
        bounds = np.searchsorted(numbers[order], np.arange(len(names) + 1)).tolist()
        return order, {str(name): (bounds[row], bounds[row + 1]) for row, name in enumerate(names)}

    @property
    def _order(self) -> np.ndarray:
        return self._sorted[0]

    @property
    def _places(self) -> dict[str, tuple[int, int]]:
        return self._sorted[1]


def read_table(path: Path) -> VectorTable:
    """Read and check a table; the one that was read last is kept.

    Raises:
        UsageError: it does not exist, cannot be read, or breaks what this module promises of it; says where.
    """
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError:
        changed = 0  # which file is missing is told below
    return _read_table(Path(path), changed)


def sha256_of_table(path: Path) -> str:
    """SHA-256 of a table's bytes; of a folder, over those of its files in order of their names."""
    files = _files(Path(path))
    if files == [Path(path)]:
        return sha256_of(path)
    return hashlib.sha256("".join(f"{sha256_of(file)}\n" for file in files).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    found = sorted(path.glob("[!.]*.parquet")) if path.is_dir() else [path]
    if not found or not all(file.is_file() for file in found):
        what = "holds no .parquet file" if path.is_dir() else "does not exist"
        raise UsageError(
            f"{path} {what}, and vectors are to come from it. Put it there, or name where it is: features.path=FILE to "
            "train, --vectors FILE to embed and evaluate."
        )
    return found


@lru_cache(maxsize=1)
def _read_table(path: Path, changed: int) -> VectorTable:
    files = _files(path)
    if path.suffix == ".npz":
        track_ids, vectors, starts = _read_npz(path)
    else:
        track_ids, vectors, starts = _read_parquet(path, files)
    if len(track_ids) != len(vectors) or vectors.dtype.kind != "f" or vectors.ndim != 2 or not vectors.size:
        raise UsageError(
            f"{path}: {len(track_ids)} track ids, and vectors of shape {vectors.shape} and type {vectors.dtype}. "
            "Save floats [rows, size], at least one, and a track id for each row."
        )
    if starts is None:
        if len(set(track_ids)) < len(track_ids):
            repeated = Counter(track_ids).most_common(1)[0][0]
            raise UsageError(
                f"{path}: track_id={repeated} has several rows, and nothing says which comes first. "
                "Add start_seconds, or keep one row a track."
            )
        starts = np.zeros(len(track_ids))
    if starts.shape != (len(track_ids),) or not np.isfinite(starts).all():
        raise UsageError(f"{path}: start_seconds needs one finite number a row. Correct it, or leave it out.")
    return VectorTable(path, track_ids, vectors, starts)


Columns = tuple[list[str], np.ndarray, np.ndarray | None]


def _read_npz(path: Path) -> Columns:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if missing := {"track_id", "vectors"} - set(arrays):
                raise UsageError(
                    f"{path} has no array {', '.join(sorted(missing))}. It has {', '.join(arrays)}: "
                    "np.savez(path, track_id=ids, vectors=vectors) writes them."
                )
            track_ids = np.ravel(arrays["track_id"]).astype(str).tolist()
            starts = np.asarray(arrays["start_seconds"], np.float64) if "start_seconds" in arrays else None
            return track_ids, arrays["vectors"], starts
    except (
        OSError,
        ValueError,
        EOFError,
        TypeError,
        AttributeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise UsageError(
            f"{path} is not an .npz that can be read ({str(error).rstrip('.')}). Nothing in it is unpickled: save "
            "plain arrays, track_id as text, np.array(ids, dtype=str), and vectors as float32."
        ) from error


def _read_parquet(path: Path, files: Sequence[Path]) -> Columns:
    tables = []
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                names = parquet.schema_arrow.names
                if missing := {"track_id", "vector"} - set(names):
                    raise UsageError(
                        f"{file} has no column {', '.join(sorted(missing))}. It has {', '.join(names)}: name them so."
                    )
                tables.append(
                    parquet.read([name for name in ("track_id", "vector", "start_seconds") if name in names])
                )
        except (pa.ArrowException, OSError) as error:
            raise UsageError(
                f"{file} is not a Parquet file that can be read: {str(error).splitlines()[0]}."
            ) from error
    try:
        table = pa.concat_tables(tables).combine_chunks()
        starts = (
            table["start_seconds"].cast(pa.float64()).to_numpy()
            if "start_seconds" in table.column_names
            else None
        )
        track_ids = table["track_id"].cast(pa.string())
    except pa.ArrowException as error:
        raise UsageError(
            f"{path}: its columns have no types that fit ({str(error).splitlines()[0]})."
        ) from error
    if track_ids.null_count:
        raise UsageError(
            f"{path}: track_id is empty in {track_ids.null_count} rows. Fill them in, or delete the rows."
        )
    return track_ids.to_pylist(), _as_array(table["vector"], path), starts


def _as_array(column: pa.ChunkedArray, path: Path) -> np.ndarray:
    """A column of lists of equal length as [rows, size]."""
    kind = column.type
    lists = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if not lists or not pa.types.is_floating(kind.value_type):
        raise UsageError(f"{path}: column vector holds {kind}. Make it lists of float32.")
    lengths = np.asarray(pc.list_value_length(column).fill_null(0).to_numpy())
    odd = np.flatnonzero(lengths != lengths[0]) if len(lengths) else lengths
    if len(odd):
        raise UsageError(
            f"{path}: the vector in row {odd[0]} (the first is row 0) has {lengths[odd[0]]} numbers, and those "
            f"before it {lengths[0]}. All vectors are of one encoder and one size."
        )
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values).reshape(len(column), lengths[0] if len(lengths) else 0)
