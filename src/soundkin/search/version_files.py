"""Writing a version of an index: whole, or as an edit of the one before, with which it shares the base."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from soundkin.errors import OutputError
from soundkin.search.exact_kind import Exact, Vectors
from soundkin.search.index_manifest import COLLECTIONS, VECTORS, IndexManifest, write_manifest
from soundkin.search.joined_tracks import stacked
from soundkin.search.kinds import build_kind
from soundkin.search.segments import Segment, write_base, write_edits
from soundkin.search.vectors_file import map_vectors, write_vectors
from soundkin.search.versions import checksums, new_version
from soundkin.shapes import Float32, Int


@contextmanager
def next_version(folder: Path) -> Iterator[Path]:
    """As `new_version`; collections in Milvus that no version names any more are dropped afterwards."""
    try:
        with new_version(folder) as version:
            yield version
    finally:
        if (folder / COLLECTIONS).exists():
            from soundkin.search.milvus_kind import drop_unnamed

            drop_unnamed(folder)


def write_version(
    version: Path,
    blocks: Iterable[Vectors],
    embedding_size: int,
    tracks: pa.Table,
    kind: str,
    uri: str = "",
    **provenance: str,
) -> IndexManifest:
    """Write all of a version that holds no edits; `provenance` are further fields of its manifest.

    `blocks` are the unit vectors in the order of `tracks`. A block of them is in memory, and what the kind
    learns; the rest is on disk, or in the Milvus at `uri`.
    """
    built: Exact
    if uri:
        from soundkin.search.milvus_kind import build_milvus

        model_hash = provenance["model_hash"]
        built, reason = build_milvus(version, uri, kind, blocks, embedding_size, tracks, model_hash)
    else:
        write_vectors(version / VECTORS, blocks, embedding_size)
        built, reason = build_kind(kind, map_vectors(version / VECTORS))
    with explaining_faiss(version):
        names = write_base(version, built, tracks)
    manifest = IndexManifest(
        **provenance,
        count=len(tracks),
        embedding_size=embedding_size,
        kind=built.name,
        reason=reason,
        settings=built.settings,
        faiss_version=faiss.__version__,
        files=checksums(version, names),
    )
    write_manifest(version, manifest)
    return manifest


@contextmanager
def explaining_faiss(version: Path) -> Iterator[None]:
    """Turn what FAISS raises where it cannot write into an `OutputError`."""
    try:
        yield
    except RuntimeError as error:
        raise OutputError(f"cannot write {version}: {error}. Is the disk full?") from error


def write_edited(
    version: Path,
    earlier: Path,
    manifest: IndexManifest,
    segments: Sequence[Segment],
    gone: Int[np.ndarray, " gone"],
    vectors: Float32[np.ndarray, "put embedding"],
    put: pa.Table,
) -> int:
    """Write `earlier` without its rows `gone` and with the tracks `put`. Returns the number new to the base.

    `manifest` and `segments` are those of the earlier one; `vectors` are unit vectors in the order of `put`.
    """
    base, *new = segments
    removed = base.positions(gone[gone < len(base)])
    if base.kept is not None:
        removed = np.concatenate([removed, np.flatnonzero(~base.kept.mask)])
    if new:
        stays = np.ones(len(new[0]), dtype=bool)
        stays[gone[gone >= len(base)] - len(base)] = False
        vectors = np.concatenate([new[0].array[stays], vectors])
        put = stacked([new[0].tracks.batch.filter(pa.array(stays)), put])
    order = pc.sort_indices(put["track_id"]).to_numpy()
    with explaining_faiss(version):
        names = write_edits(
            version,
            base.kind,
            np.sort(removed),
            vectors[order],
            put.take(order),
            _artists_in(base),
            manifest.model_hash,
        )
    for name in manifest.base_files:
        _share(earlier / name, version / name)
    count = len(base.tracks) - len(removed) + len(put)
    files = manifest.base_files | checksums(version, names)
    write_manifest(version, manifest.model_copy(update={"count": count, "files": files}))
    return len(put)


def _share(file: Path, link: Path) -> None:
    """The same file under another name; a copy where the file system knows no links."""
    try:
        os.link(file, link)
    except OSError:
        shutil.copyfile(file, link)


def _artists_in(segment: Segment) -> set[str]:
    keys = segment.tracks.artist_keys.unique().to_pylist()
    return {key for cell in keys for key in cell.split(";") if key}
