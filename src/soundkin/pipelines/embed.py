"""Embed a catalog: every track of it becomes a vector in an embeddings folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import ArtefactError, OtherModelError, UsageError
from soundkin.pipelines.options import WORKERS, Option, argument

if TYPE_CHECKING:
    from soundkin.embedding.embed_tracks import EmbedResult


def embed_catalog(
    model_folder: Annotated[Path | str, argument("MODEL")],
    catalog_path: Annotated[Path, argument("CATALOG")],
    output_folder: Annotated[Path, Option("Folder of Parquet files to write.", ("-o", "--output"))],
    workers: Annotated[int, WORKERS] = 1,
    patches: Annotated[bool, Option("Also write each patch's vector and start.")] = False,
    vectors: Annotated[Path | None, Option("Table of frozen vectors, where it has moved or grown.")] = None,
    replace: Annotated[bool, Option("Replace vectors of another model without asking.")] = False,
) -> "EmbedResult":
    """Give every track of CATALOG a vector by the model bundle MODEL; `default` is the one that comes along.

    Run it again after a kill or after adding tracks: files that have not changed are not computed again,
    the result has the same bytes, and files that could not be used (skipped.csv) are tried again when they
    change. A model that was trained on a table of vectors looks tracks up there, and needs no audio.

    From Python, more than one worker needs the usual `if __name__ == "__main__":` in a script.

    Examples:
      soundkin embed default catalog.csv -o embeddings --workers 2
      soundkin embed runs/first/model catalog.csv -o embeddings
      soundkin embed runs/second/model catalog.csv -o embeddings --replace

    Raises:
        CatalogError: the catalog cannot be used.
        ArtefactError: the model bundle is corrupt, or of another version.
        OutputError: the output folder cannot be written, or holds other files.
        OtherModelError: the output folder holds vectors of another model, and `replace` is false.
    """
    if workers < 1:
        raise UsageError(f"workers={workers}: give at least 1.")
    from soundkin.catalog.table import read_catalog
    from soundkin.parallel import TRACKS_A_WORKER, prepare_workers

    catalog_path, output_folder = Path(catalog_path), Path(output_folder)
    catalog = read_catalog(catalog_path)
    if min(workers, len(catalog) // TRACKS_A_WORKER) > 1:
        prepare_workers("soundkin.embedding.embed_tracks")  # they import while this process does
    from soundkin.embedding import default_model
    from soundkin.embedding.embed_tracks import embed_tracks
    from soundkin.embedding.embedder import load

    model = default_model.model_folder(model_folder)
    embedder = load(model, vectors)
    front_end = embedder.bundle.front_end
    front_end.warn_of_another_table()
    if not replace:
        keep_vectors_of_another_model(output_folder, embedder.hash)
    return embed_tracks(embedder, catalog, output_folder, model, catalog_path, workers, patches)


def keep_vectors_of_another_model(folder: Path, model_hash: str) -> None:
    """Raise OtherModelError if embeddings in `folder` are of another model."""
    from soundkin.embedding.store import read_manifest

    if not (folder / "manifest.json").exists():
        return
    try:
        manifest = read_manifest(folder)
    except ArtefactError:
        return  # nothing that anybody can read is lost
    if manifest.count and manifest.model_hash != model_hash:
        raise OtherModelError(
            f"{folder} holds {manifest.count} vectors of model {manifest.model_hash}, and this is model "
            f"{model_hash}. Name another folder with -o, or give --replace to embed all tracks anew there."
        )
