"""What an index has to be told so that it holds what the embeddings and the catalog do."""

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.search.tracks import shown_columns
from soundkin.search.vector_index import Index
from soundkin.shapes import Float32
from soundkin.statistics.scaling import unit_length

SAME = 1e-6  # how far numbers of equal unit vectors may be apart, having been computed in other batches


@dataclass(frozen=True)
class IndexDifference:
    """Ids of tracks; `updated` have other cells or another vector."""

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.updated)


def index_difference(
    index: Index, tracks: pa.Table, vectors: Float32[np.ndarray, "tracks embedding"]
) -> IndexDifference | None:
    """What is to be done about `index`; None where it has other columns than `tracks`.

    `vectors` are those of `tracks`, row by row.
    """
    before = index.tracks.batch
    if set(shown_columns(before)) != set(tracks.column_names):
        return None
    ids = tracks["track_id"].cast(pa.large_string()).combine_chunks()
    ids_before = before.column("track_id").cast(pa.large_string())
    places = pc.index_in(ids, value_set=ids_before)
    removed = ids_before.filter(pc.invert(pc.is_in(ids_before, value_set=ids)))
    added = ids.filter(pc.is_null(places))
    rows = pc.indices_nonzero(pc.is_valid(places))
    places = places.take(rows)
    differ = [
        pc.not_equal(_text(tracks[name].combine_chunks().take(rows)), _text(before.column(name).take(places)))
        for name in tracks.column_names
    ]
    unit = unit_length(vectors[rows.to_numpy(zero_copy_only=False)])
    stored = (index.vector(place) for place in places.to_pylist())
    moved = [abs(one - other).max() > SAME for one, other in zip(unit, stored, strict=True)]
    updated = ids.take(rows).filter(reduce(pc.or_, differ, pa.array(moved, pa.bool_())))
    return IndexDifference(added.to_pylist(), removed.to_pylist(), updated.to_pylist())


def _text(column: pa.Array) -> pa.Array:
    return pc.fill_null(column.cast(pa.large_string()), "")
