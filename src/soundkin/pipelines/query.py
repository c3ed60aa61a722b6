"""Query: which tracks sound like these? By track this imports no torch; by file it loads the model."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from soundkin.errors import ArtefactError, UsageError
from soundkin.search.conditions import mask_where, parse_condition
from soundkin.search.index import Index, open_index
from soundkin.search.neighbours import find_neighbours
from soundkin.shapes import Float32

if TYPE_CHECKING:
    from soundkin.embedding.embedder import Embedder


@dataclass(frozen=True)
class Answer:
    """One neighbour. `score` is the cosine with the seeds' mean direction; an unknown title or artist is empty."""

    rank: int
    track_id: str
    title: str
    artist: str
    score: float
    path: str


@dataclass(frozen=True)
class Seed:
    """What the answers should sound like; `row` says where it is in the index, if it is."""

    vector: Float32[np.ndarray, " embedding"]
    row: int | None


def query(
    index: Index | Path,
    like: Sequence[str],
    k: int = 10,
    where: Sequence[str] = (),
    artist_cap: int | None = None,
    model: Path | None = None,
) -> list[Answer]:
    """The `k` tracks that sound most like all of `like`, best first; fewer only if there are no more.

    Each of `like` is an audio file if there is one of that name, else a track_id; none of them is among the answers.
    `where` holds conditions such as `genre=rock` or `year>=1990`, all of which an answer meets; at most `artist_cap`
    answers are by the same artist. `model` is looked for where the embeddings were made with it, if not given.
    Opening a large index takes longer than asking it: pass an opened one (`open_index`) to ask often.

    Raises:
        UsageError: an option is off, or a track, file or column is unknown; names the nearest.
        ArtefactError: the index is corrupt, or `model` is not the one it was made with.
        AudioError: a file cannot be decoded.
    """
    _check_options(like, k, artist_cap)
    opened = index if isinstance(index, Index) else open_index(Path(index))
    if artist_cap is not None and "artist" not in opened.tracks.columns:
        raise UsageError(f"artist_cap={artist_cap}: the tracks of index {opened.folder} have no artist column.")
    allowed = mask_where(opened.tracks.batch, map(parse_condition, where)) if where else None
    seeds = _find_seeds(opened, like, model)
    rows = {seed.row for seed in seeds if seed.row is not None}
    vectors = np.array([seed.vector for seed in seeds])
    found = find_neighbours(opened, vectors, k, allowed, without=rows, artist_cap=artist_cap)
    return [_answer(opened, rank, row, score) for rank, (row, score) in enumerate(found, start=1)]


def _check_options(like: Sequence[str], k: int, artist_cap: int | None) -> None:
    if not like:
        raise UsageError("nothing to be like: give at least one track_id or audio file, as in --like TRACK_ID_OR_FILE.")
    if k < 1:
        raise UsageError(f"k={k}: ask for at least 1 answer.")
    if artist_cap is not None and artist_cap < 1:
        raise UsageError(f"artist_cap={artist_cap}: allow each artist at least 1 answer.")


def _find_seeds(index: Index, like: Sequence[str], model: Path | None) -> list[Seed]:
    embedder = None
    seeds = []
    for name in like:
        if os.path.isfile(name):  # noqa: PTH113 - Path(name).is_file() takes a thirtieth of the whole query
            path = Path(name)
            embedder = embedder or _load_embedder(index, path, model)
            words = _lyrics(path) if embedder.reads_lyrics else ""
            seeds.append(Seed(embedder.embed(path, words), index.row_of_file(path)))
        else:
            row = index.row(name)
            seeds.append(Seed(index.vector(row), row))
    return seeds


def _lyrics(path: Path) -> str:
    """The words in the tags of a file, or beside it."""
    from soundkin.catalog.tags import read_tags

    return read_tags(path).lyrics


def _load_embedder(index: Index, path: Path, model: Path | None) -> "Embedder":
    """Load the model that the index was made with, to embed `path`."""
    folder = Path(model or index.model_path)
    if not folder.exists():
        raise UsageError(f"{path} is to be embedded, and there is no model at {folder}. Say where it is: --model MODEL")
    from soundkin.embedding.embedder import load  # imports torch, which takes longer than a query by track

    embedder = load(folder)
    if embedder.hash != index.manifest.model_hash:
        raise ArtefactError(
            f"index {index.folder} was made with model {index.manifest.model_hash}, and {folder} is model "
            f"{embedder.hash}: their vectors cannot be compared. Give the index's model with --model, or embed and "
            "index again with this one."
        )
    return embedder


def _answer(index: Index, rank: int, row: int, score: float) -> Answer:
    track_id, title, artist, path = index.tracks.label(row)
    cosine = max(-1.0, min(1.0, score))  # rounding may leave it a hair above 1
    return Answer(rank, track_id, title, artist, cosine, index.audio_path(path))
