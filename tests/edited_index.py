"""Indexes to edit: a track is a number, by artist number % ARTISTS, and sounds so."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from soundkin.embedding.store import (
    Embeddings,
    EmbeddingsManifest,
    Part,
    part_path,
    track_schema,
    write_manifest,
)
from soundkin.files import sha256_of
from soundkin.search.edits import add_tracks, update_tracks
from soundkin.search.vector_index import build_index

TRACKS, SIZE, ARTISTS = 1100, 16, 40
GENRES = ("Rock", "pop; rock", "Jazz", "ambient", None)


def sounds_of(numbers, seed=0):
    """A vector a track: those of one artist are alike."""
    artists = np.random.default_rng(0).standard_normal((ARTISTS, SIZE))
    own = [np.random.default_rng([seed, number]).standard_normal(SIZE) for number in numbers]
    return (artists[np.array(numbers, dtype=int) % ARTISTS] + 0.4 * np.array(own).reshape(-1, SIZE)).astype(
        np.float32
    )


def embeddings_of(ids, vectors, model="model-1"):
    count = len(ids)
    return Embeddings(
        ids, vectors, [30.0] * count, ["0"] * count, model, Path("/models/one"), Path("/catalog.csv")
    )


def ids_of(numbers):
    return [f"track-{number:05}" for number in numbers]


def table_of(numbers, title="Title"):
    return pa.table(
        {
            "track_id": pa.array(ids_of(numbers), pa.string()),
            "path": pa.array([f"{number}.ogg" for number in numbers], pa.string()),
            "title": pa.array([f"{title} {number}" for number in numbers], pa.string()),
            "artist": pa.array([f"Artist {number % ARTISTS}" for number in numbers], pa.string()),
            "genre": pa.array([GENRES[number % 5] for number in numbers], pa.string()),
            "year": pa.array([1950 + number % 70 if number % 11 else None for number in numbers], pa.int64()),
        }
    )


def build(folder, numbers, kind="exact", vectors=None):
    vectors = sounds_of(numbers) if vectors is None else vectors
    build_index(embeddings_of(ids_of(numbers), vectors), table_of(numbers), folder, folder, kind)


def add(folder, numbers, seed=0):
    return add_tracks(
        folder, embeddings_of(ids_of(numbers), sounds_of(numbers, seed)), table_of(numbers), folder
    )


def update(folder, numbers, seed=1, title="Anew"):
    vectors = sounds_of(numbers, seed)
    return update_tracks(folder, embeddings_of(ids_of(numbers), vectors), table_of(numbers, title), folder)


def contents(index):
    """Title and vector of each track, asked for in every way there is."""
    rows = range(len(index))
    ids = [index.tracks.label(row).track_id for row in rows]
    assert index.tracks.batch.column("track_id").to_pylist() == ids
    assert [index.tracks.row(track_id) for track_id in ids] == list(rows)
    assert index.tracks.batch.column("title").to_pylist() == [index.tracks.label(row).title for row in rows]
    np.testing.assert_array_equal(index.vectors(np.arange(len(index))), [index.vector(row) for row in rows])
    return {track_id: (index.tracks.label(row).title, index.vector(row)) for row, track_id in enumerate(ids)}


def write_embeddings(folder, numbers, seed=0, model="model-1", title="Title"):
    """Write what `soundkin embed` would: embeddings/, and the catalog.csv that they were made from."""
    catalog = folder / "catalog.csv"
    folder.mkdir(exist_ok=True)
    table_of(numbers, title).to_pandas().to_csv(catalog, index=False)
    count, schema = len(numbers), track_schema(SIZE)
    columns = {
        "track_id": ids_of(numbers),
        "vector": sounds_of(numbers, seed).tolist(),
        "duration_seconds": [30.0] * count,
        "model_hash": [model] * count,
        "audio_hash": [""] * count,
        "lyrics_hash": [""] * count,
        "warnings": [[]] * count,
    }
    path = part_path(folder / "embeddings", "tracks", "0-0123456789abcdef")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, schema=schema), path)
    part = Part(name="0-0123456789abcdef", count=count, tracks_sha256=sha256_of(path))
    manifest = EmbeddingsManifest(
        model_hash=model,
        model_path="../model",
        catalog_path="../catalog.csv",
        embedding_size=SIZE,
        count=count,
        skipped=0,
        parts=(part,),
    )
    write_manifest(folder / "embeddings", manifest)
    return folder / "embeddings"
