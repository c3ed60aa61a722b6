"""Frames from a table of vectors by track_id: an .npz, a .parquet, or a folder of Parquet files such as ours.

    track_id        the track, as in the catalog
    vector          its numbers, as many in every row (in an .npz the array is `vectors`, [rows, size])
    start_seconds   where in the track a row begins; needed where a track has several rows
    tag_probabilities   in [0, 1], as many in every row; read where a teacher's answers are wanted

Further columns are ignored. A table is held in memory, once a process.
"""

import hashlib
import logging
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from torch import Tensor

from soundkin.errors import AudioError, ConfigError, UsageError
from soundkin.features.decode import AudioStream
from soundkin.features.frontends.external import LARGEST, ExternalFrontEnd
from soundkin.features.frontends.interface import FrameStream, TableTrack, TrackInput
from soundkin.features.remote_audio import RemoteFile
from soundkin.files import sha256_of
from soundkin.shapes import Float, Float32

logger = logging.getLogger(__name__)

SUFFIXES = (".npz", ".parquet", "")  # a folder has none
BLOCK_FRAMES = 256
TAGS = "tag_probabilities"


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
    tags: Float[np.ndarray, "rows tags"] | None = None

    @property
    def size(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def track(self, track_id: str) -> TrackVectors:
        """The rows of one track; AudioError if there are none, or a number is not finite or too large."""
        order, runs = self.rows_by_track
        if track_id not in runs:
            raise AudioError(
                f"track_id={track_id} is not in {self.path}. Add its vector, or leave the track out."
            )
        rows = order[slice(*runs[track_id])]
        vectors = self.vectors[rows].astype(np.float32)
        bad = ~(np.abs(vectors) <= LARGEST).all(axis=1)
        if bad.any():
            raise AudioError(
                f"track_id={track_id}: its vector in row {rows[bad.argmax()]} of {self.path} (the first is "
                f"row 0) holds numbers that are not finite or beyond {LARGEST:g}. Compute it again, or leave "
                "the track out."
            )
        return TrackVectors(vectors, self.start_seconds[rows])

    @cached_property
    def rows_by_track(self) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
        """Rows sorted by track and time, and the run of them of each track."""
        names, numbers = np.unique(np.asarray(self.track_ids), return_inverse=True)
        order = np.lexsort((self.start_seconds, numbers))
        bounds = np.searchsorted(numbers[order], np.arange(len(names) + 1)).tolist()
        return order, {str(name): (bounds[row], bounds[row + 1]) for row, name in enumerate(names)}


def read_table(path: Path, tags: bool = False) -> VectorTable:
    """Read and check a table, with `tags` if it has any, and keep the last one read; UsageError with place
    and reason.
    """
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError:
        changed = 0  # _files says which file is missing
    return _read_table(Path(path), changed, tags)


def sha256_of_table(path: Path) -> str:
    """SHA-256 of a table's bytes; of a folder, over those of its files in order of their names."""
    files = _files(Path(path))
    if files == [Path(path)]:
        return sha256_of(path)
    return hashlib.sha256("".join(f"{sha256_of(file)}\n" for file in files).encode()).hexdigest()


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("[!.]*.parquet")) if path.is_dir() else [path]
    if not files or not all(file.is_file() for file in files):
        what = "holds no .parquet file" if path.is_dir() else "does not exist"
        raise UsageError(
            f"{path} {what}, and vectors are to come from it. Put it there, or name where it is: "
            "features.path=FILE to train, --vectors FILE to embed and evaluate."
        )
    return files


@lru_cache(maxsize=1)
def _read_table(path: Path, changed: int, with_tags: bool) -> VectorTable:
    files = _files(path)
    columns = _read_npz(path) if path.suffix == ".npz" else _read_parquet(path, files, with_tags)
    track_ids, vectors, starts, tags = columns
    if len(track_ids) != len(vectors) or vectors.dtype.kind != "f" or vectors.ndim != 2 or not vectors.size:
        raise UsageError(
            f"{path}: {len(track_ids)} track ids, and vectors of shape {vectors.shape} and type "
            f"{vectors.dtype}. Save floats [rows, size], at least one, and a track id for each row."
        )
    if starts is None:
        repeated, count = Counter(track_ids).most_common(1)[0]
        if count > 1:
            raise UsageError(
                f"{path}: track_id={repeated} has several rows, and nothing says which comes first. "
                "Add start_seconds, or keep one row a track."
            )
        starts = np.zeros(len(track_ids))
    if starts.shape != (len(track_ids),) or not np.isfinite(starts).all():
        raise UsageError(f"{path}: start_seconds needs one finite number a row. Correct it, or leave it out.")
    if with_tags and tags is not None:
        if tags.ndim != 2 or len(tags) != len(track_ids) or not ((tags >= 0) & (tags <= 1)).all():
            raise UsageError(
                f"{path}: {TAGS} are to be numbers in [0, 1], as many in every row. Correct them."
            )
        return VectorTable(path, track_ids, vectors, starts, tags)
    return VectorTable(path, track_ids, vectors, starts)


# track_id, vector, start_seconds, tag_probabilities
Columns = tuple[list[str], np.ndarray, np.ndarray | None, np.ndarray | None]
NPZ_ERRORS = (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error)


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
            return track_ids, arrays["vectors"], starts, arrays.get(TAGS)
    except NPZ_ERRORS as error:
        raise UsageError(
            f"{path} is not an .npz that can be read ({str(error).rstrip('.')}). Nothing in it is unpickled: "
            "save plain arrays, track_id as text, np.array(ids, dtype=str), and vectors as float32."
        ) from error


def _read_parquet(path: Path, files: Sequence[Path], with_tags: bool) -> Columns:
    tables = []
    for file in files:
        try:
            with pq.ParquetFile(file) as parquet:
                names = parquet.schema_arrow.names
                if missing := {"track_id", "vector"} - set(names):
                    raise UsageError(
                        f"{file} has no column {', '.join(sorted(missing))}. It has {', '.join(names)}: name "
                        "them so."
                    )
                wanted = ("track_id", "vector", "start_seconds", *((TAGS,) if with_tags else ()))
                used = [name for name in wanted if name in names]
                tables.append(parquet.read(used))
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UsageError(f"{file} is not a Parquet file that can be read: {reason}.") from error
    try:
        table = pa.concat_tables(tables).combine_chunks()
        track_ids = table["track_id"].cast(pa.string())
        timed = "start_seconds" in table.column_names
        starts = table["start_seconds"].cast(pa.float64()).to_numpy() if timed else None
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{path}: its columns have no types that fit ({reason}).") from error
    if track_ids.null_count:
        raise UsageError(
            f"{path}: track_id is empty in {track_ids.null_count} rows. Fill them in, or delete the rows."
        )
    tags = _as_array(table[TAGS], path) if TAGS in table.column_names else None
    return track_ids.to_pylist(), _as_array(table["vector"], path), starts, tags


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
            f"{path}: the vector in row {odd[0]} (the first is row 0) has {lengths[odd[0]]} numbers, and "
            f"those before it {lengths[0]}. All vectors are of one encoder and one size."
        )
    values = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(values).reshape(len(column), lengths[0] if len(lengths) else 0)


class VectorTableFrontEnd(ExternalFrontEnd):
    """Frames are looked up in a table by track_id; no audio is read."""

    takes_audio: ClassVar[bool] = False
    SUFFIXES: ClassVar[tuple[str, ...]] = SUFFIXES
    DEPENDS_ON: ClassVar[set[str]] = {"sha256", "size"}

    def _sha256_and_size(self, path: Path) -> tuple[str, int]:
        return sha256_of_table(path), read_table(path).size

    def warn_of_another_table(self) -> None:
        """Warn: a table that has grown is welcome, another encoder's is not."""
        if sha256_of_table(self.path) != self.sha256:
            logger.warning(
                "%s is not the table that the model was trained on. That is right if the same encoder made "
                "its vectors; else what the model makes of them means nothing.",
                self.path,
            )

    def track_inputs(self, paths: Sequence[Path | RemoteFile], track_ids: Sequence[str]) -> list[TrackInput]:
        """The track ids."""
        return [TableTrack(track_id) for track_id in track_ids]

    def track(self, track: TableTrack) -> TrackVectors:
        """A track's rows; ConfigError if vectors have another size; raises as `VectorTable.track` does."""
        table = read_table(self.path)
        if table.size != self.bands:
            raise ConfigError(
                f"{self.path} has vectors of {table.size} numbers, and the model was trained on vectors of "
                f"{self.bands}. Name a table of the same encoder."
            )
        return table.track(track.track_id)

    def input_hash(self, track: Any) -> str:
        """32 hex digits of the track's vectors."""
        return self.track(track).content_hash()

    def stream(self, track: Any, seconds: float | None = None) -> FrameStream:
        """The frames of a track that begin within `seconds`, if given; at least one."""
        if not isinstance(track, TableTrack):
            raise self._takes_no_audio(track)
        rows = self.track(track)
        if seconds is not None:
            kept = rows.start_seconds < seconds
            kept[0] = True
            rows = TrackVectors(rows.vectors[kept], rows.start_seconds[kept])
        blocks = torch.split(torch.from_numpy(rows.vectors), BLOCK_FRAMES)
        return FrameStream(str(track), blocks, lambda frame: float(rows.start_seconds[frame]))

    def stream_audio(self, audio: AudioStream) -> FrameStream:
        """UsageError."""
        raise self._takes_no_audio(audio.path)

    def _takes_no_audio(self, path: Path) -> UsageError:
        return UsageError(
            f"{path}: this model was trained on a table of vectors by {self.name or 'another encoder'} and "
            "takes no audio. Name a track_id instead; or add the track's vector to the table and embed the "
            "catalog again; or train with the encoder itself: features=external features.path=ENCODER.onnx"
        )

    def reference_frames(self) -> Float32[Tensor, "frames size"]:
        """Random numbers, as a table holds no sound, of a generator that numpy never changes."""
        numbers = np.random.RandomState(0).standard_normal((8, self.bands))
        return torch.from_numpy(numbers.astype(np.float32))
