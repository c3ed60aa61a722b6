"""What an index has to be told so that it holds what the embeddings and the catalog do."""

from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from soundkin.embedding.store import Embeddings
from soundkin.search.tracks import filled_text, shown_columns
from soundkin.search.vector_index import Index
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
    index: Index, embeddings: Embeddings, tracks: pa.Table, audio_folder: Path
) -> IndexDifference | None:
    """What is to be done about `index`; None where it is of another model, folder or columns.

    `tracks` has a row for each track that the index is to hold; all of them are embedded.
    """
    before = index.tracks.batch
    if (
        index.manifest.model_hash != embeddings.model_hash
        or index.audio_folder != audio_folder.resolve()
        or set(shown_columns(before)) != set(tracks.column_names)
    ):
        return None
    ids = tracks["track_id"].cast(pa.large_string()).combine_chunks()
    ids_before = before.column("track_id").cast(pa.large_string())
    places = pc.index_in(ids, value_set=ids_before)
    removed = ids_before.filter(pc.invert(pc.is_in(ids_before, value_set=ids)))
    added = ids.filter(pc.is_null(places))
    rows = pc.indices_nonzero(pc.is_valid(places))
    places = places.take(rows)
    differ = [
        pc.not_equal(
            filled_text(tracks[name].combine_chunks().take(rows)),
            filled_text(before.column(name).take(places)),
        )
        for name in tracks.column_names
    ]
    embedded = pc.index_in(ids.take(rows), value_set=pa.array(embeddings.track_ids, pa.large_string()))
    vectors = unit_length(embeddings.vectors[embedded.to_numpy(zero_copy_only=False)])
    moved = abs(index.vectors(places.to_numpy(zero_copy_only=False)) - vectors).max(axis=1, initial=0) > SAME
    updated = ids.take(rows).filter(reduce(pc.or_, differ, pa.array(moved)))
    return IndexDifference(added.to_pylist(), removed.to_pylist(), updated.to_pylist())
