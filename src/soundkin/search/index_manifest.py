"""The files of one version of an index, and the manifest that says what it is.

    vectors.faiss           the base: unit vectors [tracks, embedding] of all tracks when it was built
    lists.faiss             with kind=ivf and kind=ivfpq
    tracks.arrow            the catalog's columns but for lyrics, and keys of the artists (catalog/artists.py)
    removed.npy             positions in the base that are no more: removed, or replaced below; in order
    new-vectors.faiss       new tracks: added or replaced since
    new-tracks.arrow
    collection.json         with kind=milvus, in place of vectors.faiss: where in Milvus the vectors are
    new-collection.json     the same, of new-vectors.faiss
    manifest.json           what it is, and the SHA-256 of the others

Those from removed.npy on, but for collection.json, are there only where the index was edited.
"""

from pathlib import Path
from typing import Any, Literal

from soundkin.config import Config, validate
from soundkin.errors import ArtefactError, ConfigError
from soundkin.files import read_versioned_json, write_json
from soundkin.search.versions import MANIFEST

FORMAT = "soundkin index"
FORMAT_VERSION, OLDEST_READ = 2, 1  # 1 knows no edits, and is what an index without any is written as

VECTORS, TRACKS = "vectors.faiss", "tracks.arrow"
NEW_VECTORS, NEW_TRACKS, REMOVED = "new-vectors.faiss", "new-tracks.arrow", "removed.npy"
COLLECTION, NEW_COLLECTION = "collection.json", "new-collection.json"
EDITED_FILES = (REMOVED, NEW_VECTORS, NEW_COLLECTION, NEW_TRACKS)

MILVUS = "milvus"  # the kind whose vectors are there
COLLECTIONS = ".collections"  # in the index folder: those in Milvus that may be its own


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

    @property
    def base_files(self) -> dict[str, str]:
        """The files that stay as they are until a compaction."""
        return {name: sha256 for name, sha256 in self.files.items() if name not in EDITED_FILES}

    @property
    def edited_files(self) -> dict[str, str]:
        """The files that every edit writes anew; none where the base is as it was built."""
        return {name: sha256 for name, sha256 in self.files.items() if name in EDITED_FILES}


def read_manifest(version: Path) -> IndexManifest:
    """What a version of an index is; its other files are not looked at."""
    path = version / MANIFEST
    values = read_versioned_json(path, FORMAT, FORMAT_VERSION, OLDEST_READ)
    del values["format"], values["format_version"]
    try:
        return validate(IndexManifest, values)
    except ConfigError as error:
        raise ArtefactError(f"{path} is corrupt: {error} Build the index again.") from error


def write_manifest(version: Path, manifest: IndexManifest) -> None:
    """The last file of a version. Without edits it is as it was before there were any, for old readers."""
    number = FORMAT_VERSION if manifest.edited_files else OLDEST_READ
    described = {"format": FORMAT, "format_version": number}
    write_json(version / MANIFEST, described | manifest.model_dump(mode="json"))
