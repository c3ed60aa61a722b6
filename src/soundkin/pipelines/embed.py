"""Embed a catalog: every track of it becomes a vector in an embeddings folder."""

import multiprocessing
import os
import signal
import threading
from collections import Counter
from collections.abc import Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.embedder import Embedder, TrackEmbedding, load
from soundkin.embedding.export import Export, Known, Outcome
from soundkin.errors import ArtefactError, AudioError, Skipped, SoundkinError, UsageError
from soundkin.features.decode import audio_hash
from soundkin.progress import progress

Outcomes = Generator[tuple[int, Outcome], None, None]

TRACKS_AHEAD = 4  # handed to each worker before the first is back, so that none waits for work


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
        known = export.known
        if workers == 1:
            outcomes = _in_this_process(embedder, known, catalog)
        else:
            outcomes = _in_processes(workers, model_folder, embedder.hash, known, catalog)
        with closing(outcomes):
            for row, outcome in progress(outcomes, "embed", total=len(catalog)):
                export.record(row, outcome)
                counts[type(outcome)] += 1
        export.finish(model_folder, catalog_path)
    return EmbedResult(output_folder, counts[TrackEmbedding], counts[Known], export.skipped)


def embed_unless_known(embedder: Embedder, known: frozenset[str], folder: Path, name: str) -> Outcome:
    """Embed the file `folder / name`, unless its audio is known or cannot be used."""
    path = folder / name
    try:
        content_hash = audio_hash(path)
        return Known(content_hash) if content_hash in known else embedder.embed_file(path, content_hash)
    except AudioError as error:
        return Skipped(name, str(error).removeprefix(str(path)).lstrip(": "))


def _in_this_process(embedder: Embedder, known: frozenset[str], catalog: Catalog) -> Outcomes:
    for row, name in enumerate(catalog.frame["path"]):
        yield row, embed_unless_known(embedder, known, catalog.folder, name)


def _in_processes(
    workers: int, model_folder: Path, model_hash: str, known: frozenset[str], catalog: Catalog
) -> Outcomes:
    """Outcomes in the order in which they are done."""
    executor = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker, (known,))
    rows: dict[Future[Outcome], int] = {}
    names = list(catalog.frame["path"])
    try:
        for row, name in enumerate(names):
            if len(rows) == workers * TRACKS_AHEAD:
                yield from _done(rows)
            rows[executor.submit(_work, model_folder, model_hash, catalog.folder, name)] = row
        while rows:
            yield from _done(rows)
    except BrokenProcessPool as error:
        near = ", ".join(names[row] for row in sorted(rows.values()))
        raise SoundkinError(
            f"a worker process died, killed from outside or for want of memory, on one of {near}. "
            "Run the same command again to go on; if it happens again, with fewer workers or without that file."
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _done(rows: dict[Future[Outcome], int]) -> Outcomes:
    """Wait for at least one outcome; take those that are there out of `rows`."""
    for future in wait(rows, return_when=FIRST_COMPLETED).done:
        outcome = future.result()
        yield rows.pop(future), outcome


_known: frozenset[str] = frozenset()  # in a worker process: what need not be embedded again


def _start_worker(known: frozenset[str]) -> None:
    global _known
    _known = known
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends workers at once and without a traceback
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that is killed cannot tell its workers, which would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(model_folder: Path, model_hash: str, folder: Path, name: str) -> Outcome:
    return embed_unless_known(_embedder(model_folder, model_hash), _known, folder, name)


@cache
def _embedder(model_folder: Path, model_hash: str) -> Embedder:
    """The model, loaded once a worker."""
    embedder = load(model_folder)
    if embedder.hash != model_hash:
        raise ArtefactError(f"{model_folder} was replaced by another model meanwhile. Run the same command again.")
    return embedder
