"""Indexes to order, over vectors that form clusters."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import edited_index
from soundkin.embedding.store import Embeddings
from soundkin.search.kinds import KINDS
from soundkin.search.vector_index import Index, build_index, open_index

TRACKS, SIZE, ARTISTS = 1200, 16, 60
GENRES = ("Rock", "pop; rock", "Jazz", "ambient", None)

MakeIndex = Callable[..., Index]


def clustered(count: int = TRACKS, size: int = SIZE) -> np.ndarray:
    """Vectors of any length; track n is by artist n % ARTISTS, and sounds so."""
    random = np.random.default_rng(0)
    artists = random.standard_normal((ARTISTS, size))
    vectors = artists[np.arange(count) % ARTISTS] + 0.4 * random.standard_normal((count, size))
    return (vectors * random.uniform(0.5, 2, (count, 1))).astype(np.float32)


def track_table(count: int) -> pa.Table:
    """Columns of all sorts. Ids are in order of row."""
    return pa.table(
        {
            "track_id": [f"track-{n:04}" for n in range(count)],
            "path": [f"music/{n}.ogg" for n in range(count)],
            "title": [f"Title {n}" for n in range(count)],
            "artist": [f"Artist {n % ARTISTS}" for n in range(count)],
            "genre": [GENRES[n % len(GENRES)] for n in range(count)],
            "year": pa.array([1950 + n % 70 if n % 11 else None for n in range(count)], pa.int64()),
            "released": [f"{1950 + n % 70}-0{1 + n % 9}-01" for n in range(count)],
        }
    )


def build(
    folder: Path, kind: str = "auto", vectors: np.ndarray | None = None, order: np.ndarray | None = None
) -> None:
    """Build an index in `folder`, its tracks coming in `order`."""
    vectors = clustered() if vectors is None else vectors
    order = np.arange(len(vectors)) if order is None else order
    table = track_table(len(vectors)).take(order)
    ids, count = table["track_id"].to_pylist(), len(vectors)
    model, catalog = folder.parent / "model", folder.parent / "catalog.csv"
    embeddings = Embeddings(ids, vectors[order], [30.0] * count, ["0"] * count, "model-1", model, catalog)
    engine, _, of_milvus = kind.partition(":")
    if engine == "milvus":
        build_index(embeddings, table, folder.parent, folder, of_milvus, str(folder.parent / "milvus.db"))
    else:
        build_index(embeddings, table, folder.parent, folder, kind)


@pytest.fixture
def make_index(tmp_path: Path) -> MakeIndex:
    """`make_index(kind=..., vectors=..., order=...)` builds in tmp_path/index and opens what it built."""

    def make(**options: object) -> Index:
        build(tmp_path / "index", **options)
        return open_index(tmp_path / "index")

    return make


@pytest.fixture(scope="session")
def shared_index(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Index]:
    """`shared_index(kind)`: one index of 1200 tracks for all tests; do not change it."""
    opened: dict[str, Index] = {}

    def find(kind: str) -> Index:
        if kind not in opened:
            folder = tmp_path_factory.mktemp(kind.partition(":")[0]) / "index"
            build(folder, kind)
            opened[kind] = open_index(folder)
        return opened[kind]

    return find


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of each kind, to be copied and edited."""
    folder = tmp_path_factory.mktemp("built")
    for kind in KINDS:
        edited_index.build(folder / kind, range(edited_index.TRACKS), kind)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An index of 20 tracks to be edited."""
    edited_index.build(tmp_path / "index", range(20))
    return tmp_path / "index"
