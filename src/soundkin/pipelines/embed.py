"""Embed a catalog: every track of it becomes a vector in an embeddings folder."""

import logging
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from soundkin.catalog.lyrics import lyrics_of
from soundkin.catalog.table import read_catalog
from soundkin.embedding.embedder import Embedder, TrackEmbedding, load
from soundkin.embedding.export import Export, Known, Outcome
from soundkin.errors import ArtefactError, AudioError, Skipped, UsageError
from soundkin.features.external import ExternalFrontEnd
from soundkin.features.front_ends import AnyFrontEnd, Sound, sound_hash, sounds_of
from soundkin.files import sha256_of_text
from soundkin.parallel import in_processes
from soundkin.progress import progress

WARNINGS_LOGGED = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbedResult:
    """How many tracks were embedded now, how many were known from earlier runs, and which were left out."""

    output: Path
    embedded: int
    reused: int
    skipped: list[Skipped]


def embed_catalog(
    model_folder: Path,
    catalog_path: Path,
    output_folder: Path,
    workers: int = 1,
    patches: bool = False,
    vectors: Path | None = None,
) -> EmbedResult:
    """Embed all tracks of a catalog with `workers` processes; with `patches`, the vector of each patch is kept too.

    Killed and run again, it goes on where it stopped and ends with the same bytes. Run again on a catalog that has
    grown, it embeds what is new. Files that cannot be used are listed in `skipped.csv`. With more than one worker, a
    script that calls this needs the usual `if __name__ == "__main__":`. A model that learnt from a table of vectors
    looks the tracks up where that table was, or in `vectors`: no audio is needed.

    Raises:
        CatalogError: the catalog cannot be used.
        ArtefactError: the model bundle is corrupt, or of another version.
        OutputError: the output folder cannot be written, or holds other files.
    """
    model_folder, catalog_path, output_folder = Path(model_folder), Path(catalog_path), Path(output_folder)
    if workers < 1:
        raise UsageError(f"workers={workers}: give at least 1.")
    catalog, embedder = read_catalog(catalog_path), load(model_folder, vectors)
    front_end = embedder.bundle.front_end
    if isinstance(front_end, ExternalFrontEnd):
        front_end.warn_of_another_table()
    counts: Counter[type[Outcome]] = Counter()
    warned = 0
    with Export(output_folder, catalog.track_ids, embedder.hash, embedder.embedding_size, patches) as export:
        embed = partial(_embed_unless_known, model_folder, vectors, embedder.hash, export.known, front_end)
        words = lyrics_of(catalog) if embedder.reads_lyrics else [""] * len(catalog)
        sounds = sounds_of(front_end, catalog.audio_paths(), catalog.track_ids)
        tracks = list(zip(catalog.frame["path"], sounds, words, strict=True))
        with closing(in_processes(embed, tracks, workers)) as outcomes:
            for row, outcome in progress(outcomes, "embed", total=len(catalog)):
                export.record(row, outcome)
                counts[type(outcome)] += 1
                if isinstance(outcome, TrackEmbedding) and outcome.warnings:
                    warned += 1
                    if warned <= WARNINGS_LOGGED:
                        logger.warning("%s: %s", tracks[row][1], "; ".join(outcome.warnings))
        if warned > WARNINGS_LOGGED:
            logger.warning(
                "and %d more files with warnings: see the column warnings of %s",
                warned - WARNINGS_LOGGED,
                output_folder,
            )
        export.finish(model_folder, catalog_path)
    return EmbedResult(output_folder, counts[TrackEmbedding], counts[Known], export.skipped)


def _embed_unless_known(
    model_folder: Path,
    vectors: Path | None,
    model_hash: str,
    known: frozenset[str],
    front_end: AnyFrontEnd,
    track: tuple[str, Sound, str],
) -> Outcome:
    """Embed a track, its file's name, its sound and its lyrics, unless what is heard is known or cannot be used."""
    name, sound, lyrics = track
    try:
        content_hash = sound_hash(sound, front_end)
        if lyrics:  # the same audio with other words has another vector
            content_hash = sha256_of_text(f"{content_hash}\n{lyrics}")
        if content_hash in known:
            return Known(content_hash)
        return _embedder(model_folder, vectors, model_hash).embed_file(sound, content_hash, lyrics)
    except AudioError as error:
        return Skipped.because(sound, error, name)


@cache
def _embedder(model_folder: Path, vectors: Path | None, model_hash: str) -> Embedder:
    """The model, loaded once a process."""
    embedder = load(model_folder, vectors)
    if embedder.hash != model_hash:
        raise ArtefactError(f"{model_folder} was replaced by another model meanwhile. Run the same command again.")
    return embedder
