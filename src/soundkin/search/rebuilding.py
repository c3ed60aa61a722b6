"""Building an index anew where one is: with the kind and the engine that somebody chose for it."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from soundkin.embedding.library import index_in
from soundkin.errors import ArtefactError, UsageError
from soundkin.search.index_manifest import COLLECTION, MILVUS, IndexManifest, read_manifest
from soundkin.search.kinds import ASKED, KINDS
from soundkin.search.vector_index import build_index
from soundkin.search.versions import read_current

if TYPE_CHECKING:
    from soundkin.embedding.store import Embeddings


def rebuild_index(
    embeddings: "Embeddings", tracks: pa.Table, audio_folder: Path, index: Path
) -> IndexManifest:
    """As `build_index`; an index that is there already keeps its Milvus, and a kind that was asked for.

    One whose manifest cannot be read counts as none.
    """
    folder, kind, uri = index_in(index), "auto", ""
    with suppress(UsageError, ArtefactError):
        kind, uri = read_current(folder, lambda version: built_with(version, len(tracks)))
    return build_index(embeddings, tracks, audio_folder, folder, kind, uri)


def built_with(version: Path, count: int) -> tuple[str, str]:
    """The kind to build anew, of `count` tracks, and the URI of the Milvus of a version, empty for FAISS."""
    manifest = read_manifest(version)
    if manifest.kind != MILVUS:
        return kind_to_build(manifest, count), ""
    from soundkin.search.milvus_kind import read_collection

    return kind_to_build(manifest, count), read_collection(version / COLLECTION)["uri"]


def kind_to_build(manifest: IndexManifest, count: int) -> str:
    """The kind that somebody chose, if it can hold `count` tracks."""
    if manifest.kind == MILVUS:
        return str(manifest.settings["kind"])
    chosen = manifest.reason.startswith(ASKED) and count >= KINDS[manifest.kind].least_tracks
    return manifest.kind if chosen else "auto"
