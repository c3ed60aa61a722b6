"""Query: which tracks sound like these? By track this imports no torch; by file it loads the model."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import ArtefactError, UsageError
from soundkin.pipelines.options import ARTIST_CAP, WHERE, Option, argument

if TYPE_CHECKING:
    import numpy as np

    from soundkin.embedding.embedder import Embedder
    from soundkin.pipelines.answers import Answer
    from soundkin.search.vector_index import Index
    from soundkin.shapes import Float, Float32

    Vectors = Float[np.ndarray, "*seeds embedding"]
    Vector = Float32[np.ndarray, " embedding"]


def query(
    index: Annotated["Index | Path | str", argument()],
    like: Annotated[
        Sequence[str | Path] | str | Path,
        Option("A seed; give several to mix.", metavar="TRACK_ID_OR_FILE", required=True),
    ] = (),
    k: Annotated[int, Option("How many answers.", ("-k",), minimum=1)] = 10,
    where: Annotated[Sequence[str], WHERE] = (),
    artist_cap: Annotated[int | None, ARTIST_CAP] = None,
    model: Annotated[
        Path | str | None, Option("Model bundle for files; default: that of embed.", metavar="MODEL")
    ] = None,
    vector: "Vectors | None" = None,
    columns: Sequence[str] | None = (),
) -> "list[Answer]":
    """What sounds like this? Ask by a track's id, by an audio file, or by several at once.

    A seed is an audio file if there is one of that name, else a track_id; no seed is among the answers. Best
    first; a note is logged if they are fewer than asked for.

    Examples:
      soundkin query index --like 17_night-train -k 10
      soundkin query index --like new-song.mp3 --artist-cap 2
      soundkin query index --like a.mp3 --like b.mp3 --where genre=rock --where 'year>=1990' --json

    From Python, `vector` is a further seed or several, by the index's model; `columns` are those whose cells
    the answers hold (None: all); and to ask often, `index` is one that `open_index` opened: it reads nothing
    again, and the model of the first file is kept for the next.

    Raises:
        UsageError: an option is off, or a track, file or column is unknown; names the nearest.
        ArtefactError: the index is corrupt, or `model` is not the one it was made with.
        AudioError: a file cannot be decoded.
    """
    import numpy as np

    from soundkin.pipelines.answers import Query
    from soundkin.search.neighbours import find_neighbours
    from soundkin.search.vector_index import Index, open_index

    names = [str(name) for name in ([like] if isinstance(like, str | Path) else like)]
    if not names and vector is None:
        raise UsageError("nothing to be like: give a track_id or an audio file, --like TRACK_ID_OR_FILE.")
    opened = index if isinstance(index, Index) else open_index(Path(index))
    question = Query(opened, k, where, artist_cap, columns)
    seeds = [_seed(opened, name, model) for name in names]
    rows = {row for row, _ in seeds if row is not None}
    vectors = [seed for _, seed in seeds]
    if vector is not None:
        vectors += _given(vector, opened.manifest.embedding_size)
    ranking = find_neighbours(opened, np.array(vectors), k, question.allowed, rows, artist_cap)
    cosines = [(row, max(-1.0, min(1.0, score))) for row, score in ranking]  # rounding may leave 1 + 1e-7
    return question.answers(cosines, rows, "they are asked about")


def _given(vector: "Vectors", size: int) -> "list[Vector]":
    """The vectors that were given, one a seed."""
    import numpy as np

    vectors = np.atleast_2d(np.asarray(vector))
    if vectors.ndim != 2 or vectors.shape[1] != size or vectors.dtype.kind not in "fiu":
        shape = np.shape(vector)
        raise UsageError(f"vector of shape {shape}: the index holds vectors of {size} numbers. Give such.")
    if not np.isfinite(vectors).all():
        raise UsageError("vector holds numbers that are not finite. Give others.")
    return list(vectors.astype(np.float32))


def _seed(index: "Index", name: str, model: Path | str | None) -> "tuple[int | None, Vector]":
    """What the answers should sound like: its row in the index, if it is there, and its vector."""
    from soundkin.embedding.default_model import is_default, model_folder
    from soundkin.pipelines.answers import as_text

    if not os.path.isfile(name):  # noqa: PTH113 - Path(name).is_file() takes a thirtieth of the whole query
        row = index.row(as_text(name))
        return row, index.vector(row)
    folder = model_folder(model or index.model_path)
    if not folder.exists() and not is_default(folder):
        raise UsageError(f"{name}: there is no model at {folder}. Say where it is: --model MODEL")
    embedder = _load_embedder(folder.resolve(), index.manifest.model_hash, index.folder)
    lyrics = ""
    if embedder.reads_lyrics:
        from soundkin.catalog.file_tags import read_tags

        lyrics = read_tags(Path(name)).lyrics
    return index.row_of_file(Path(name)), embedder.embed(name, lyrics)


@lru_cache(maxsize=2)
def _load_embedder(folder: Path, model_hash: str, index: Path) -> "Embedder":
    """Load the model with `model_hash`, once a process."""
    from soundkin.embedding.default_model import not_the_model
    from soundkin.embedding.embedder import load  # imports torch, which takes longer than a query by track

    embedder = load(folder)
    if not embedder.bundle.compares_with(model_hash):
        problem = not_the_model(f"index {index}", model_hash, folder, embedder.hash)
        raise ArtefactError(
            f"{problem}. Give the index's model with --model, or embed and index again with this one."
        )
    return embedder
