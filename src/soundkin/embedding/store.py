"""Embeddings on disk: vectors in Parquet parts, and a manifest with the checksum of each part.

    manifest.json             format version, model hash, where the model and the catalog are, the parts
    tracks/PART.parquet       one row a track, in catalog order
    patches/PART.parquet      optional; row group i holds the patches of row i in the tracks part of that name
    skipped.csv               files that could not be embedded: track_id, path, reason, audio_hash, soundkin

A part's name ends in the hash of its content, so no part is ever overwritten by another: until a new manifest
replaces the old one, the folder holds the old embeddings whole. Reading needs neither torch nor pandas;
`export` writes.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from soundkin.config import Config, validate
from soundkin.embedding.default_model import found_model
from soundkin.errors import ArtefactError, ConfigError, UsageError
from soundkin.files import explaining_output, read_versioned_json, sha256_of, write_json
from soundkin.shapes import Float32

FORMAT = "soundkin embeddings"
FORMAT_VERSION, OLDEST_READ = 2, 1  # 1 had no lyrics_hash: its audio_hash covered the lyrics too
EMBED_AGAIN = "Run soundkin embed again: only what is missing is computed."


class Part(Config):
    """A file of tracks and, if asked for, one of their patches."""

    name: str = Field(pattern=r"^\d+-[0-9a-f]{16}$")
    count: int
    tracks_sha256: str
    patches_sha256: str | None = None


class EmbeddingsManifest(Config):
    """What the embeddings are. Paths are relative to the folder where they can be; `default` is a model."""

    model_hash: str
    model_path: str
    catalog_path: str
    embedding_size: int
    count: int
    skipped: int
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Embeddings:
    """The vectors of all embedded tracks, row by row in catalog order, and what is off with each."""

    track_ids: list[str]
    vectors: Float32[np.ndarray, "tracks embedding"]
    duration_seconds: list[float]
    audio_hashes: list[str]
    model_hash: str
    model_path: Path
    catalog_path: Path
    warnings: Sequence[Sequence[str]] = ()  # none, or one a track

    def select(self, track_ids: Iterable[str]) -> "Embeddings":
        """Those of some tracks, in the order of all."""
        wanted = set(track_ids)
        rows = [row for row, track_id in enumerate(self.track_ids) if track_id in wanted]
        return replace(
            self,
            track_ids=[self.track_ids[row] for row in rows],
            vectors=self.vectors[rows],
            duration_seconds=[self.duration_seconds[row] for row in rows],
            audio_hashes=[self.audio_hashes[row] for row in rows],
            warnings=[self.warnings[row] for row in rows] if self.warnings else (),
        )


@dataclass(frozen=True)
class PatchEmbeddings:
    """The patch vectors of one track, in order of time."""

    track_id: str
    start_seconds: list[float]
    vectors: Float32[np.ndarray, "patches embedding"]


def track_schema(embedding_size: int) -> pa.Schema:
    """Columns of a tracks file."""
    return pa.schema(
        {
            "track_id": pa.string(),
            "vector": pa.list_(pa.float32(), embedding_size),
            "duration_seconds": pa.float64(),
            "model_hash": pa.string(),
            "audio_hash": pa.string(),
            "lyrics_hash": pa.string(),
            "warnings": pa.list_(pa.string()),
        }
    )


def read_embeddings(folder: Path, scratch: Path | None = None) -> Embeddings:
    """Read an embeddings folder and check all of it.

    With `scratch`, a folder, the vectors are not in memory: numpy maps them from a file without a name there,
    which is gone with them. Raises OutputError where it cannot be written.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    columns: dict[str, list[Any]] = {"track_id": [], "duration_seconds": [], "audio_hash": [], "warnings": []}

    def blocks() -> Iterator[Float32[np.ndarray, "rows embedding"]]:
        for part in manifest.parts:
            table = _read_checked_tracks(folder, part, manifest)
            for name, values in columns.items():
                values += table[name].to_pylist()
            yield _vectors_in(table)

    shape = manifest.count, manifest.embedding_size
    vectors = _in_memory(blocks(), shape) if scratch is None else _mapped(blocks(), shape, scratch)
    return Embeddings(
        track_ids=columns["track_id"],
        vectors=vectors,
        duration_seconds=columns["duration_seconds"],
        audio_hashes=columns["audio_hash"],
        model_hash=manifest.model_hash,
        model_path=found_model(manifest.model_path, folder),
        catalog_path=(folder / manifest.catalog_path).resolve(),
        warnings=columns["warnings"],
    )


def _in_memory(
    blocks: Iterable[Float32[np.ndarray, "rows embedding"]], shape: tuple[int, int]
) -> Float32[np.ndarray, "tracks embedding"]:
    vectors, row = np.empty(shape, np.float32), 0
    for block in blocks:
        vectors[row : row + len(block)] = block
        row += len(block)
    return vectors


def _mapped(
    blocks: Iterable[Float32[np.ndarray, "rows embedding"]], shape: tuple[int, int], scratch: Path
) -> Float32[np.ndarray, "tracks embedding"]:
    with explaining_output(scratch):
        file = TemporaryFile(dir=scratch, buffering=0)  # noqa: SIM115 (closed below)
    with file:
        for block in blocks:
            rest = np.ascontiguousarray(block).data.cast("B")
            with explaining_output(scratch):
                while rest:
                    rest = rest[file.write(rest) :]
        return np.memmap(file, np.float32, "r", shape=shape) if shape[0] else np.empty(shape, np.float32)


def read_patches(folder: Path, track_ids: Collection[str] | None = None) -> Iterator[PatchEmbeddings]:
    """Patch vectors of all tracks, or of `track_ids`, in catalog order, one track in memory at a time."""
    manifest = read_manifest(folder)
    for part in manifest.parts:
        yield from read_part_patches(folder, manifest, part, track_ids)


def read_part_patches(
    folder: Path, manifest: EmbeddingsManifest, part: Part, track_ids: Collection[str] | None = None
) -> Iterator[PatchEmbeddings]:
    """The same, of one of the parts that the manifest of a folder names."""
    folder = Path(folder)
    if part.patches_sha256 is None:
        raise UsageError(f"{folder} holds no patch vectors. Run `soundkin embed` with --patches.")
    path = _checked(part_path(folder, "patches", part.name), part.patches_sha256)
    with pq.ParquetFile(path) as patches:
        ids = _read_checked_tracks(folder, part, manifest)["track_id"].to_pylist()
        for row, track_id in enumerate(ids):
            if track_ids is None or track_id in track_ids:
                table = patches.read_row_group(row)
                yield PatchEmbeddings(track_id, table["start_seconds"].to_pylist(), _vectors_in(table))


def read_manifest(folder: Path) -> EmbeddingsManifest:
    """The manifest alone; the parts it names are not looked at."""
    folder = Path(folder)
    if not folder.is_dir():
        make = f"soundkin embed MODEL CATALOG -o {folder}"
        raise UsageError(f"embeddings folder {folder} does not exist. Make it: {make}")
    path = folder / "manifest.json"
    values = read_versioned_json(path, FORMAT, FORMAT_VERSION, OLDEST_READ)
    del values["format"], values["format_version"]
    try:
        manifest = validate(EmbeddingsManifest, values)
    except ConfigError as error:
        raise ArtefactError(f"{path} is corrupt: {error} Run soundkin embed again.") from error
    if manifest.count != sum(part.count for part in manifest.parts):
        raise ArtefactError(f"{path} is corrupt: its counts do not add up. Run soundkin embed again.")
    return manifest


def write_manifest(folder: Path, manifest: EmbeddingsManifest) -> None:
    """Put `manifest` in place: from now on it says what the folder holds."""
    values = {"format": FORMAT, "format_version": FORMAT_VERSION, **manifest.model_dump(mode="json")}
    write_json(folder / "manifest.json", values)


def part_path(folder: Path, kind: str, name: str) -> Path:
    """Where the file of a part lies; `kind` is `tracks` or `patches`."""
    return folder / kind / f"{name}.parquet"


def read_tracks(folder: Path, name: str, columns: Sequence[str] | None = None) -> pa.Table:
    """The tracks of a part; parts of format version 1 get the column `lyrics_hash`, empty."""
    with pq.ParquetFile(part_path(folder, "tracks", name)) as file:
        table = file.read(columns)
    if "lyrics_hash" in table.column_names or (columns is not None and "lyrics_hash" not in columns):
        return table
    empty = pa.array([""] * len(table), pa.string())
    return table.add_column(table.column_names.index("audio_hash") + 1, "lyrics_hash", empty)


def _read_checked_tracks(folder: Path, part: Part, manifest: EmbeddingsManifest) -> pa.Table:
    path = _checked(part_path(folder, "tracks", part.name), part.tracks_sha256)
    table = read_tracks(folder, part.name)
    if table.schema != track_schema(manifest.embedding_size) or len(table) != part.count:
        raise ArtefactError(f"{path} does not fit its manifest. Run soundkin embed again.")
    strangers = set(table["model_hash"].unique().to_pylist()) - {manifest.model_hash}
    if strangers:
        raise ArtefactError(
            f"{path} holds vectors of model {strangers.pop()} among those of model {manifest.model_hash}; "
            "vectors of two models cannot be compared. Run soundkin embed again."
        )
    return table


def _checked(path: Path, sha256: str) -> Path:
    if not path.is_file():
        raise ArtefactError(f"{path} is missing. {EMBED_AGAIN}")
    if sha256_of(path) != sha256:
        raise ArtefactError(f"{path} is corrupt: its checksum is not the one in manifest.json. {EMBED_AGAIN}")
    return path


def _vectors_in(table: pa.Table) -> Float32[np.ndarray, "rows embedding"]:
    values = table["vector"].combine_chunks().flatten()
    vectors = np.from_dlpack(values)  # values.to_numpy() would import pandas
    return vectors.reshape(len(table), -1)
