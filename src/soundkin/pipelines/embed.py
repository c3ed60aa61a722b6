"""Embed a catalog: every track of it becomes a vector in an embeddings folder."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from soundkin.catalog.table import read_catalog
from soundkin.embedding.embedder import Embedder, TrackEmbedding, load
from soundkin.embedding.export import Export, Known, Outcome
from soundkin.errors import ArtefactError, AudioError, Skipped, UsageError
from soundkin.features.decode import audio_hash
from soundkin.parallel import in_processes
from soundkin.progress import progress


@dataclass(frozen=True)
class EmbedResult:
    """How many tracks were embedded now, how many were known from earlier runs, and which were left out."""

    output: Path
    embedded: int
    reused: int
    skipped: list[Skipped]


def embed_catalog(
    model_folder: Path, catalog_path: Path, output_folder: Path, workers: int = 1, patches: bool = False
) -> EmbedResult:
    """Embed all tracks of a catalog with `workers` processes; with `patches`, the vector of each patch is kept too.

    Killed and run again, it goes on where it stopped and ends with the same bytes. Run again on a catalog that has
    grown, it embeds what is new. Files that cannot be used are listed in `skipped.csv`. With more than one worker, a
    script that calls this needs the usual `if __name__ == "__main__":`.

    Raises:
        CatalogError: the catalog cannot be used.
        ArtefactError: the model bundle is corrupt, or of another version.
        OutputError: the output folder cannot be written, or holds other files.
    """
    model_folder, catalog_path, output_folder = Path(model_folder), Path(catalog_path), Path(output_folder)
    if workers < 1:
        raise UsageError(f"workers={workers}: give at least 1.")
    catalog, embedder = read_catalog(catalog_path), load(model_folder)
    counts: Counter[type[Outcome]] = Counter()
    with Export(output_folder, catalog.track_ids, embedder.hash, embedder.embedding_size, patches) as export:
        embed = partial(_embed_unless_known, model_folder, embedder.hash, export.known, catalog.folder)
        with closing(in_processes(embed, catalog.frame["path"], workers)) as outcomes:
            for row, outcome in progress(outcomes, "embed", total=len(catalog)):
                export.record(row, outcome)
                counts[type(outcome)] += 1
        export.finish(model_folder, catalog_path)
    return EmbedResult(output_folder, counts[TrackEmbedding], counts[Known], export.skipped)


def _embed_unless_known(model_folder: Path, model_hash: str, known: frozenset[str], folder: Path, name: str) -> Outcome:
    """Embed the file `folder / name`, unless its audio is known or cannot be used."""
    path = folder / name
    try:
        content_hash = audio_hash(path)
        if content_hash in known:
            return Known(content_hash)
        return _embedder(model_folder, model_hash).embed_file(path, content_hash)
    except AudioError as error:
        return Skipped(name, str(error).removeprefix(str(path)).lstrip(": "))


@cache
def _embedder(model_folder: Path, model_hash: str) -> Embedder:
    """The model, loaded once a process."""
    embedder = load(model_folder)
    if embedder.hash != model_hash:
        raise ArtefactError(f"{model_folder} was replaced by another model meanwhile. Run the same command again.")
    return embedder
