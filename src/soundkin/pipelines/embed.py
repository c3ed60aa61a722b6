"""Embed a catalog: every track of it becomes a vector in an embeddings folder."""

import logging
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.table import read_catalog
from soundkin.embedding.embedder import Embedder, TrackEmbedding, hash_of_lyrics, load
from soundkin.embedding.export import Content, Export, Known, Outcome, Unusable
from soundkin.embedding.store import read_manifest
from soundkin.errors import ArtefactError, AudioError, OtherModelError, Skipped, UsageError
from soundkin.features.frontends.interface import FrontEnd, TrackInput
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
    replace: bool = False,
) -> EmbedResult:
    """Embed all tracks of a catalog with `workers` processes; with `patches`, the vector of each patch is
    kept too.

    Killed and run again, it goes on where it stopped and ends with the same bytes. Run again on a catalog
    that has grown, it embeds what is new. Files that cannot be used are listed in `skipped.csv`, and looked
    at again when they change. Vectors of another model in `output_folder` are kept unless `replace` is true.
    With more than one worker, a script that calls this needs the usual `if __name__ == "__main__":`. A model
    that learnt from a table of vectors looks the tracks up where that table was, or in `vectors`: no audio is
    needed.

    Raises:
        CatalogError: the catalog cannot be used.
        ArtefactError: the model bundle is corrupt, or of another version.
        OutputError: the output folder cannot be written, or holds other files.
        OtherModelError: the output folder holds vectors of another model, and `replace` is false.
    """
    model_folder, catalog_path, output_folder = Path(model_folder), Path(catalog_path), Path(output_folder)
    if workers < 1:
        raise UsageError(f"workers={workers}: give at least 1.")
    catalog, embedder = read_catalog(catalog_path), load(model_folder, vectors)
    front_end = embedder.bundle.front_end
    front_end.warn_of_another_table()
    if not replace:
        _keep_vectors_of_another_model(output_folder, embedder.hash)
    counts: Counter[type[Outcome]] = Counter()
    warned = 0
    with Export(output_folder, catalog.track_ids, embedder.hash, embedder.embedding_size, patches) as export:
        known = _Earlier(export.known, export.known_unusable())
        embed = partial(_embed_unless_known, model_folder, vectors, embedder.hash, known, front_end)
        words = lyrics_of(catalog) if embedder.reads_lyrics else [""] * len(catalog)
        sounds = front_end.track_inputs(catalog.audio_paths(), catalog.track_ids)
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


def _keep_vectors_of_another_model(folder: Path, model_hash: str) -> None:
    if not (folder / "manifest.json").exists():
        return
    try:
        manifest = read_manifest(folder)
    except ArtefactError:
        return  # nothing that anybody can read is lost
    if manifest.count and manifest.model_hash != model_hash:
        raise OtherModelError(
            f"{folder} holds {manifest.count} vectors of model {manifest.model_hash}, and this is model {model_hash}. "
            "Name another folder with -o, or give --replace to embed all tracks anew there."
        )


@dataclass(frozen=True)
class _Earlier:
    """What earlier runs found out: content with a vector, and by audio hash why a file cannot be used."""

    embedded: frozenset[Content]
    unusable: dict[str, str]


def _embed_unless_known(
    model_folder: Path,
    vectors: Path | None,
    model_hash: str,
    earlier: _Earlier,
    front_end: FrontEnd,
    track: tuple[str, TrackInput, str],
) -> Outcome:
    """Embed a track (its file's name, its sound, its lyrics) unless its content is known or cannot be used."""
    name, sound, lyrics = track
    audio_hash = ""
    try:
        audio_hash = front_end.input_hash(sound)
        if audio_hash in earlier.unusable:
            return Unusable(Skipped(name, earlier.unusable[audio_hash]), audio_hash)
        content = Content(audio_hash, hash_of_lyrics(lyrics))
        if content in earlier.embedded:
            return Known(content)
        return _embedder(model_folder, vectors, model_hash).embed_file(sound, audio_hash, lyrics)
    except AudioError as error:
        return Unusable(Skipped.because(sound, error, name), audio_hash)


@cache
def _embedder(model_folder: Path, vectors: Path | None, model_hash: str) -> Embedder:
    """The model, loaded once a process."""
    embedder = load(model_folder, vectors)
    if embedder.hash != model_hash:
        raise ArtefactError(
            f"{model_folder} was replaced by another model meanwhile. Run the same command again."
        )
    return embedder
