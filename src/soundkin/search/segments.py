"""Segments of an index: vectors that are never changed once written, searched by one kind.

The base holds what was there when the index was built or compacted, in order of track_id; a second one, small
and searched exactly, what is new. Rows of the base that were removed or replaced are skipped by all searches.
"""

from collections.abc import Collection
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa

from soundkin.errors import ArtefactError
from soundkin.search.exact_kind import Exact, Mask, Rows, Scores, Vectors
from soundkin.search.index_manifest import (
    COLLECTION,
    MILVUS,
    NEW_COLLECTION,
    NEW_TRACKS,
    NEW_VECTORS,
    REMOVED,
    TRACKS,
    VECTORS,
    IndexManifest,
)
from soundkin.search.kinds import KINDS
from soundkin.search.tracks import Tracks, write_tracks
from soundkin.search.vectors_file import map_vectors, write_vectors
from soundkin.shapes import Int


class Kept:
    """Which positions of a segment are rows of the index: those that are not removed, in their order."""

    def __init__(self, count: int, removed: Int[np.ndarray, " removed"]) -> None:
        self.mask = np.ones(count, dtype=bool)
        self.mask[removed] = False
        self.positions = np.flatnonzero(self.mask)
        self.rows = np.full(count + 1, -1)  # of the position -1 too, which is none
        self.rows[self.positions] = np.arange(len(self.positions))


class Segment:
    """Vectors, a kind of search over them, and their tracks. Rows are those of the tracks that are `kept`."""

    def __init__(self, kind: Exact, tracks: Tracks, removed: Int[np.ndarray, " removed"] | None = None):
        self.kind = kind
        self.tracks = tracks
        self.kept = None if removed is None else Kept(len(tracks), removed)
        self.array = kind.array  # [stored, embedding]

    def __len__(self) -> int:
        return len(self.tracks) if self.kept is None else len(self.kept.positions)

    def position(self, row: int) -> int:
        """Where in the files a row is."""
        return row if self.kept is None else int(self.kept.positions[row])

    def positions(self, rows: Int[np.ndarray, " rows"]) -> Int[np.ndarray, " rows"]:
        """Where in the files rows are."""
        return rows if self.kept is None else self.kept.positions[rows]

    def row(self, track_id: str) -> int | None:
        """The row of a track, or None if it is not here."""
        position = self.tracks.row(track_id)
        row = position if position is None or self.kept is None else int(self.kept.rows[position])
        return None if row == -1 else row

    def search(self, queries: Vectors, k: int, allowed: Mask | None = None) -> tuple[Scores, Rows]:
        """The nearest `k` of the allowed rows, best first; row -1 where there are fewer."""
        if self.kept is None:
            return self.kind.search(queries, k, allowed)
        mask = self.kept.mask
        if allowed is not None:
            mask = mask.copy()
            mask[mask] = allowed
        scores, positions = self.kind.search(queries, k, mask)
        return scores, self.kept.rows[positions]


def write_base(version: Path, kind: Exact, tracks: pa.Table) -> list[str]:
    """Write a base segment beside its vectors; `tracks` in their order. Returns the names of its files."""
    kind.write(version)
    write_tracks(tracks, version / TRACKS)
    return [COLLECTION if kind.name == MILVUS else VECTORS, TRACKS, *kind.files]


def write_edits(
    version: Path,
    base: Exact,
    removed: Int[np.ndarray, " removed"],
    vectors: Vectors,
    tracks: pa.Table,
    artists_elsewhere: Collection[str],
    model_hash: str,
) -> list[str]:
    """Write what differs from the base: unit `vectors` and `tracks` in one order. Returns names of files."""
    names = []
    if len(removed):
        np.save(version / REMOVED, removed)
        names += [REMOVED]
    if len(tracks):
        if base.name == MILVUS:
            from soundkin.search.milvus_kind import write_new_collection

            write_new_collection(version, base.uri, vectors, tracks, model_hash)
        else:
            write_vectors(version / NEW_VECTORS, [vectors], vectors.shape[1])
        write_tracks(tracks, version / NEW_TRACKS, artists_elsewhere)
        names += [NEW_COLLECTION if base.name == MILVUS else NEW_VECTORS, NEW_TRACKS]
    return names


def read_segments(version: Path, manifest: IndexManifest, base: Segment | None = None) -> list[Segment]:
    """The base, and what is new, if anything is. Vectors are mapped into memory: nothing may be added.

    `base` is one that was read already, of the same files.
    """
    new = []
    try:
        if base is None:
            tracks = Tracks(version / TRACKS)
            base = Segment(_read_kind(version, manifest, len(tracks)), tracks)
        if NEW_TRACKS in manifest.files:
            tracks = Tracks(version / NEW_TRACKS)
            new = [Segment(_read_kind(version, manifest, len(tracks), is_new=True), tracks)]
    except (RuntimeError, KeyError) as error:
        raise ArtefactError(
            f"{version} was written with FAISS {manifest.faiss_version} and cannot be read with "
            f"{faiss.__version__} ({error}). Build the index again."
        ) from error
    removed = np.load(version / REMOVED, allow_pickle=False) if REMOVED in manifest.files else None
    return [Segment(base.kind, base.tracks, removed), *new]


def _read_kind(version: Path, manifest: IndexManifest, count: int, is_new: bool = False) -> Exact:
    """The search over the base, or over what is new, of `count` tracks."""
    if manifest.kind == MILVUS:
        from soundkin.search.milvus_kind import Milvus

        return Milvus.open(version / (NEW_COLLECTION if is_new else COLLECTION), count, manifest)
    if is_new:
        return Exact(map_vectors(version / NEW_VECTORS))
    return KINDS[manifest.kind].read(version, map_vectors(version / VECTORS), manifest.settings)
