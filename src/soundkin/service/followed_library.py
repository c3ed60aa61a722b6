"""A library that is followed: new versions are opened beside the old one, and then take its place.

Each request takes `current` once and asks nothing else, so that it ends on the version it began with. What no
request uses any more is closed by Python.
"""

import logging
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from starlette.requests import Request

from soundkin.embedding.library import index_in
from soundkin.errors import SoundkinError
from soundkin.pipelines.precompute import library_of, stores_of
from soundkin.search.lmdb_files import LmdbFile
from soundkin.search.neighbour_store import NeighbourStore, key_of
from soundkin.search.packed_list import ListedAnswers
from soundkin.search.typed_words import TypedWords
from soundkin.search.vector_index import Index, open_index
from soundkin.search.versions import CURRENT
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

    def __init__(self, index: Index, stored: StoredNeighbours | None = None, listed: int = 0) -> None:
        self.index, self.stored = index, stored
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
                self.current = self._with_store(self.current.index.newest(), self.current.listed)
                self._pointer, self.swaps = pointer, self.swaps + 1
                log.info("serving %s of %s", self.current.version, self.index_folder)
            elif self.current.stored is None or not self.current.stored.is_current():
                self._look_for_store()
            self.problem = ""
        except (SoundkinError, OSError) as error:
            if str(error) != self.problem:
                log.warning("still serving %s: %s", self.current.version, error)
            self.problem = str(error)

    def _look_for_store(self) -> None:
        """Go on to the neighbours of this version, where there are others than before."""
        newer = self._with_store(self.current.index, self.current.listed)
        if newer.stored is not None or self.current.stored is not None:
            self.current = newer

    def _with_store(self, index: Index, listed: int = 0) -> ServedLibrary:
        return ServedLibrary(index, self._open_store(index), listed)

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


async def current_library(request: Request) -> ServedLibrary:
    """The version that a request is answered from."""
    current: ServedLibrary = request.app.state.library.current
    return current
