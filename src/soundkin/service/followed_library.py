"""A library that is followed: new versions are opened beside the old one, and then take its place.

Each request takes `current` once and asks nothing else, so that it ends on the version it began with. What no
request uses any more is closed by Python.
"""

import logging
import os
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from starlette.requests import Request

from soundkin.catalog.paths import on_disk
from soundkin.catalog.server_ids import NO_SERVER_IDS, ServerIds, read_server_ids
from soundkin.embedding.library import index_in
from soundkin.errors import SoundkinError
from soundkin.pipelines.precompute import library_of, stores_of
from soundkin.search.discography import Discography, NamedAlbum
from soundkin.search.lmdb_files import LmdbFile
from soundkin.search.neighbour_store import NeighbourStore, key_of
from soundkin.search.packed_list import ListedAnswers
from soundkin.search.typed_words import TypedWords
from soundkin.search.vector_index import Index, open_index
from soundkin.search.versions import CURRENT
from soundkin.service.linked_ids import LinkedIds
from soundkin.service.problems import NoSuchTrackError

log = logging.getLogger(__name__)


class StoredNeighbours:
    """The stored neighbours of a version of an index, as its rows."""

    def __init__(self, store: NeighbourStore, index: Index) -> None:
        self._store = store
        rows = pc.index_in(
            pa.array(store.ids, pa.large_string()),
            value_set=index.tracks.batch.column("track_id").cast(pa.large_string()),
        )
        self._rows = rows.fill_null(-1).to_numpy(zero_copy_only=False)
        self.most = store.about.settings.k
        self.is_near = isinstance(store.place, LmdbFile)  # read in microseconds

    def is_current(self) -> bool:
        """Whether no newer ones have taken their place."""
        return self._store.is_current()

    def answers(self, track_id: str) -> ListedAnswers:
        """As rows, best first. Raises ArtefactError or StoreError where they cannot be read."""
        key = key_of(track_id)
        listed = self._store.read(key, self._store.values.get(key) or b"").listed()
        listed.tracks = self._rows[listed.tracks].tolist()
        listed.folded = [self._rows[folded].tolist() if folded else [] for folded in listed.folded]
        return listed


class ServedLibrary:
    """One version of a library, opened; `stored` is None where no neighbours of this version are stored.

    `listed` is how many are, or were before: so many are looked for, of which fewer may be answered with.
    """

    def __init__(
        self,
        index: Index,
        stored: StoredNeighbours | None = None,
        listed: int = 0,
        server_ids: ServerIds = NO_SERVER_IDS,
    ) -> None:
        self.index, self.stored, self.linked = index, stored, LinkedIds(index, server_ids)
        self.listed = listed if stored is None else stored.most
        self.version = index.version

    def row(self, track_id: str) -> int:
        """Where a track is. Raises NoSuchTrackError."""
        row = self.index.tracks.row(track_id)
        if row is None:
            raise NoSuchTrackError(
                f"there is no track {track_id[:200]!r}. Search for it: GET /tracks?q=WORDS"
            )
        return row

    @cached_property
    def words(self) -> TypedWords:
        """By which tracks are searched for."""
        return TypedWords(self.index.tracks)

    @cached_property
    def discography(self) -> Discography:
        """The artists and albums."""
        return Discography(self.index.tracks)

    @cached_property
    def newest_albums(self) -> list[NamedAlbum]:
        """The albums, those of the newest files first."""
        return sorted(self.discography.albums.values(), key=self.written, reverse=True)

    def written(self, album: NamedAlbum) -> float:
        """When the file of an album's first track was written, in Unix seconds; 0 where it is gone."""
        path = self.index.audio_path(self.index.tracks.label(album.rows[0]).path)
        try:
            return max(0.0, os.stat(on_disk(path)).st_mtime)  # noqa: PTH116
        except (OSError, ValueError):
            return 0.0


class FollowedLibrary:
    """A library, or an index alone, whose `current` version is the newest that could be opened.

    `problem` says why a newer one could not; then the one before stays. Raises as `open_index` does where
    there is none to begin with.
    """

    def __init__(self, folder: Path, neighbours: str | None = None) -> None:
        self.index_folder = index_in(folder)
        self._named_store = neighbours
        self.problem = ""
        self.swaps = 0
        self._server_ids = NO_SERVER_IDS
        self._server_ids_state: tuple[int, ...] | None = None
        self._pointer = self._read_pointer()
        self.current = self._with_store(open_index(self.index_folder))
        self.look()  # for the server's ids

    def look(self) -> None:
        """Go on to what is new: a version of the index, its neighbours, the ids of a media server."""
        problems = []
        for look_at in (self._look_at_index, self._look_at_server_ids):
            try:
                look_at()
            except (SoundkinError, OSError) as error:
                problems.append(str(error))
        problem = " ".join(problems)
        if problem and problem != self.problem:
            log.warning("still serving %s: %s", self.current.version, problem)
        self.problem = problem

    def _look_at_index(self) -> None:
        pointer = self._read_pointer()
        if pointer != self._pointer:
            self.current = self._with_store(self.current.index.newest(), self.current.listed)
            self._pointer, self.swaps = pointer, self.swaps + 1
            log.info("serving %s of %s", self.current.version, self.index_folder)
        elif self.current.stored is None or not self.current.stored.is_current():
            self._look_for_store()

    def _look_at_server_ids(self) -> None:
        library = library_of(self.index_folder)
        state = _state(library.server_ids) if library is not None else None
        if state == self._server_ids_state:
            return
        self._server_ids = read_server_ids(library.server_ids) if library is not None else NO_SERVER_IDS
        self._server_ids_state = state
        before = self.current
        self.current = ServedLibrary(before.index, before.stored, before.listed, self._server_ids)
        log.info("a media server has ids for %d of the tracks", len(self.current.linked))

    def _look_for_store(self) -> None:
        """Go on to the neighbours of this version, where there are others than before."""
        stored = self._open_store(self.current.index)
        if stored is not None or self.current.stored is not None:
            before = self.current
            self.current = ServedLibrary(before.index, stored, before.listed, self._server_ids)

    def _with_store(self, index: Index, listed: int = 0) -> ServedLibrary:
        return ServedLibrary(index, self._open_store(index), listed, self._server_ids)

    def _open_store(self, index: Index) -> StoredNeighbours | None:
        """The neighbours of this version; None where there are none, or none yet."""
        for location in self._stores():
            try:
                return StoredNeighbours(NeighbourStore.open(location, index), index)
            except SoundkinError as error:
                log.debug("not answering from %s: %s", location, error)
        return None

    def _stores(self) -> list[str]:
        """Where neighbours are stored: where we were told, or else by the library."""
        if self._named_store is not None:
            return [self._named_store]
        library = library_of(self.index_folder)
        return stores_of(library) if library is not None else []

    def _read_pointer(self) -> bytes:
        try:
            return (self.index_folder / CURRENT).read_bytes()
        except OSError:
            return b""


def _state(path: Path) -> tuple[int, ...] | None:
    """What tells a file from the one that takes its place; None where there is none."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return state.st_ino, state.st_size, state.st_mtime_ns


async def current_library(request: Request) -> ServedLibrary:
    """The version that a request is answered from."""
    current: ServedLibrary = request.app.state.library.current
    return current
