"""Sync: one command that makes a library of a folder of music, and keeps it current."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from dataclasses import replace as _replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.embedding.library import Library, default_library
from soundkin.errors import ArtefactError, Skipped, TracksGoneError, UsageError
from soundkin.pipelines.library_map import draw_library_map
from soundkin.pipelines.options import FOLLOW_LINKS, Option, argument
from soundkin.pipelines.precompute import refresh_neighbours
from soundkin.pipelines.scan import Changes, Findings, find_out, write_catalog

if TYPE_CHECKING:
    from soundkin.catalog.scanned_files import ScannedFile
    from soundkin.catalog.table import Catalog

MOST_GONE = 0.25  # A larger share of the tracks that is gone at once looks like a drive that is not mounted.


@dataclass(frozen=True)
class SyncResult:
    """What has changed in the folder, or would, and what became of it.

    `untouched` counts files that are as they were; `embedded` the tracks that were given a vector, `reused`
    those that had one. `skipped` cannot be read or embedded, `passed_over` is hidden or linked twice.
    `needs_yes`: so many tracks are gone that it is done with `yes` only.
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
    needs_yes: bool

    def summary(self) -> str:
        """`12 new, 3 gone, 5 moved, 41 retagged, 9,812 untouched; 8 s`."""
        changes = vars(self.changes)
        kinds = ("new", "returned", "gone", "moved", "changed", "retagged")
        counts = [f"{len(changes[kind]):,} {kind}" for kind in kinds if changes[kind]]
        text = ", ".join([*counts, f"{self.untouched:,} untouched"])
        if self.dry_run:
            word = ". That is more than a quarter: it takes --yes" if self.needs_yes else ""
            return f"would be {text}; nothing was written{word}"
        expected = len(self.changes.new) + len(self.changes.changed)
        more = f", {self.embedded:,} embedded" if self.embedded != expected else ""
        return f"{text}{more}; {self.seconds:.0f} s"


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
        StoreError: the library's index is in Milvus, which does not answer.
    """
    began = time.monotonic()
    home = Library(Path(library)) if library else default_library(folder)
    with nullcontext() if dry_run else _writing(home):
        found = find_out(Path(folder), home.catalog, workers or 2, follow_links)
        result = _foreseen(home, found, dry_run)
        if result.needs_yes and not (yes or dry_run):
            gone = result.changes.gone
            raise TracksGoneError(
                f"{len(gone)} of {found.before} tracks are gone from {folder}, the first {gone[0]}. Is a "
                "drive not mounted? Nothing was changed. If they are deleted: --yes"
            )
        if not dry_run:
            catalog = write_catalog(found, keep_gone=not forget).catalog
            embedded, reused, skipped = _embed(
                home, catalog, found.files, model, workers or 1, forget, replace, check
            )
            _index(home, catalog, workers or 1)
            refresh_neighbours(home.index, workers or 1)
            skipped = [*result.skipped, *skipped]
            result = _replace(result, embedded=embedded, reused=reused, skipped=skipped)
    return _replace(result, seconds=time.monotonic() - began)


def _foreseen(library: Library, found: Findings, dry_run: bool) -> SyncResult:
    """The result, but for what is yet to be done."""
    changes = found.changes()
    listed = sum(len(paths) for kind, paths in vars(changes).items() if kind != "gone")
    return SyncResult(
        library=library.folder,
        changes=changes,
        untouched=len(found.files) - listed,
        embedded=0,
        reused=0,
        skipped=found.listing.skipped,
        passed_over=found.listing.passed_over,
        seconds=0.0,
        dry_run=dry_run,
        needs_yes=len(changes.gone) > max(1, MOST_GONE * found.before),
    )


@contextmanager
def _writing(library: Library) -> Iterator[None]:
    from soundkin.files import explaining_output, locked

    with explaining_output(library.folder):
        library.folder.mkdir(parents=True, exist_ok=True)
    with locked(library.folder):
        yield


def _embed(
    library: Library,
    catalog: "Catalog",
    files: "list[ScannedFile]",
    model: str | None,
    workers: int,
    forget: bool,
    replace: bool,
    check: bool,
) -> tuple[int, int, list[Skipped]]:
    """Give every track of `catalog`, which lists `files`, a vector; tracks that are gone keep theirs.

    Returns how many were embedded, how many had been before, and what was left out.
    """
    from soundkin.embedding import default_model
    from soundkin.embedding.known_sounds import read_known_sounds, write_known_sounds
    from soundkin.embedding.up_to_date import known_unusable, vectors_needed

    bundle = default_model.model_folder(model) if model else _model_of(library)
    sounds = read_known_sounds(library.sounds)
    of_tracks = zip(catalog.track_ids, files, strict=True)
    known = {track_id: sounds[file.sound] for track_id, file in of_tracks if file.sound in sounds}
    if not (check or forget or vectors_needed(library.embeddings, bundle, catalog.track_ids, known)):
        unusable, paths = known_unusable(library.embeddings), catalog.frame["path"]
        hashes = zip(paths, map(known.get, catalog.track_ids), strict=True)
        skipped = [Skipped(path, unusable[hash_]) for path, hash_ in hashes if hash_ in unusable]
        return 0, len(catalog) - len(skipped), skipped

    from soundkin.embedding.embed_tracks import embed_tracks
    from soundkin.embedding.embedder import load
    from soundkin.pipelines.embed import keep_vectors_of_another_model

    embedder = load(bundle)
    if not replace:
        keep_vectors_of_another_model(library.embeddings, embedder.hash)
    result = embed_tracks(
        *(embedder, catalog, library.embeddings, bundle, library.catalog, workers),
        patches=True,
        keep_others=not forget,
        audio_hashes=known,
        check=check,
    )
    for track_id, file in zip(catalog.track_ids, files, strict=True):
        if track_id in result.audio_hashes and file.sound not in sounds and _is_as_scanned(file):
            sounds[file.sound] = result.audio_hashes[track_id]
    write_known_sounds(library.sounds, sounds, result.audio_hashes.values())
    return result.embedded, result.reused, result.skipped


def _is_as_scanned(file: "ScannedFile") -> bool:
    """Whether a file still has the sound that the scan heard, so that this is what was embedded."""
    from soundkin.catalog.paths import on_disk
    from soundkin.catalog.scanned_files import signature

    try:
        return bool(file.sound) and signature(Path(on_disk(file.place))) == file.signature
    except OSError:
        return False


def _model_of(library: Library) -> Path:
    """The model that made the library's vectors; the default one for a new library."""
    from soundkin.embedding import default_model
    from soundkin.embedding.store import read_manifest

    try:
        return default_model.found_model(read_manifest(library.embeddings).model_path, library.embeddings)
    except (UsageError, ArtefactError):
        return default_model.FOLDER


def _index(library: Library, catalog: "Catalog", workers: int) -> None:
    """Bring index and map in line with catalog and embeddings."""
    import pyarrow as pa

    from soundkin.embedding.store import read_embeddings
    from soundkin.search.edits import compact, edit_tracks
    from soundkin.search.index_difference import index_difference
    from soundkin.search.rebuilding import rebuild_index
    from soundkin.search.recordings import tracks_to_index
    from soundkin.search.vector_index import open_index

    embeddings = read_embeddings(library.embeddings)
    catalog = catalog.select(catalog.frame["track_id"].isin(embeddings.track_ids).to_numpy(bool))
    tracks = tracks_to_index(catalog, embeddings, library.embeddings, workers)
    try:
        difference = index_difference(open_index(library.index), embeddings, tracks, catalog.folder)
    except (UsageError, ArtefactError):  # there is none yet, or none that can be read
        difference = None
    if difference is None and not len(catalog):
        return  # nothing could be embedded, which is said of each file
    if difference is None or difference or not (library.map.exists() and library.map_places.exists()):
        draw_library_map(library, catalog, embeddings)  # first, so that after a kill it is drawn again
    if difference is None:
        rebuild_index(embeddings.select(catalog.track_ids), tracks, catalog.folder, library.index)
    elif difference:
        put = catalog.frame["track_id"].isin([*difference.added, *difference.updated]).to_numpy(bool)
        new = tracks.filter(pa.array(put)) if put.any() else None
        if edit_tracks(library.index, embeddings, new, catalog.folder, difference.removed).due:
            compact(library.index)
