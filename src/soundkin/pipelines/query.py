"""Query: which tracks sound like these? By track this imports no torch; by file it loads the model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundkin.errors import ArtefactError, UsageError
from soundkin.pipelines.answers import Answer, Filter, as_text, known_columns, make_answer
from soundkin.search.neighbours import find_neighbours
from soundkin.search.vector_index import Index, open_index
from soundkin.shapes import Float, Float32

if TYPE_CHECKING:
    from soundkin.embedding.embedder import Embedder

__all__ = ["Answer", "open_index", "query"]


@dataclass(frozen=True)
class Seed:
    """What the answers should sound like; `row` says where it is in the index, if it is."""

    vector: Float32[np.ndarray, " embedding"]
    row: int | None


def query(
    index: Index | Path | str,
    like: Sequence[str | Path] | str | Path = (),
    k: int = 10,
    where: Sequence[str] = (),
    artist_cap: int | None = None,
    model: Path | None = None,
    vector: Float[np.ndarray, "*seeds embedding"] | None = None,
    columns: Sequence[str] | None = (),
) -> list[Answer]:
    """The `k` tracks that sound most like all of `like` and `vector`, best first; a note is logged if they
    are fewer.

    Each of `like` is an audio file if there is one of that name, else a track_id; none of them is among the
    answers. `vector` is one vector by the index's model, or several ([seeds, embedding]). `where` holds
    conditions such as `genre=rock` or `year>=1990`, all of which an answer meets; at most `artist_cap`
    answers are by the same artist. `model` is looked for where the embeddings were made with it, if not
    given. Answers hold the cells of `columns`, by default none, with None all. Opening a large index takes
    longer than asking it: pass an opened one (`open_index`) to ask often. It reads nothing again, and the
    model of the first file is kept for the next.

    Raises:
        UsageError: an option is off, or a track, file or column is unknown; names the nearest.
        ArtefactError: the index is corrupt, or `model` is not the one it was made with.
        AudioError: a file cannot be decoded.
    """
    names = [str(name) for name in ([like] if isinstance(like, str | Path) else like)]
    _check_options(names, vector, k, artist_cap)
    opened = index if isinstance(index, Index) else open_index(Path(index))
    if artist_cap is not None and "artist" not in opened.tracks.columns:
        raise UsageError(
            f"artist_cap={artist_cap}: the tracks of index {opened.folder} have no artist column."
        )
    shown = known_columns(opened, columns)
    tracks = Filter.of(opened, where)
    seeds = _find_seeds(opened, names, model)
    rows = {seed.row for seed in seeds if seed.row is not None}
    vectors = np.array([seed.vector for seed in seeds] + _given(vector, opened.manifest.embedding_size))
    found = find_neighbours(opened, vectors, k, tracks.allowed, without=rows, artist_cap=artist_cap)
    tracks.note_if_fewer(opened, len(found), k, rows, "they are asked about", artist_cap)
    return [_answer(opened, rank, row, score, shown) for rank, (row, score) in enumerate(found, start=1)]


def _check_options(like: Sequence[str], vector: np.ndarray | None, k: int, artist_cap: int | None) -> None:
    if not like and vector is None:
        raise UsageError(
            "nothing to be like: give at least one track_id or audio file, as in --like TRACK_ID_OR_FILE."
        )
    if k < 1:
        raise UsageError(f"k={k}: ask for at least 1 answer.")
    if artist_cap is not None and artist_cap < 1:
        raise UsageError(f"artist_cap={artist_cap}: allow each artist at least 1 answer.")


def _given(vector: np.ndarray | None, size: int) -> list[Float32[np.ndarray, " embedding"]]:
    """The vectors that were given, one a seed."""
    if vector is None:
        return []
    vectors = np.atleast_2d(np.asarray(vector))
    if vectors.ndim != 2 or vectors.shape[1] != size or vectors.dtype.kind not in "fiu":
        raise UsageError(
            f"vector of shape {np.shape(vector)}: the index holds vectors of {size} numbers. Give such."
        )
    if not np.isfinite(vectors).all():
        raise UsageError("vector holds numbers that are not finite. Give others.")
    return list(vectors.astype(np.float32))


def _find_seeds(index: Index, like: Sequence[str], model: Path | None) -> list[Seed]:
    embedder = None
    seeds = []
    for name in like:
        if os.path.isfile(name):  # noqa: PTH113 - Path(name).is_file() takes a thirtieth of the whole query
            path = Path(name)
            embedder = embedder or _embedder_of(index, path, model)
            words = _lyrics(path) if embedder.reads_lyrics else ""
            seeds.append(Seed(embedder.embed(path, words), index.row_of_file(path)))
        else:
            row = index.row(as_text(name))
            seeds.append(Seed(index.vector(row), row))
    return seeds


def _lyrics(path: Path) -> str:
    """The words in the tags of a file, or beside it."""
    from soundkin.catalog.file_tags import read_tags

    return read_tags(path).lyrics


def _embedder_of(index: Index, path: Path, model: Path | None) -> "Embedder":
    """The model that the index was made with, to embed `path`."""
    folder = Path(model or index.model_path)
    if not folder.exists():
        raise UsageError(
            f"{path} is to be embedded, and there is no model at {folder}. Say where it is: --model MODEL"
        )
    return _load_embedder(folder.resolve(), index.manifest.model_hash, index.folder)


@lru_cache(maxsize=2)
def _load_embedder(folder: Path, model_hash: str, index: Path) -> "Embedder":
    """Load the model with `model_hash`, once a process."""
    from soundkin.embedding.embedder import load  # imports torch, which takes longer than a query by track

    embedder = load(folder)
    if embedder.hash != model_hash:
        raise ArtefactError(
            f"index {index} was made with model {model_hash}, and {folder} is model {embedder.hash}: their vectors "
            "cannot be compared. Give the index's model with --model, or embed and index again with this one."
        )
    return embedder


def _answer(index: Index, rank: int, row: int, score: float, columns: Sequence[str]) -> Answer:
    cosine = max(-1.0, min(1.0, score))  # rounding may leave it a hair above 1
    return make_answer(index, rank, row, cosine, columns)
