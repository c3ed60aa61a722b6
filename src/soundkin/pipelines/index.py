"""Index: an embeddings folder and the catalog it was made from become an index folder."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from soundkin.catalog.table import read_catalog
from soundkin.embedding.store import read_embeddings
from soundkin.search.index import build_index


@dataclass(frozen=True)
class IndexResult:
    """Where the index is, how many tracks it holds, and which kind it is and why."""

    output: Path
    count: int
    kind: str
    reason: str


def index_embeddings(
    embeddings_folder: Path, output_folder: Path, catalog: Path | None = None, kind: str = "auto"
) -> IndexResult:
    """Build an index of all embedded tracks; readers of an earlier index in `output_folder` are not disturbed.

    `catalog` is looked for where the embeddings were made from it, if not given. All of its columns but lyrics go into
    the index, to be shown and filtered by. `kind` is exact, ivf, or auto.

    Raises:
        UsageError: an unknown kind, no such folder, or no embeddings in it.
        CatalogError: the catalog cannot be used, or does not list an embedded track.
        ArtefactError: the embeddings are corrupt or of another version.
        OutputError: the output folder cannot be written or holds other files.
    """
    embeddings = read_embeddings(Path(embeddings_folder))
    tracks = read_catalog(Path(catalog or embeddings.catalog_path))
    frame = tracks.frame.drop(columns="lyrics", errors="ignore")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    manifest = build_index(embeddings, table, tracks.folder, Path(output_folder), kind)
    return IndexResult(Path(output_folder), manifest.count, manifest.kind, manifest.reason)
