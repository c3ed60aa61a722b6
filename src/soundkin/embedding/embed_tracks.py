"""Embeds the tracks of a catalog into an embeddings folder: what is new alone, in several processes."""

import logging
from collections.abc import Callable, Generator, Mapping, Sequence, Set
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.table import Catalog
from soundkin.embedding.embedder import Embedder, TrackEmbedding, hash_of_lyrics
from soundkin.embedding.export import TRACKS_PER_PART, Export, Outcome, Unusable
from soundkin.embedding.stored_vectors import Content
from soundkin.errors import AudioError, Skipped
from soundkin.features.file_hashes import remember_url
from soundkin.features.frontends.interface import TrackInput
from soundkin.features.remote_audio import RemoteFile, remote_files
from soundkin.parallel import TRACKS_A_WORKER, in_processes
from soundkin.progress import progress


class Heard(NamedTuple):
    """The outcome of a track, and the version of its file where an object store tells one."""

    outcome: Outcome
    version: str = ""


Track = tuple[str, TrackInput, str]  # path in the catalog, where its audio is, lyrics
# (what embeds a track, tracks, workers) -> (number of the track, what it came to), in the order they finish
Engine = Callable[[Callable[[Track], Heard], Sequence[Track], int], Generator[tuple[int, Heard]]]

WARNINGS_LOGGED = 20
TRACKS_PER_LASTING_PART = 250  # fewer than otherwise: a change anywhere in a part writes all of it

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbedResult:
    """How many tracks were embedded now, how many by earlier runs, and which were left out.

    `audio_hashes` are those of all tracks whose audio could be read, by track id.
    """

    output: Path
    embedded: int
    reused: int
    skipped: list[Skipped]
    audio_hashes: Mapping[str, str] = field(default_factory=dict)


def embed_tracks(
    embedder: Embedder,
    catalog: Catalog,
    folder: Path,
    model_path: Path,
    catalog_path: Path,
    workers: int = 1,
    patches: bool = False,
    keep_others: bool = False,
    audio_hashes: Mapping[str, str] | None = None,
    check: bool = True,
    engine: Engine | None = None,
    audio_url: str | None = None,
) -> EmbedResult:
    """Embed all tracks of `catalog` into `folder`, but for the content that it has vectors of by this model.

    Its manifest names `model_path` and `catalog_path`; `read_embeddings(folder)` gives the vectors: with
    `keep_others`, after those of `catalog`, of tracks that only earlier runs were about.

    With `audio_hashes`, which are those of tracks whose audio needs no look, tracks stay where the folder has
    them and new ones follow: it costs what is new. Unless `check`, stored patches are taken to be whole.
    `engine` runs the workers; they are processes of this machine without one.
    With `audio_url`, paths in the catalog are relative to it, such as s3://bucket/music.
    """
    lyrics = lyrics_of(catalog) if embedder.reads_lyrics else [""] * len(catalog)
    paths = remote_files(audio_url, list(catalog.frame["path"])) if audio_url else catalog.audio_paths()
    inputs = embedder.bundle.front_end.track_inputs(paths, catalog.track_ids)
    tracks = list(zip(catalog.frame["path"], inputs, lyrics, strict=True))
    size = TRACKS_PER_PART if audio_hashes is None else TRACKS_PER_LASTING_PART
    settings = (catalog.track_ids, embedder.hash, embedder.embedding_size, patches, size)
    with Export(Path(folder), *settings, trusting=not check) as export:
        if audio_hashes is not None:
            export.keep_places(keep_others)
        elif keep_others:
            export.keep_others()
        earlier = _Earlier(export.known, export.known_unusable())
        reused, new = 0, []
        for row, (path, _, words) in enumerate(tracks):
            audio_hash = (audio_hashes or {}).get(catalog.track_ids[row])
            before = earlier.outcome(path, audio_hash, words) if audio_hash else None
            if before:
                export.record(export.row(catalog.track_ids[row]), before)
                reused += isinstance(before, Content)
            else:
                new.append(row)
        warned = embedded = 0
        embed = partial(_embed_if_new, embedder, earlier)
        if engine is None:
            engine, workers = in_processes, min(workers, len(new) // TRACKS_A_WORKER)
        with closing(engine(embed, [tracks[row] for row in new], workers)) as outcomes:
            for number, (outcome, version) in progress(outcomes, "embed", total=len(new)):
                export.record(export.row(catalog.track_ids[new[number]]), outcome)
                if version:
                    remember_url(str(inputs[new[number]]), version, outcome.audio_hash)
                embedded += isinstance(outcome, TrackEmbedding)
                reused += isinstance(outcome, Content)
                if isinstance(outcome, TrackEmbedding) and outcome.warnings:
                    warned += 1
                    if warned <= WARNINGS_LOGGED:
                        log.warning("%s: %s", inputs[new[number]], "; ".join(outcome.warnings))
        if warned > WARNINGS_LOGGED:
            more = warned - WARNINGS_LOGGED
            log.warning("and %d more files with warnings: see the column warnings of %s", more, folder)
        export.finish(model_path, catalog_path)
    return EmbedResult(Path(folder), embedded, reused, export.skipped, export.audio_hashes)


@dataclass(frozen=True)
class _Earlier:
    """What earlier runs embedded, and why they could not embed files of these hashes."""

    known: Set[Content]
    unusable: Mapping[str, str]

    def outcome(self, path: str, audio_hash: str, lyrics: str) -> Content | Unusable | None:
        """What they made of a track; None if nothing yet."""
        if audio_hash in self.unusable:
            return Unusable(Skipped(path, self.unusable[audio_hash]), audio_hash)
        content = Content(audio_hash, hash_of_lyrics(lyrics))
        return content if content in self.known else None


def _embed_if_new(embedder: Embedder, earlier: _Earlier, track: Track) -> Heard:
    """Embed a track (path in the catalog, input, lyrics) unless an earlier run did, or could not."""
    path, source, lyrics = track
    if not isinstance(source, RemoteFile):
        return Heard(_embed_here(embedder, earlier, track))
    try:
        version = source.version()
        before = (
            earlier.outcome(path, source.known[1], lyrics) if version and version == source.known[0] else None
        )
        if before:
            return Heard(before, version)
        with source.copied() as copy:
            return Heard(_embed_here(embedder, earlier, (path, copy, lyrics)), version)
    except AudioError as error:
        return Heard(Unusable(Skipped.because(source, error, path)))


def _embed_here(embedder: Embedder, earlier: _Earlier, track: Track) -> Outcome:
    """Embed what lies on this machine, as above."""
    path, source, lyrics = track
    audio_hash = ""
    try:
        audio_hash = embedder.bundle.front_end.input_hash(source)
        outcome = earlier.outcome(path, audio_hash, lyrics)
        return outcome or embedder.embed_file(source, audio_hash, lyrics)
    except AudioError as error:
        return Unusable(Skipped.because(source, error, path), audio_hash)
