"""A library that is followed: new versions are opened beside the old one, and then take its place.

Each request takes `current` once and asks nothing else, so that it ends on the version it began with. What no
request uses any more is closed by Python.
"""

import logging
from functools import cached_property
from pathlib import Path

from starlette.requests import Request

from soundkin.embedding.library import index_in
from soundkin.errors import SoundkinError
from soundkin.pipelines.precompute import library_of, stores_of
from soundkin.search.lmdb_files import LmdbFile
from soundkin.search.neighbour_store import NeighbourStore
from soundkin.search.typed_words import TypedWords
from soundkin.search.vector_index import Index, open_index
from soundkin.search.versions import CURRENT
from soundkin.service.problems import NoSuchTrackError

log = logging.getLogger(__name__)


class ServedLibrary:
    """One version of a library, opened; `store` is None where no neighbours of this version are stored."""

    def __init__(self, index: Index, store: NeighbourStore | None = None) -> None:
        self.index, self.store = index, store
        self.version = index.version
        self.store_is_near = store is not None and isinstance(
            store.place, LmdbFile
        )  # it answers in microseconds

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
        self._pointer = self._read_pointer()
        self.current = self._with_store(open_index(self.index_folder))

    def look(self) -> None:
        """Go on to the newest version if there is one, of the index or of its neighbours."""
        pointer = self._read_pointer()
        try:
            if pointer != self._pointer:
                self.current = self._with_store(self.current.index.newest())
                self._pointer, self.swaps = pointer, self.swaps + 1
                log.info("serving %s of %s", self.current.version, self.index_folder)
            elif self.current.store is None or not self.current.store.is_current():
                self.current = self._with_store(self.current.index, self.current)
            self.problem = ""
        except (SoundkinError, OSError) as error:
            if str(error) != self.problem:
                log.warning("still serving %s: %s", self.current.version, error)
            self.problem = str(error)

    def _with_store(self, index: Index, before: ServedLibrary | None = None) -> ServedLibrary:
        """The index with its stored neighbours; `before` where they are as they were."""
        store = self._open_store(index)
        if store is None and before is not None and before.store is None:
            return before
        return ServedLibrary(index, store)

    def _open_store(self, index: Index) -> NeighbourStore | None:
        """The neighbours of this version; None where there are none, or none yet."""
        for location in self._stores():
            try:
                store = NeighbourStore.open(location, index)
                _ = store.ids  # read now rather than in the first request
            except SoundkinError as error:
                log.debug("not answering from %s: %s", location, error)
            else:
                return store
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


async def current_library(request: Request) -> ServedLibrary:
    """The version that a request is answered from."""
    current: ServedLibrary = request.app.state.library.current
    return current
