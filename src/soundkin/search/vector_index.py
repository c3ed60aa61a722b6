"""The index: unit vectors, a kind of search over them, and the catalog's columns, in a folder of versions.

A new index has its rows in order of track_id, so the same embeddings give the same index in whatever order
they come; an edited one (`edits`) has the rows that were kept, and then the new ones. The similarity of two
tracks is the cosine of their vectors. Opening checks every checksum (0.4 s for a million tracks); FAISS
itself would search a corrupt file and say nothing. Open once to ask often.
"""

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.config import nearest
from soundkin.embedding.default_model import found_model, stored_model
from soundkin.embedding.library import index_in
from soundkin.errors import ArtefactError, CatalogError, UsageError
from soundkin.files import path_from
from soundkin.search.exact_kind import Rows, Scores, reordered
from soundkin.search.index_manifest import IndexManifest, read_manifest
from soundkin.search.joined_tracks import JoinedTracks
from soundkin.search.kinds import KINDS
from soundkin.search.segments import Segment, read_segments
from soundkin.search.vectors_file import ROWS_AT_ONCE
from soundkin.search.version_files import next_version, write_version
from soundkin.search.versions import check_files, read_current
from soundkin.shapes import Bool, Float32, Int, typechecked
from soundkin.statistics.scaling import unit_length

if TYPE_CHECKING:  # a query does without the Parquet reader
    from soundkin.embedding.store import Embeddings


class Index:
    """An opened index; use `open_index`. Rows are positions from 0; of removed tracks there are none."""

    def __init__(self, folder: Path, version: str, manifest: IndexManifest, segments: list[Segment]) -> None:
        self.folder = folder
        self.version = version  # such as v7
        self.manifest = manifest
        self.segments = segments
        self.tracks = JoinedTracks(segments) if manifest.edited_files else segments[0].tracks
        self.kind = segments[0].kind
        self.model_path = found_model(manifest.model_path, folder)  # where the bundle was when embedding
        self.audio_folder = (
            folder / manifest.audio_folder
        ).resolve()  # what the tracks' paths are relative to
        self._audio_prefix = f"{self.audio_folder}/"

    def __len__(self) -> int:
        return len(self.tracks)

    def newest(self) -> "Index":
        """The current version, which may be this one; what they share is not read again.

        Raises as `open_index` does.
        """
        return read_current(self.folder, lambda version: read_version(self.folder, version, self))

    def audio_path(self, path: str) -> str:
        """The absolute path at which the audio of a track with this `path` should be."""
        return path if path.startswith("/") else self._audio_prefix + path

    def row_of_file(self, path: Path) -> int | None:
        """The track whose audio is this file, or None."""
        places = (path.resolve(), path.absolute())  # the second where a link leads to it
        try:
            texts = [os.fsencode(place).decode() for place in places]
        except UnicodeDecodeError:  # catalogs hold UTF-8 alone
            return None
        names = [name for text in texts for name in (text.removeprefix(self._audio_prefix), text)]
        rows = map(self.tracks.row_of_path, dict.fromkeys(names))
        return next((row for row in rows if row is not None), None)

    def row(self, track_id: str) -> int:
        """Where a track is; raises UsageError that names similar ones if there is none."""
        row = self.tracks.row(track_id)
        if row is None:
            similar = " or ".join(self.tracks.similar_ids(track_id))
            looks = f"Ids look like {self.tracks.label(0).track_id}." if len(self) else "It is empty."
            hint = f"Did you mean {similar}?" if similar else looks
            raise UsageError(f"{track_id} is neither a file nor a track_id in index {self.folder}. {hint}")
        return row

    def vector(self, row: int) -> Float32[np.ndarray, " embedding"]:
        """The unit vector of the track in `row`."""
        for segment in self.segments:
            if row < len(segment):
                return np.array(segment.array[segment.position(row)])
            row -= len(segment)
        raise IndexError(row)

    def vectors(self, rows: Int[np.ndarray, " rows"]) -> Float32[np.ndarray, "rows embedding"]:
        """The unit vectors of several tracks."""
        if len(self.segments) == 1:
            return np.asarray(self.segments[0].array[self.segments[0].positions(rows)])
        found = np.empty((len(rows), self.manifest.embedding_size), np.float32)
        start = 0
        for segment in self.segments:
            here = (start <= rows) & (rows < start + len(segment))
            found[here] = segment.array[segment.positions(rows[here] - start)]
            start += len(segment)
        return found

    @typechecked
    def search(
        self,
        queries: Float32[np.ndarray, "queries embedding"],
        k: int,
        allowed: Bool[np.ndarray, " tracks"] | None = None,
    ) -> tuple[Float32[np.ndarray, "queries neighbours"], Int[np.ndarray, "queries neighbours"]]:
        """The `k` allowed tracks nearest to each query: (cosines, rows), best first; row -1 where fewer."""
        if queries.shape[1] != self.manifest.embedding_size:
            raise ArtefactError(
                f"index {self.folder} holds vectors of {self.manifest.embedding_size} numbers and the query "
                f"has {queries.shape[1]}: they come from different models. Use that of the index: "
                f"{self.model_path}"
            )
        queries, start, found = unit_length(queries), 0, []
        for segment in filter(len, self.segments):
            end = start + len(segment)
            admitted = None if allowed is None else allowed[start:end]
            scores, rows = segment.search(queries, min(k, len(segment)), admitted)
            found.append((scores, np.where(rows < 0, -1, rows + start) if start else rows))
            start = end
        return found[0] if len(found) == 1 else _best(found, min(k, len(self)), len(queries))


def build_index(
    embeddings: "Embeddings",
    tracks: pa.Table,
    audio_folder: Path,
    folder: Path,
    kind: str = "auto",
    uri: str = "",
) -> IndexManifest:
    """Build an index of all embedded tracks as the new version of `folder`.

    `tracks` has the columns `track_id` and `path` and any others; its paths are relative to `audio_folder`.
    With the `uri` of a Milvus, the vectors are put there.
    """
    if not uri and kind not in {"auto", *KINDS}:
        raise UsageError(f"kind={kind} is unknown.{nearest(kind, ['auto', *KINDS])}")
    order = _order(embeddings)
    sorted_tracks = _aligned(tracks, pa.array(embeddings.track_ids, pa.large_string()).take(order))
    parts = np.array_split(order.to_numpy(), len(order) // ROWS_AT_ONCE + 1)
    vectors = (unit_vectors(embeddings, rows) for rows in parts)
    folder = Path(folder)
    with next_version(folder) as version:
        return write_version(
            version,
            vectors,
            embeddings.vectors.shape[1],
            sorted_tracks,
            kind,
            uri,
            model_hash=embeddings.model_hash,
            model_path=stored_model(embeddings.model_path, folder),
            audio_folder=path_from(folder, audio_folder),
        )


def open_index(folder: Path) -> Index:
    """Open the current version of an index, or of a library's index, and check all of it.

    Raises:
        UsageError: there is no index in `folder`.
        ArtefactError: a file is missing, corrupt, or of another version.
    """
    folder = index_in(folder)
    return read_current(folder, lambda version: read_version(folder, version))


def read_version(folder: Path, version: Path, known: Index | None = None) -> Index:
    """Open one version of the index in `folder`; files that the index `known` has read are not read again."""
    manifest = read_manifest(version)
    if known is not None and (known.version, known.manifest) == (version.name, manifest):
        return known
    base = None
    if known is not None and known.manifest.base_files == manifest.base_files:
        base = known.segments[0]
    check_files(version, manifest.files if base is None else manifest.edited_files)
    return Index(folder, version.name, manifest, read_segments(version, manifest, base))


def _best(found: list[tuple[Scores, Rows]], k: int, queries: int) -> tuple[Scores, Rows]:
    """The best `k` of what each segment found."""
    if not found:
        return np.empty((queries, 0), np.float32), np.empty((queries, 0), np.int64)
    scores, rows = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
    # What FAISS gives as the score of row -1 is below all cosines.
    return reordered(scores, rows, np.argsort(-scores, axis=1, kind="stable")[:, :k])


def _order(embeddings: "Embeddings") -> pa.Array:
    """The rows of `embeddings` in order of track_id."""
    if not embeddings.track_ids:
        raise UsageError("the embeddings hold no track, so there is nothing to index. Embed a catalog first.")
    check_no_repeats(embeddings)
    return pc.sort_indices(pa.array(embeddings.track_ids, pa.large_string()))


def check_no_repeats(embeddings: "Embeddings") -> None:
    """Raise ArtefactError where the embeddings hold a track twice."""
    if len(set(embeddings.track_ids)) < len(embeddings.track_ids):
        [(repeated, _)] = Counter(embeddings.track_ids).most_common(1)
        raise ArtefactError(f"the embeddings hold track {repeated} twice. Run soundkin embed again.")


def _aligned(tracks: pa.Table, track_ids: pa.Array) -> pa.Table:
    """The rows of `tracks` in the order of `track_ids`."""
    rows = pc.index_in(track_ids, value_set=tracks["track_id"].cast(pa.large_string()))
    if rows.null_count:
        missing = track_ids.filter(pc.is_null(rows))
        raise CatalogError(
            f"track {missing[0]} is embedded but not in the catalog ({len(missing)} such tracks). "
            "Embed the catalog again, or name the one that the embeddings were made from."
        )
    return tracks.take(rows)


def unit_vectors(
    embeddings: "Embeddings", rows: Int[np.ndarray, " rows"]
) -> Float32[np.ndarray, "rows embedding"]:
    """Some rows of the embeddings at length one; raises ArtefactError where one is not finite."""
    block = embeddings.vectors[rows]
    odd = np.flatnonzero(~np.isfinite(block).all(axis=1))
    if len(odd):
        track_id = embeddings.track_ids[rows[odd[0]]]
        raise ArtefactError(f"the vector of track {track_id} is not finite. Run soundkin embed again.")
    return unit_length(block)
