"""Precompute neighbours: every track's answers are kept in a store, which is read in microseconds."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from soundkin.errors import ArtefactError, UsageError
from soundkin.extras import require
from soundkin.pipelines.options import Option, argument

if TYPE_CHECKING:
    from soundkin.embedding.library import Library
    from soundkin.search.store_update import StoreUpdate

WHAT = "a store of neighbours"
KEPT = 50  # neighbours a track


def precompute_neighbours(
    index: Annotated[Path | str, argument("INDEX")],
    store: Annotated[
        str | Path | None,
        Option(
            "A file, redis://HOST:PORT, rediss://HOST:PORT or unix:///SOCKET; a library has its own file.",
            ("-o", "--store"),
            metavar="STORE",
        ),
    ] = None,
    k: Annotated[int, Option("Neighbours a track.", ("-k",), minimum=1)] = KEPT,
    workers: Annotated[int | None, Option("Processes; by default 1 from Python.", minimum=1)] = None,
    replace: Annotated[bool, Option("Replace what is of another model or library, or corrupt.")] = False,
) -> "StoreUpdate":
    """Keep the answers of every track of INDEX in a store, a file or a Redis, for services that ask often.

    They are those of `soundkin query --like TRACK_ID`. Run it again after the index has changed: only lists
    that the change touches are computed. A run that was killed is gone on with. Readers keep the version that
    they opened until they open the next. `soundkin sync` keeps the stores of a library up to date.

    A password for Redis is taken from SOUNDKIN_REDIS_PASSWORD; `?name=jazz` behind the address tells several
    stores in one Redis apart.

    Examples:
      soundkin neighbours library
      soundkin neighbours index -o neighbours.lmdb -k 100
      soundkin neighbours library --store redis://localhost
      soundkin neighbours library --of 17_night-train

    Raises:
        UsageError: an option is off, or there is no index.
        OtherModelError: the store holds the lists of another model or other tracks, and `replace` is false.
        OutputError: the store cannot be written, or another run is writing it.
        StoreError: Redis cannot be reached, or refuses us.
        ArtefactError: index or store are corrupt.
    """
    require("serve", WHAT)
    from soundkin.search.neighbour_store import ListSettings, is_address
    from soundkin.search.store_update import update_store
    from soundkin.search.vector_index import open_index

    if k < 1:
        raise UsageError(f"k={k}: keep at least 1 neighbour a track.")
    opened = open_index(Path(index))
    library = library_of(opened.folder)
    location = store or (library.neighbours if library else None)
    if location is None:
        raise UsageError(f"{index} is no library, so say where the neighbours are to be kept: -o FILE")
    done = update_store(location, opened, ListSettings(k=k), workers or 1, replace)
    if library and is_address(location):
        _note(library, str(location))
    return done


def refresh_neighbours(index: Path, workers: int = 1) -> "list[StoreUpdate]":
    """Bring the stores of a library up to its index, which was edited; does nothing where there is none.

    Lists of another model are replaced. Raises as `precompute_neighbours` does.
    """
    library = library_of(index)
    locations = [] if library is None else stores_of(library)
    if not locations:
        return []
    require("serve", WHAT)
    from soundkin.search.neighbour_store import ListSettings, NeighbourStore
    from soundkin.search.store_update import update_store
    from soundkin.search.vector_index import open_index

    opened, done = open_index(index), []
    for location in locations:
        try:
            with NeighbourStore.open(location) as store:
                k = store.about.settings.k
        except (ArtefactError, UsageError):  # it is made anew
            k = KEPT
        done.append(update_store(location, opened, ListSettings(k=k), workers, replace=True))
    return done


def stored_neighbours(
    index_or_store: Path | str, track_id: str, k: int | None = None, store: str | Path | None = None
) -> list[tuple[str, float]]:
    """What a store holds for a track: track_ids and cosines, best first, at most `k`.

    The store is `store`, or the first of the library `index_or_store`, or that itself.
    """
    require("serve", WHAT)
    from soundkin.embedding.library import index_in
    from soundkin.search.neighbour_store import NeighbourStore, is_address

    location = store or index_or_store
    if store is None and not is_address(location):
        library = library_of(index_in(Path(location)))
        location = next(iter(stores_of(library)), location) if library else location
    with NeighbourStore.open(location) as opened:
        return opened.neighbours(track_id, k and min(k, opened.about.settings.k))


def library_of(index: Path) -> "Library | None":
    """The library that an index folder is part of; None where it stands alone."""
    from soundkin.embedding.library import Library, index_in

    folder = index_in(Path(index)).resolve()
    library = Library(folder.parent)
    return library if library.index == folder and library.catalog.exists() else None


def stores_of(library: "Library") -> list[str]:
    """Where the neighbours of a library are kept: in itself, elsewhere, or nowhere."""
    own = [str(library.neighbours)] if library.neighbours.exists() else []
    noted = library.neighbours_elsewhere
    return own + (noted.read_text(encoding="utf-8").split() if noted.exists() else [])


def _note(library: "Library", address: str) -> None:
    """Let the library know of a store that is kept elsewhere, without the password."""
    from soundkin.files import replacing
    from soundkin.search.neighbour_store import place_at

    noted = library.neighbours_elsewhere
    known = noted.read_text(encoding="utf-8").split() if noted.exists() else []
    if str(place_at(address)) not in known:
        with replacing(noted, "w") as file:
            file.writelines(f"{line}\n" for line in [*known, str(place_at(address))])
