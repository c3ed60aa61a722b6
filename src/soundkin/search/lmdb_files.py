"""A store of neighbours in one file of LMDB, which is never changed.

The next version is made in a folder beside it and renamed into its place; who has the file open keeps it. So
readers need no locks, hold up nobody, leave nothing behind when killed, and may read from a read-only disk.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from soundkin.errors import ArtefactError, OutputError, UsageError
from soundkin.extras import require
from soundkin.files import explaining_output, locked
from soundkin.search.neighbour_store import corrupt

require("serve", "a store of neighbours")

import lmdb  # noqa: E402

MAGIC = b"\xde\xc0\xef\xbe"  # of LMDB, at byte 16
FIRST_MAP_BYTES = 64 << 20  # grows by doubling

# LMDB forbids a process to open a file twice, so its readers share what is open; by device and inode.
_opened: WeakValueDictionary[tuple[int, int], lmdb.Environment] = WeakValueDictionary()
_opening = threading.Lock()


class LmdbFile:
    """The file at `path`, whether or not there is one."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __str__(self) -> str:
        return str(self._path)

    def current(self) -> "LmdbValues | None":
        """What the file holds now; None without a file."""
        if self._path.is_dir():
            raise UsageError(f"{self} is a folder, and a store of neighbours is a file. Name another.")
        try:
            return LmdbValues(self._path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArtefactError(f"{self} cannot be read: {error.strerror}.") from error

    @contextmanager
    def drafting(self) -> Iterator["LmdbDraft"]:
        """The next version, in a folder that is kept until it is published."""
        folder = self._path.with_name(f".{self._path.name}.draft")
        with explaining_output(self._path):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder), _explaining_lmdb(self._path):
            draft = LmdbDraft(folder / "lists.lmdb", self._path)
            try:
                yield draft
            finally:
                draft.close()


class LmdbValues:
    """What a file held when it was opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _opening:
            while True:
                self._identity = _identity(path)
                self._environment = _opened.get(self._identity) or _open(path)
                if _identity(path) == self._identity:  # else it was replaced meanwhile
                    break
            _opened[self._identity] = self._environment

    def get(self, key: bytes) -> bytes | None:
        """The value under a key."""
        try:
            with self._environment.begin() as transaction:
                return transaction.get(key)
        except lmdb.Error as error:
            raise corrupt(self._path, error) from error

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values under these keys."""
        return [self.get(key) for key in keys]

    def copy(self, path: Path) -> None:
        """Write all of it into a new file."""
        with path.open("wb") as file:
            self._environment.copyfd(file.fileno(), compact=True)

    def is_current(self) -> bool:
        """Whether no other file has taken its place."""
        try:
            return _identity(self._path) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the file, which closes when nobody in this process reads it."""
        del self._environment


class LmdbDraft:
    """The next version in a file of its own."""

    def __init__(self, path: Path, target: Path) -> None:
        self._path, self._target = path, target
        try:
            self._environment = self._open()
        except lmdb.Error:  # the machine went down while it was written
            path.unlink()
            self._environment = self._open()

    def _open(self) -> lmdb.Environment:
        size = self._path.stat().st_size if self._path.exists() else 0
        return lmdb.open(str(self._path), subdir=False, lock=False, map_size=max(FIRST_MAP_BYTES, 2 * size))

    def get(self, key: bytes) -> bytes | None:
        """The value under a key."""
        with self._environment.begin() as transaction:
            return transaction.get(key)

    def restart(self, from_current: bool) -> None:
        """Throw away what is in it, and begin with the current version's values or with none."""
        self._environment.close()
        self._path.unlink()
        if from_current:
            copy = self._path.with_suffix(".copy")  # a kill must not leave half of it under the name
            LmdbValues(self._target).copy(copy)
            copy.rename(self._path)
        self._environment = self._open()

    def put(self, values: Mapping[bytes, bytes], removed: Sequence[bytes] = ()) -> None:
        """Write all of this in one step, onto the disk."""
        try:
            with self._environment.begin(write=True) as transaction:
                transaction.cursor().putmulti(values.items())
                for key in removed:
                    transaction.delete(key)
        except lmdb.MapFullError:
            self._environment.set_mapsize(2 * self._environment.info()["map_size"])
            self.put(values, removed)

    def publish(self) -> None:
        """Let it take the place of the file."""
        self._environment.close()
        self._path.replace(self._target)

    def close(self) -> None:
        """Let go of the file; what is in it stays."""
        self._environment.close()
        if self._path.exists() and not self._holds_anything():
            self._path.unlink()
        with suppress(OSError):  # it holds something
            self._path.parent.rmdir()

    def _holds_anything(self) -> bool:
        with self._open() as environment:
            return bool(environment.stat()["entries"])


def _open(path: Path) -> lmdb.Environment:
    """Open what LMDB reads without crashing: the right kind of file, as long as it says."""
    with path.open("rb") as file:
        if file.read(20)[16:] != MAGIC:
            raise UsageError(f"{path} is another file than a store of neighbours. Choose another name.")
    try:
        environment = lmdb.open(str(path), subdir=False, lock=False, readonly=True, readahead=False)
        pages = environment.info()["last_pgno"] + 1
        if pages * environment.stat()["psize"] > path.stat().st_size:
            raise lmdb.CorruptedError("its end is missing")
    except lmdb.Error as error:
        raise corrupt(path, error) from error
    return environment


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


@contextmanager
def _explaining_lmdb(path: Path) -> Iterator[None]:
    """Turn what LMDB or the disk says about writing `path` into an OutputError that says what to do."""
    with explaining_output(path):
        try:
            yield
        except lmdb.Error as error:
            raise OutputError(
                f"cannot write {path}: {error.reason}. Is the disk full? Free some space, and run the same "
                "command again."
            ) from error
