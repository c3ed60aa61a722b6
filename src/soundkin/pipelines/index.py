"""Index: an embeddings folder and the catalog it was made from become an index folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from soundkin.errors import UsageError
from soundkin.pipelines.options import Option, argument


@dataclass(frozen=True)
class IndexResult:
    """Where the index is, how many tracks it holds, and which kind it is and why."""

    output: Path
    count: int
    kind: str
    reason: str


def index_embeddings(
    embeddings_folder: Annotated[Path, argument("EMBEDDINGS")],
    output_folder: Annotated[Path, Option("Index folder to write.", ("-o", "--output"))],
    catalog: Annotated[Path | None, Option("Take titles and other columns from this catalog.")] = None,
    kind: Annotated[
        str, Option("Kind of index: exact, ivf, ivfpq (Milvus: exact, hnsw), or auto, which chooses by size.")
    ] = "auto",
    engine: Annotated[Literal["faiss", "milvus"], Option("What keeps and searches the vectors.")] = "faiss",
    uri: Annotated[
        str | None, Option("Where Milvus is: http://HOST:19530, or a path.db for Milvus Lite.")
    ] = None,
) -> IndexResult:
    """Build a search index over EMBEDDINGS, a folder that soundkin embed wrote.

    All columns of the catalog but lyrics go into the index, to be shown and filtered by; the catalog is
    looked for where the embeddings were made from it, if not given. Tracks that may be copies of a recording
    are compared by ear where their audio is there. Readers of an earlier index are not
    disturbed. Once built, it is edited in place by the commands below.

    Examples:
      soundkin index embeddings -o index
      soundkin index embeddings -o index --engine milvus --uri http://localhost:19530
      soundkin index add index embeddings               # what is new in embeddings
      soundkin index update index embeddings            # what has changed there
      soundkin index remove index 17_night-train --where genre=podcast
      soundkin index snapshot index before-cleanup
      soundkin index rollback index before-cleanup
      soundkin index status index                       # says when to compact it
      soundkin index compact index

    Raises:
        UsageError: an unknown kind, no such folder, or no embeddings in it.
        CatalogError: the catalog cannot be used, or does not list an embedded track.
        ArtefactError: the embeddings are corrupt or of another version.
        OutputError: the output folder cannot be written or holds other files.
        StoreError: Milvus does not answer; then nothing is left there.
    """
    if (engine == "milvus") != bool(uri):
        where = "--uri http://HOST:19530, or --uri PATH.db for Milvus Lite"
        raise UsageError(
            f"engine=milvus needs to know where: {where}."
            if not uri
            else f"uri={uri} is for --engine milvus."
        )
    from soundkin.catalog.table import read_catalog
    from soundkin.embedding.store import read_embeddings
    from soundkin.files import nearest_folder
    from soundkin.search.recordings import tracks_to_index
    from soundkin.search.vector_index import build_index

    embeddings = read_embeddings(Path(embeddings_folder), scratch=nearest_folder(Path(output_folder)))
    tracks = read_catalog(Path(catalog or embeddings.catalog_path))
    table = tracks_to_index(tracks, embeddings, Path(embeddings_folder))
    manifest = build_index(embeddings, table, tracks.folder, Path(output_folder), kind, uri or "")
    return IndexResult(Path(output_folder), manifest.count, manifest.kind, manifest.reason)
