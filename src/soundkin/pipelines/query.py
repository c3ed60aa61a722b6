"""Query: which tracks sound like these? By track this imports no torch; by file it loads the model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import UsageError
from soundkin.pipelines.options import ARTIST_CAP, WHERE, Option, argument

if TYPE_CHECKING:
    import numpy as np

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
    from soundkin.pipelines.seeds import resolve_seeds
    from soundkin.search.neighbours import find_neighbours
    from soundkin.search.vector_index import Index, open_index

    names = [str(name) for name in ([like] if isinstance(like, str | Path) else like)]
    if not names and vector is None:
        raise UsageError("nothing to be like: give a track_id or an audio file, --like TRACK_ID_OR_FILE.")
    opened = index if isinstance(index, Index) else open_index(Path(index))
    question = Query(opened, k, where, artist_cap, columns)
    seeds = resolve_seeds(opened, names, model)
    rows = {row for seed in seeds for row in seed.rows}
    vectors = [seed.vector for seed in seeds]
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
