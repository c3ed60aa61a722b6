"""Editing an index in place: tracks come, go and change, without building it again.

Every edit is a new version, whole or absent, that shares the base's files with the one before; readers keep
what they opened. It takes as long as what is new since the last compaction is large, whatever the base is.
`compact` puts all tracks into a new base: the index that `build_index` would make of them. A credit such as
`Drake, Rihanna`, which names two only if both are known, is read anew in older tracks then, not before.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.embedding.default_model import not_the_model
from soundkin.embedding.library import index_in
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.search.index_manifest import MILVUS, TRACKS, VECTORS, IndexManifest, read_manifest
from soundkin.search.index_status import compaction_due
from soundkin.search.joined_tracks import stacked
from soundkin.search.rebuilding import kind_to_build
from soundkin.search.recording_names import names_after, names_in, renamed, with_names
from soundkin.search.segments import read_segments
from soundkin.search.vector_index import Index, check_no_repeats, read_version, unit_vectors
from soundkin.search.vectors_file import ROWS_AT_ONCE
from soundkin.search.version_files import next_version, write_edited, write_version
from soundkin.search.versions import (
    check_files,
    current_version,
    make_snapshot,
    read_current,
    remove_snapshot,
    roll_back,
)
from soundkin.shapes import Float32

if TYPE_CHECKING:
    from soundkin.embedding.store import Embeddings


NO_TRACKS = pa.table({"track_id": pa.array([], pa.large_string())})


@dataclass(frozen=True)
class Edited:
    """What an edit did, in tracks; `count` are now in the index. `due`: why a compaction is, if it is.

    `updated` are also those whose copies came or left (`recording_names`).
    """

    added: int
    updated: int
    removed: int
    count: int
    due: str = ""


def add_tracks(
    index: Path,
    embeddings: "Embeddings",
    tracks: pa.Table,
    audio_folder: Path,
    recordings: Mapping[str, str] | None = None,
) -> Edited:
    """Add the tracks of `tracks` to an index or a library's index.

    `tracks` has the columns `track_id` and `path` and any others; `path` is relative to `audio_folder`. Each
    has a vector in `embeddings`, which may hold others. `recordings` says by track id, also of tracks that
    are there already, which are one recording; else `tracks` does, of themselves.

    Raises:
        UsageError: a track is there already.
        CatalogError: a track has no vector, or stands twice in the table.
        ArtefactError: the vectors are another model's, or not finite.
        OutputError: another run is writing the index, or the disk is full.
    """
    return edit_tracks(index, embeddings, tracks, audio_folder, recordings=recordings, may_replace=False)


def update_tracks(
    index: Path,
    embeddings: "Embeddings | None",
    tracks: pa.Table,
    audio_folder: Path,
    recordings: Mapping[str, str] | None = None,
) -> Edited:
    """Give tracks that are there the cells of `tracks`, and their vectors in `embeddings`.

    Those that `embeddings` do not hold keep their vectors. `recordings` is as in `add_tracks`. Raises as
    `add_tracks` does, and UsageError that names the nearest where a track is not there.
    """
    return edit_tracks(index, embeddings, tracks, audio_folder, recordings=recordings, may_add=False)


def remove_tracks(index: Path, track_ids: Collection[str]) -> Edited:
    """Take tracks out of an index or a library's index.

    Raises UsageError that names the nearest where a track is not there; then all stay.
    """
    return edit_tracks(index, remove=track_ids)


def edit_tracks(
    index: Path,
    embeddings: "Embeddings | None" = None,
    tracks: pa.Table | None = None,
    audio_folder: Path | None = None,
    remove: Collection[str] = (),
    *,
    recordings: Mapping[str, str] | None = None,
    may_add: bool = True,
    may_replace: bool = True,
) -> Edited:
    """Add or update `tracks`, and remove others, in one step: readers see all of it or nothing.

    Raises as `add_tracks`, `update_tracks` and `remove_tracks` do.
    """
    folder = index_in(index)
    put = NO_TRACKS if tracks is None else tracks
    if not len(put) and not remove:
        return Edited(0, 0, 0, read_current(folder, read_manifest).count)
    with editing(folder) as (earlier, version):
        ids, rows = _checked_ids(earlier, put, may_add, may_replace)
        removed = {earlier.row(track_id) for track_id in remove}
        replaced = {row for row in rows if row is not None}
        if removed & replaced:
            track_id = earlier.tracks.label(min(removed & replaced)).track_id
            raise UsageError(f"track {track_id} is to be removed and updated at once. Ask for one of them.")
        vectors = _vectors_of(earlier, embeddings, ids, rows)
        if audio_folder is not None:
            put = with_paths_of(earlier, Path(audio_folder), put)
        names = names_after(earlier.tracks, {**names_in(put), **(recordings or {})}, ids, remove)
        put, others = with_names(put, names), renamed(earlier.tracks, names, {*ids, *remove})
        if len(others):  # they keep all else
            check_files(folder / earlier.version, {TRACKS: earlier.manifest.files[TRACKS]})
            other_ids, other_rows = _checked_ids(earlier, others, may_add=False, may_replace=True)
            vectors = np.concatenate([vectors, _vectors_of(earlier, None, other_ids, other_rows)])
            put, replaced = stacked([put, others]), replaced | {row for row in other_rows if row is not None}
        gone = np.array(sorted(removed | replaced), dtype=np.int64)
        before = folder / earlier.version
        new = write_edited(version, before, earlier.manifest, earlier.segments, gone, vectors, put)
    count, stored = len(earlier) - len(gone) + len(put), len(earlier.segments[0].tracks)
    due = compaction_due(earlier.manifest.embedding_size, stored, new, stored + new - count)
    return Edited(len(put) - len(replaced), len(replaced), len(removed), count, due)


@contextmanager
def editing(folder: Path) -> Iterator[tuple[Index, Path]]:
    """The current version, opened, and the folder of the next one to be filled; other writers are kept out.

    The base's large files are believed to be as they were written: checking them would take longer than the
    edit. Whoever opens the edited index checks them.
    """
    current_version(folder)  # there has to be one: no edit begins an index
    with next_version(folder) as version:
        earlier = current_version(folder)
        manifest = read_manifest(earlier)
        check_files(earlier, manifest.edited_files)
        no_lists = {} if manifest.kind == MILVUS else {"kind": "exact"}
        as_exact = manifest.model_copy(update=no_lists)  # so that no lists are read
        yield Index(folder, earlier.name, manifest, read_segments(earlier, as_exact)), version


def compact(index: Path) -> IndexManifest | None:
    """Put all tracks into a new base; the index is as if built of them now. None where it was not edited.

    The kind is chosen anew, unless somebody chose it. Raises ArtefactError where the index is corrupt.
    """
    folder = index_in(index)
    if not read_current(folder, read_manifest).edited_files:
        return None
    with next_version(folder) as version:
        earlier = read_version(folder, current_version(folder))
        batch = earlier.tracks.batch
        order = pc.sort_indices(batch.column("track_id"))
        parts = np.array_split(order.to_numpy(), len(order) // ROWS_AT_ONCE + 1)
        vectors = map(earlier.vectors, parts)
        manifest = earlier.manifest
        provenance = manifest.model_dump(include={"model_hash", "model_path", "audio_folder"})
        table = pa.table(batch.select(earlier.tracks.columns).take(order))
        kind = kind_to_build(manifest, len(order))
        uri = earlier.kind.uri
        return write_version(version, vectors, manifest.embedding_size, table, kind, uri, **provenance)


def snapshot(index: Path, name: str) -> str:
    """Keep the index as it is now, by a name; returns its version, such as `v7`.

    It shares unchanged files with later versions. Raises UsageError for a name that is taken or is none.
    """
    return make_snapshot(index_in(index), name).name


def forget_snapshot(index: Path, name: str) -> str:
    """Let go of a snapshot; returns its version. Raises UsageError where there is none such."""
    return remove_snapshot(index_in(index), name).name


def rollback(index: Path, name: str | None = None) -> Index:
    """Make a snapshot the current version again; without a name, the version before the last edit.

    Raises UsageError where there is none such, ArtefactError where it is corrupt; then all stays.
    """
    folder = index_in(index)
    return read_version(folder, roll_back(folder, name, lambda version: read_version(folder, version)))


def _checked_ids(
    index: Index, tracks: pa.Table, may_add: bool, may_replace: bool
) -> tuple[list[str], list[int | None]]:
    """The ids of `tracks`, and their rows in the index."""
    ids = tracks["track_id"].cast(pa.large_string()).to_pylist()
    repeated = [track_id for track_id, count in Counter(ids).items() if count > 1]
    if repeated:
        raise CatalogError(f"track {repeated[0]} stands twice among those to add or update.")
    rows = [index.tracks.row(track_id) if may_add else index.row(track_id) for track_id in ids]
    there = [track_id for track_id, row in zip(ids, rows, strict=True) if row is not None]
    if there and not may_replace:
        raise UsageError(
            f"track {there[0]} is in index {index.folder} already ({len(there)} such tracks). "
            "Update it: soundkin index update"
        )
    return ids, rows


def _vectors_of(
    index: Index, embeddings: "Embeddings | None", ids: list[str], rows: list[int | None]
) -> Float32[np.ndarray, "tracks embedding"]:
    """The unit vectors of tracks: the embeddings' or, where they have none, the index's."""
    vectors = np.empty((len(ids), index.manifest.embedding_size), np.float32)
    embedded: dict[str, int] = {}
    if embeddings is not None:
        check_embeddings(index, embeddings)
        embedded = {track_id: row for row, track_id in enumerate(embeddings.track_ids)}
    new = np.array([track_id in embedded for track_id in ids], dtype=bool)
    missing = [
        track_id for track_id, row in zip(ids, rows, strict=True) if row is None and track_id not in embedded
    ]
    if missing:
        raise CatalogError(f"track {missing[0]} has no vector ({len(missing)} such tracks). Embed it first.")
    if embeddings is not None:
        vectors[new] = unit_vectors(
            embeddings, np.array([embedded[ids[n]] for n in np.flatnonzero(new)], dtype=int)
        )
    if not new.all():  # what is copied is checked first
        if VECTORS in index.manifest.files:
            check_files(index.folder / index.version, {VECTORS: index.manifest.files[VECTORS]})
        vectors[~new] = index.vectors(np.array([rows[n] for n in np.flatnonzero(~new)], dtype=int))
    return vectors


def check_embeddings(index: Index, embeddings: "Embeddings") -> None:
    """Raise ArtefactError unless the embeddings are of the index's model, with one vector a track."""
    if embeddings.model_hash != index.manifest.model_hash:
        made, wanted = f"index {index.folder}", index.manifest.model_hash
        problem = not_the_model(made, wanted, embeddings.model_path, embeddings.model_hash)
        raise ArtefactError(f"{problem}. Embed with the index's model, or build the index again.")
    given, size = embeddings.vectors.shape[1], index.manifest.embedding_size
    if given != size:
        raise ArtefactError(
            f"index {index.folder} holds vectors of {size} numbers and the embeddings of {given}, though "
            "both name one model. Run soundkin embed again."
        )
    check_no_repeats(embeddings)


def with_paths_of(index: Index, audio_folder: Path, tracks: pa.Table) -> pa.Table:
    """The tracks with their paths as the index has them: from its own audio folder, absolute outside it."""
    folder, prefix = audio_folder.resolve(), f"{index.audio_folder}/"
    if folder == index.audio_folder:
        return tracks
    paths = [os.path.normpath(folder / path) for path in tracks["path"].to_pylist()]
    column = pa.array([path.removeprefix(prefix) for path in paths], pa.large_string())
    return tracks.set_column(tracks.column_names.index("path"), "path", column)
