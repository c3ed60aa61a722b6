"""Sync: one command that makes a library of a folder of music, and keeps it current."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.embedding.library import Library, default_library
from soundkin.errors import ArtefactError, Skipped, TracksGoneError, UsageError
from soundkin.pipelines.options import FOLLOW_LINKS, Option, argument
from soundkin.pipelines.scan import Changes, Findings, find_out, write_catalog

if TYPE_CHECKING:
    from soundkin.catalog.scanned_files import ScannedFile
    from soundkin.catalog.table import Catalog
    from soundkin.embedding.embed_tracks import EmbedResult

MOST_GONE = 0.25  # A larger share of the tracks that is gone at once looks like a drive that is not mounted.


@dataclass(frozen=True)
class SyncResult:
    """What has changed in the folder, or would, and what became of it.

    `untouched` counts files that are as they were; `embedded` the tracks that were given a vector, `reused`
    those that had one. `skipped` cannot be read or embedded, `passed_over` is hidden or linked twice.
    """

    library: Path
    changes: Changes
    untouched: int
    embedded: int
    reused: int
    skipped: list[Skipped]
    passed_over: list[Skipped]
    seconds: float
    dry_run: bool


def sync(
    folder: Annotated[Path, argument()],
    library: Annotated[Path | None, Option("Library to keep.", ("-o", "--output"))] = None,
    model: Annotated[str | None, Option("Model bundle; the library's own, or `default`.")] = None,
    workers: Annotated[int | None, Option("Processes; by default 1 from Python.", minimum=1)] = None,
    dry_run: Annotated[bool, Option("Say what would be done, and do nothing.")] = False,
    yes: Annotated[bool, Option("Go on though more than a quarter of the tracks are gone.")] = False,
    forget: Annotated[bool, Option("Forget the tracks whose files are gone, vectors and all.")] = False,
    follow_links: Annotated[bool, FOLLOW_LINKS] = False,
    replace: Annotated[bool, Option("Replace vectors of another model without asking.")] = False,
    check: Annotated[bool, Option("Read all that is stored, and make anew what is damaged.")] = False,
) -> SyncResult:
    """Make a library of the music in FOLDER, or bring it up to date: catalog, embeddings, index and map.

    Run it again whenever the music has changed. It embeds what is new or changed; moved and retagged files
    keep vector, id and history; files that are gone leave the answers, and come back with their vectors. A
    run that was killed is made good by the next one.

    The library of ~/music is in ~/.local/share/soundkin/music-*, unless -o says where. Every command that
    takes an INDEX takes the library, or FOLDER itself.

    Examples:
      soundkin sync ~/music
      soundkin query ~/music --like ~/music/song.mp3

    Raises:
        UsageError: `folder` is no folder, or holds no audio.
        TracksGoneError: more than a quarter of the tracks are gone, and `yes` is false.
        OtherModelError: the library is of another model, and `replace` is false.
        OutputError: the library cannot be written, or another run is writing it.
    """
    began = time.monotonic()
    home = Library(Path(library)) if library else default_library(folder)
    with nullcontext() if dry_run else _writing(home):
        found = find_out(Path(folder), home.catalog, workers or 2, follow_links)
        changes = found.changes()
        listed = [kind for name, kind in vars(changes).items() if name != "gone"]
        untouched = len(found.files) - sum(map(len, listed))
        skipped, embedded, reused = found.listing.skipped, 0, 0
        if not dry_run:
            _refuse_to_lose_tracks(found, changes, yes)
            catalog = write_catalog(found, keep_gone=not forget).catalog
            vectors = _embed(home, catalog, found.files, model, workers or 1, forget, replace, check)
            embedded, reused, skipped = vectors.embedded, vectors.reused, [*skipped, *vectors.skipped]
            _index(home, catalog)
    seconds = time.monotonic() - began
    passed = found.listing.passed_over
    return SyncResult(
        home.folder, changes, untouched, embedded, reused, skipped, passed, seconds, dry_run
    )


@contextmanager
def _writing(library: Library) -> Iterator[None]:
    from soundkin.files import explaining_output, locked

    with explaining_output(library.folder):
        library.folder.mkdir(parents=True, exist_ok=True)
    with locked(library.folder):
        yield


def _refuse_to_lose_tracks(found: Findings, changes: Changes, yes: bool) -> None:
    gone, before = len(changes.gone), sum(not row.gone for row in found.earlier)
    if gone > 1 and gone > MOST_GONE * before and not yes:
        raise TracksGoneError(
            f"{gone} of {before} tracks are gone from {found.folder}, the first {changes.gone[0]}. Is a "
            "drive not mounted? Nothing was changed. If they are deleted: --yes"
        )


def _embed(
    library: Library,
    catalog: "Catalog",
    files: "list[ScannedFile]",
    model: str | None,
    workers: int,
    forget: bool,
    replace: bool,
    check: bool,
) -> "EmbedResult":
    """Give every track of `catalog`, whose `files` these are, a vector; unless `forget`, those gone keep theirs."""
    from soundkin.catalog.scanned_files import signature
    from soundkin.embedding import default_model
    from soundkin.embedding.embed_tracks import embed_tracks
    from soundkin.embedding.embedder import load
    from soundkin.embedding.known_sounds import read_known_sounds, write_known_sounds
    from soundkin.pipelines.embed import keep_vectors_of_another_model

    bundle = default_model.model_folder(model) if model else _model_of(library)
    embedder = load(bundle)
    if not replace:
        keep_vectors_of_another_model(library.embeddings, embedder.hash)
    sounds = read_known_sounds(library.sounds)
    of_tracks = dict(zip(catalog.track_ids, files, strict=True))
    known = {track: sounds[file.sound] for track, file in of_tracks.items() if file.sound in sounds}
    result = embed_tracks(
        *(embedder, catalog, library.embeddings, bundle, library.catalog, workers),
        patches=True,
        keep_others=not forget,
        audio_hashes=known,
        check=check,
    )
    for track, path in zip(catalog.track_ids, catalog.audio_paths(), strict=True):
        file = of_tracks[track]
        if file.sound and file.sound not in sounds and track in result.audio_hashes:
            try:
                unchanged = signature(path) == file.signature
            except OSError:
                unchanged = False
            if unchanged:  # so it was this sound that was embedded
                sounds[file.sound] = result.audio_hashes[track]
    write_known_sounds(library.sounds, sounds, result.audio_hashes.values())
    return result


def _model_of(library: Library) -> Path:
    """The model that made the library's vectors; the default one for a new library."""
    from soundkin.embedding import default_model
    from soundkin.embedding.store import read_manifest

    try:
        return default_model.found_model(read_manifest(library.embeddings).model_path, library.embeddings)
    except (UsageError, ArtefactError):
        return default_model.FOLDER


def _index(library: Library, catalog: "Catalog") -> None:
    """Bring the index in line with catalog and embeddings."""
    import numpy as np
    import pyarrow as pa

    from soundkin.embedding.store import read_embeddings
    from soundkin.search.index_difference import index_difference
    from soundkin.search.vector_index import build_index, open_index

    embeddings = read_embeddings(library.embeddings)
    rows = {track_id: row for row, track_id in enumerate(embeddings.track_ids)}
    present = [track_id for track_id in catalog.track_ids if track_id in rows]
    frame = catalog.select(present).frame.drop(columns="lyrics", errors="ignore")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    vectors = embeddings.vectors[[rows[track_id] for track_id in present]]
    try:
        difference = index_difference(open_index(library.index), table, vectors)
    except (UsageError, ArtefactError):  # there is none yet, or none that can be read
        difference = None
    if difference is None or difference:
        build_index(embeddings, table, catalog.folder, library.index)
