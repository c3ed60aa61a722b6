"""Writes parts of an embeddings folder (`store`): the same rows, the same bytes."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from soundkin.embedding.embedder import TrackEmbedding
from soundkin.embedding.store import Part, part_path, track_schema
from soundkin.files import explaining_output, sha256_of
from soundkin.shapes import Float32

# Vectors do not compress. Page checksums let other readers of Parquet notice damage too.
PARQUET: dict[str, Any] = {
    "compression": "none",
    "use_dictionary": ["model_hash"],
    "write_page_checksum": True,
}

# Rows of the tracks file, and for each of them the table of its patches; no such tables without patches.
Rows = tuple[pa.Table, Iterable[pa.Table]]


def rows_of(embeddings: Sequence[TrackEmbedding], model_hash: str, patches: bool) -> Rows:
    """At least one embedding as rows. `track_id` is empty: audio may move to another track (`with_ids`)."""
    columns = {
        "track_id": [""] * len(embeddings),
        "vector": _vector_column(np.stack([embedding.vector for embedding in embeddings])),
        "duration_seconds": [embedding.duration_seconds for embedding in embeddings],
        "model_hash": [model_hash] * len(embeddings),
        "audio_hash": [embedding.audio_hash for embedding in embeddings],
        "lyrics_hash": [embedding.lyrics_hash for embedding in embeddings],
        "warnings": [embedding.warnings for embedding in embeddings],
    }
    size = len(embeddings[0].vector)
    return pa.table(columns, track_schema(size)), map(_patch_table, embeddings) if patches else ()


def with_ids(table: pa.Table, track_ids: Sequence[str]) -> pa.Table:
    """The same rows, of these tracks."""
    return table.set_column(0, "track_id", pa.array(track_ids, pa.string()))


def write_part(
    folder: Path, number: int, runs: Iterable[Rows], embedding_size: int, patches: bool, sync: bool
) -> Part:
    """Write runs of rows as one part; patches stream through. The tracks file comes last, and with it the
    part.

    Without `sync`, a power cut may leave a damaged file, which the next run finds out.
    """
    rows = [track_schema(embedding_size).empty_table()]
    with ExitStack() as stack:
        if patches:
            file = stack.enter_context(_writing(folder / "patches.writing", sync))
            schema = _patch_schema(embedding_size)
            writer = stack.enter_context(pq.ParquetWriter(file, schema, **PARQUET))
        for tracks, patches_of_tracks in runs:
            rows.append(tracks)
            for table in patches_of_tracks:
                writer.write_table(table)
    table = pa.concat_tables(rows).combine_chunks()
    with _writing(folder / "tracks.writing", sync) as file:
        pq.write_table(table, file, **PARQUET)
    tracks_sha256 = sha256_of(folder / "tracks.writing")
    patches_sha256 = sha256_of(folder / "patches.writing") if patches else None
    name = content_name(number, tracks_sha256, patches_sha256)
    for kind in ("patches", "tracks") if patches else ("tracks",):
        (folder / f"{kind}.writing").replace(part_path(folder, kind, name))
    return Part(name=name, count=len(table), tracks_sha256=tracks_sha256, patches_sha256=patches_sha256)


def content_name(number: int, tracks_sha256: str, patches_sha256: str | None) -> str:
    """The name of a part: its number, and the hash of its content."""
    content = f"{tracks_sha256} {patches_sha256 or ''}"
    return f"{number:05d}-{hashlib.sha256(content.encode()).hexdigest()[:16]}"


def _patch_table(embedding: TrackEmbedding) -> pa.Table:
    columns = {
        "track_id": [""] * len(embedding.start_seconds),
        "start_seconds": embedding.start_seconds,
        "vector": _vector_column(embedding.patch_vectors),
    }
    return pa.table(columns, _patch_schema(len(embedding.vector)))


def _patch_schema(embedding_size: int) -> pa.Schema:
    vector = pa.list_(pa.float32(), embedding_size)
    return pa.schema({"track_id": pa.string(), "start_seconds": pa.float64(), "vector": vector})


def _vector_column(vectors: Float32[np.ndarray, "rows embedding"]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])


@contextmanager
def _writing(path: Path, sync: bool) -> Iterator[IO[bytes]]:
    with explaining_output(path), path.open("wb") as file:
        yield file
        if sync:
            file.flush()
            os.fsync(file.fileno())
