"""Embed a catalog: every track of it becomes a vector in an embeddings folder."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from soundkin.errors import ArtefactError, OtherModelError, UsageError
from soundkin.extras import require
from soundkin.pipelines.options import WORKERS, Option, argument

if TYPE_CHECKING:
    from soundkin.embedding.embed_tracks import EmbedResult, Engine


def embed_catalog(
    model_folder: Annotated[Path | str, argument("MODEL")],
    catalog_path: Annotated[Path, argument("CATALOG")],
    output_folder: Annotated[Path, Option("Folder of Parquet files to write.", ("-o", "--output"))],
    workers: Annotated[int, WORKERS] = 1,
    patches: Annotated[bool, Option("Also write each patch's vector and start.")] = False,
    vectors: Annotated[Path | None, Option("Table of frozen vectors, where it has moved or grown.")] = None,
    replace: Annotated[bool, Option("Replace vectors of another model without asking.")] = False,
    engine: Annotated[
        Literal["local", "ray"], Option("Where workers run: processes here, or actors of Ray Data.")
    ] = "local",
    address: Annotated[
        str | None, Option("Ray cluster, host:port or auto; else RAY_ADDRESS, or a Ray of its own.")
    ] = None,
    audio: Annotated[
        str | None,
        Option(
            "Where paths lie, in place of a folder: s3://bucket/music, or what fsspec reads.", metavar="URL"
        ),
    ] = None,
) -> "EmbedResult":
    """Give every track of CATALOG a vector by the model bundle MODEL; `default` is the one that comes along.

    Run it again after a kill or after adding tracks: files that have not changed are not computed again,
    the result has the same bytes, and files that could not be used (skipped.csv) are tried again when they
    change. A model that was trained on a table of vectors looks tracks up there, and needs no audio.

    `--engine ray` gives the same bytes by workers on one machine or many (docs/ray.md).

    From Python, more than one worker needs the usual `if __name__ == "__main__":` in a script.

    Examples:
      soundkin embed default catalog.csv -o embeddings --workers 2
      soundkin embed runs/first/model catalog.csv -o embeddings
      soundkin embed default catalog.csv -o embeddings --engine ray --address head:6379 --workers 64
      soundkin embed runs/second/model catalog.csv -o embeddings --replace

    Raises:
        CatalogError: the catalog cannot be used.
        ArtefactError: the model bundle is corrupt, or of another version.
        OutputError: the output folder cannot be written, or holds other files.
        OtherModelError: the output folder holds vectors of another model, and `replace` is false.
        MissingExtraError: Ray is asked for and not installed.
        AudioStoreError: the object store of the audio does not answer, or refuses us.
        ClusterError: Ray is too old, is not reached, or fails; or its nodes lack the audio, or differ.
    """
    if workers < 1:
        raise UsageError(f"workers={workers}: give at least 1.")
    if address and engine != "ray":
        raise UsageError(f"address={address} is for Ray: give --engine ray too.")
    if engine == "ray":
        require("ray", "--engine ray")
    from soundkin.catalog.table import read_catalog
    from soundkin.parallel import TRACKS_A_WORKER, prepare_workers

    catalog_path, output_folder = Path(catalog_path), Path(output_folder)
    catalog = read_catalog(catalog_path)
    if engine == "local" and min(workers, len(catalog) // TRACKS_A_WORKER) > 1:
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
    settings = (embedder, catalog, output_folder, model, catalog_path, workers, patches)
    return embed_tracks(*settings, engine=_ray_engine(address) if engine == "ray" else None, audio_url=audio)


def _ray_engine(address: str | None) -> "Engine":
    from soundkin.embedding.ray_engine import in_ray

    return partial(in_ray, address=address)


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
