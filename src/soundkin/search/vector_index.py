"""The index: unit vectors, a kind of search over them, and the catalog's columns, in a versioned folder.

    vN/vectors.faiss   unit vectors [tracks, embedding], mapped into memory
    vN/lists.faiss     with kind=ivf
    vN/tracks.arrow    the catalog's columns but for lyrics, and keys of the artists (catalog/artists.py)
    vN/manifest.json   what it is, and the SHA-256 of the others

Rows are in order of track_id, so the same embeddings give the same index in whatever order they come. The
similarity of two tracks is the cosine of their vectors. Opening checks every checksum (0.4 s for a million
tracks); FAISS itself would search a corrupt file and say nothing. Open once to ask often.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.config import Config, nearest, validate
from soundkin.embedding.default_model import found_model, stored_model
from soundkin.errors import ArtefactError, CatalogError, ConfigError, OutputError, UsageError
from soundkin.files import path_from, read_versioned_json, write_json
from soundkin.search.kinds import KINDS, Exact, array_of, build_kind
from soundkin.search.tracks import Tracks, write_tracks
from soundkin.search.versions import MANIFEST, check_files, checksums, current_version, new_version
from soundkin.shapes import Bool, Float32, Int, typechecked
from soundkin.statistics.scaling import unit_length

if TYPE_CHECKING:  # a query does without the Parquet reader
    from soundkin.embedding.store import Embeddings

FORMAT = "soundkin index"
FORMAT_VERSION = 1

VECTORS = "vectors.faiss"
TRACKS = "tracks.arrow"
ROWS_AT_ONCE = 65_536


class IndexManifest(Config):
    """What the index is. Paths are relative to the index folder where they can be."""

    model_hash: str
    model_path: str
    audio_folder: str
    count: int
    embedding_size: int
    metric: Literal["cosine"] = "cosine"
    kind: str
    reason: str
    settings: dict[str, Any]
    faiss_version: str
    files: dict[str, str]


class Index:
    """An opened index; use `open_index`. Rows are positions in order of track_id."""

    def __init__(
        self, folder: Path, manifest: IndexManifest, vectors: faiss.IndexFlatIP, kind: Exact, tracks: Tracks
    ) -> None:
        self.folder = folder
        self.manifest = manifest
        self.tracks = tracks
        self.kind = kind
        self.model_path = found_model(manifest.model_path, folder)  # where the bundle was when embedding
        self.audio_folder = (
            folder / manifest.audio_folder
        ).resolve()  # what the tracks' paths are relative to
        self._audio_prefix = f"{self.audio_folder}/"
        self._vectors = vectors  # keeps the memory of `_array`
        self._array = array_of(vectors)

    def __len__(self) -> int:
        return self.manifest.count

    def audio_path(self, path: str) -> str:
        """The absolute path at which the audio of a track with this `path` should be."""
        return path if path.startswith("/") else self._audio_prefix + path

    def row_of_file(self, path: Path) -> int | None:
        """The track whose audio is this file, or None."""
        absolute = str(path.resolve())
        row = None
        if absolute.startswith(self._audio_prefix):
            row = self.tracks.row_of_path(absolute.removeprefix(self._audio_prefix))
        return self.tracks.row_of_path(absolute) if row is None else row

    def row(self, track_id: str) -> int:
        """Where a track is; raises UsageError that names similar ones if there is none."""
        row = self.tracks.row(track_id)
        if row is None:
            similar = " or ".join(self.tracks.similar_ids(track_id))
            looks = f"Ids look like {self.tracks.label(0).track_id}."
            hint = f"Did you mean {similar}?" if similar else looks
            raise UsageError(f"{track_id} is neither a file nor a track_id in index {self.folder}. {hint}")
        return row

    def vector(self, row: int) -> Float32[np.ndarray, " embedding"]:
        """The unit vector of the track in `row`."""
        return np.array(self._array[row])

    def vectors(self, rows: Int[np.ndarray, " rows"]) -> Float32[np.ndarray, "rows embedding"]:
        """The unit vectors of several tracks."""
        return np.asarray(self._array[rows])

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
        selector = None
        if allowed is not None:
            bits = np.packbits(allowed, bitorder="little")
            selector = faiss.IDSelectorBitmap(bits)
        return self.kind.search(unit_length(queries), min(k, len(self)), selector)


def build_index(
    embeddings: "Embeddings", tracks: pa.Table, audio_folder: Path, folder: Path, kind: str = "auto"
) -> IndexManifest:
    """Build an index of all embedded tracks as the new version of `folder`.

    `tracks` has the columns `track_id` and `path` and any others; its paths are relative to `audio_folder`.
    """
    if kind not in {"auto", *KINDS}:
        raise UsageError(f"kind={kind} is unknown.{nearest(kind, ['auto', *KINDS])}")
    order = _order(embeddings)
    sorted_tracks = _aligned(tracks, pa.array(embeddings.track_ids, pa.large_string()).take(order))
    vectors = _unit_vectors(embeddings, order.to_numpy())
    built, reason = build_kind(kind, vectors)
    folder = Path(folder)
    with new_version(folder) as version:
        try:
            faiss.write_index(vectors, str(version / VECTORS))
            built.write(version)
            write_tracks(sorted_tracks, version / TRACKS)
        except RuntimeError as error:  # as FAISS calls a full disk
            raise OutputError(f"cannot write {version}: {error}. Is the disk full?") from error
        manifest = IndexManifest(
            model_hash=embeddings.model_hash,
            model_path=stored_model(embeddings.model_path, folder),
            audio_folder=path_from(folder, audio_folder),
            count=vectors.ntotal,
            embedding_size=vectors.d,
            kind=built.name,
            reason=reason,
            settings=built.settings,
            faiss_version=faiss.__version__,
            files=checksums(version, [VECTORS, TRACKS, *built.files]),
        )
        described = {"format": FORMAT, "format_version": FORMAT_VERSION, **manifest.model_dump(mode="json")}
        write_json(version / MANIFEST, described)
    return manifest


def open_index(folder: Path) -> Index:
    """Open the current version and check all of it.

    Raises:
        UsageError: there is no index in `folder`.
        ArtefactError: a file is missing, corrupt, or of another version.
    """
    folder = Path(folder)
    version = current_version(folder)
    path = version / MANIFEST
    values = read_versioned_json(path, FORMAT, FORMAT_VERSION)
    del values["format"], values["format_version"]
    try:
        manifest = validate(IndexManifest, values)
    except ConfigError as error:
        raise ArtefactError(f"{path} is corrupt: {error} Build the index again.") from error
    check_files(version, manifest.files)
    try:
        vectors = faiss.read_index(str(version / VECTORS), faiss.IO_FLAG_MMAP_IFC)
        kind = KINDS[manifest.kind].read(version, vectors, manifest.settings)
    except (RuntimeError, KeyError) as error:
        raise ArtefactError(
            f"{version} was written with FAISS {manifest.faiss_version} and cannot be read with "
            f"{faiss.__version__} ({error}). Build the index again."
        ) from error
    return Index(folder, manifest, vectors, kind, Tracks(version / TRACKS))


def _order(embeddings: "Embeddings") -> pa.Array:
    """The rows of `embeddings` in order of track_id."""
    if not embeddings.track_ids:
        raise UsageError("the embeddings hold no track, so there is nothing to index. Embed a catalog first.")
    ids = pa.array(embeddings.track_ids, pa.large_string())
    order = pc.sort_indices(ids)
    ordered = ids.take(order)
    repeated = ordered[1:].filter(pc.equal(ordered[1:], ordered[:-1]))
    if len(repeated):
        raise ArtefactError(f"the embeddings hold track {repeated[0]} twice. Run soundkin embed again.")
    return order


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


def _unit_vectors(embeddings: "Embeddings", order: Int[np.ndarray, " tracks"]) -> faiss.IndexFlatIP:
    vectors = faiss.IndexFlatIP(embeddings.vectors.shape[1])
    for start in range(0, len(order), ROWS_AT_ONCE):
        rows = order[start : start + ROWS_AT_ONCE]
        block = embeddings.vectors[rows]
        odd = np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(odd):
            track_id = embeddings.track_ids[rows[odd[0]]]
            raise ArtefactError(f"the vector of track {track_id} is not finite. Run soundkin embed again.")
        vectors.add(unit_length(block))
    return vectors
