"""Hearing: each track of a catalog is heard once, and described by every system that listens."""

from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np

from soundkin.catalog.lyric_texts import lyrics_of
from soundkin.catalog.table import Catalog
from soundkin.errors import AudioError, Skipped, UsageError
from soundkin.evaluation.systems import TrackEmbedder
from soundkin.features.frontends.interface import FrontEnd, TrackInput
from soundkin.files import sha256_of_text
from soundkin.parallel import in_processes
from soundkin.pipelines.judging.vector_cache import VectorCache, Vectors
from soundkin.progress import progress

Outcome = Vectors | Skipped


def hear(
    listener: TrackEmbedder, catalog: Catalog, workers: int, cache: Path | None = None
) -> tuple[Catalog, list[Vectors], list[Skipped]]:
    """The tracks that could be heard, each one's vector by every system, and the files that could not.

    With `cache`, a folder, what was heard before by the same listener is read there instead.

    Raises:
        UsageError: none could be heard.
    """
    outcomes = embed_all(listener, catalog, workers, cache)
    skipped = [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
    tracks = [outcome for outcome in outcomes if not isinstance(outcome, Skipped)]
    if not tracks:
        first = skipped[0].reason
        raise UsageError(
            f"{catalog.source}: none of the {len(outcomes)} files could be heard. First: {first}"
        )
    kept = catalog.select(np.array([not isinstance(outcome, Skipped) for outcome in outcomes], dtype=bool))
    return kept, tracks, skipped


def embed_all(
    listener: TrackEmbedder, catalog: Catalog, workers: int, cache: Path | None = None
) -> list[Outcome]:
    """For each track in catalog order, its vector by every system, or why it could not be heard."""
    front_end = listener.bundle.front_end
    words = lyrics_of(catalog) if listener.bundle.tokenizer else [""] * len(catalog)
    jobs = list(zip(front_end.track_inputs(catalog.audio_paths(), catalog.track_ids), words, strict=True))
    if cache is None:
        return _hear_jobs(listener, jobs, workers)
    kept = VectorCache(cache, listener.fingerprint)
    keys = [_key(sound, lyrics, front_end) for sound, lyrics in jobs]
    outcomes: list[Outcome | None] = [kept.get(key) if key else None for key in keys]
    unheard = [row for row, outcome in enumerate(outcomes) if outcome is None]
    found = _hear_jobs(
        listener, [jobs[row] for row in unheard], workers, kept, [keys[row] for row in unheard]
    )
    for row, outcome in zip(unheard, found, strict=True):
        outcomes[row] = outcome
    return [outcome for outcome in outcomes if outcome is not None]


def _hear_jobs(
    listener: TrackEmbedder,
    jobs: Sequence[tuple[TrackInput, str]],
    workers: int,
    cache: VectorCache | None = None,
    keys: Sequence[str | None] = (),
) -> list[Outcome]:
    outcomes: dict[int, Outcome] = {}
    with closing(in_processes(partial(_listen, listener), jobs, workers if len(jobs) > 1 else 1)) as results:
        for row, outcome in progress(results, "evaluate", total=len(jobs)):
            outcomes[row] = outcome
            key = keys[row] if cache is not None else None
            if cache is not None and key and not isinstance(outcome, Skipped):
                cache.add(key, outcome)
    if cache is not None:
        cache.flush()
    return [outcomes[row] for row in range(len(jobs))]


def _key(sound: TrackInput, lyrics: str, front_end: FrontEnd) -> str | None:
    """What is heard, as 32 or 64 hex digits; None where it cannot be read, which listening will complain
    about.
    """
    try:
        content = front_end.input_hash(sound)
    except AudioError:
        return None
    return sha256_of_text(f"{content}\n{lyrics}") if lyrics else content


def _listen(listener: TrackEmbedder, track: tuple[TrackInput, str]) -> Outcome:
    path, lyrics = track
    try:
        return listener.vectors(path, lyrics)
    except AudioError as error:
        return Skipped.because(path, error)
