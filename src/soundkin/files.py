"""Files that are whole or absent: everything is written next to its place, synced, and renamed into it."""

import ctypes
import errno
import fcntl
import glob
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TypeVar

from soundkin.errors import ArtefactError, OutputError, OutputPlaceError, SoundkinError

Result = TypeVar("Result")

# Of the numbers of an OSError: what is asked for cannot be a file (a folder) there.
NO_PLACE = {errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTDIR}
AT_FDCWD, RENAME_EXCHANGE = -100, 2  # of Linux: linux/fcntl.h, linux/fs.h


@contextmanager
def explaining_output(path: Path) -> Iterator[None]:
    """Turn an `OSError` about writing `path` into an `OutputError` that says what to do.

    It is an `OutputPlaceError` where no run could write there.
    """
    try:
        yield
    except OSError as error:
        kind = OutputPlaceError if error.errno in NO_PLACE else OutputError
        raise kind(f"cannot write {path}: {_advice(error)}") from error


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file next to `path`; on success it replaces `path` in one step.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = _temporary(path)
    encoding, newline = (None, None) if "b" in mode else ("utf-8", "")
    with explaining_output(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = temporary.open(mode, encoding=encoding, newline=newline)
    try:
        with explaining_output(path), file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with explaining_output(path):
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_place(path: Path | str) -> Path:
    """`path`; raises OutputError where `replacing` would, before the work is done. Makes no folder."""
    path = Path(path)
    with explaining_output(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        tried = nearest_folder(path.parent) / _temporary(path).name
        tried.open("wb").close()
        tried.unlink()
    return path


def nearest_folder(path: Path) -> Path:
    """The folder `path` or, where it is yet to be made, the nearest one that it will be in."""
    return next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Fill a temporary folder next to `path`; on success it replaces `path`, on failure nothing changes.

    A reader finds the old folder or the new one at every moment, after a kill or an error too: the two names
    are exchanged in one step. A file system without that step (NFS, for one) needs two renames; an error
    between them is undone at once, and after a kill exactly there the next writer puts the old folder back.
    What killed writers left next to `path` is removed.

    Raises:
        OutputError: the folder cannot be written, a file is in its place, or the disk is full.
    """
    path = Path(path)
    with explaining_output(path):
        if path.is_symlink():
            path = path.resolve()  # the link stays, and what it leads to is replaced
        if path.exists() and not path.is_dir():
            raise FileExistsError(errno.EEXIST, "a file is in the way", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(path)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        with explaining_output(path), locked(temporary):
            temporary.chmod(0o755)
            yield temporary
            if not path.exists():
                temporary.rename(path)
            elif not _exchange(temporary, path):
                _rename_twice(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # by now the old folder, if all went well


def _exchange(new: Path, path: Path) -> bool:
    """Let two names change places in one step; False where the file system has no such step."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if renameat2(AT_FDCWD, os.fsencode(new), AT_FDCWD, os.fsencode(path), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(path))


def _rename_twice(new: Path, path: Path) -> None:
    """The way without an exchange: between the two renames there is nothing under the name."""
    retired = _retired(path)
    path.rename(retired)
    try:
        new.rename(path)
    except BaseException:
        retired.rename(path)
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _retired(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _clear_leftovers(path: Path) -> None:
    """Put back what a kill between two renames took away; remove what killed writers left."""
    retired = _retired(path)
    if retired.exists() and not path.exists():
        retired.rename(path)
    shutil.rmtree(retired, ignore_errors=True)
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with suppress(OutputError), locked(folder) as is_dead:
            if is_dead:
                shutil.rmtree(folder, ignore_errors=True)


def read_whole(folder: Path, read: Callable[[Path], Result]) -> Result:
    """`read(folder)`, again where the folder was replaced meanwhile: its files are to be of one version."""
    while folder.is_dir():
        descriptor = os.open(folder, os.O_RDONLY)  # while it is open, no other folder gets its number
        try:
            result = read(folder)
        except (SoundkinError, OSError):
            if _is_at(folder, descriptor):
                raise
        else:
            if _is_at(folder, descriptor):
                return result
        finally:
            os.close(descriptor)
    return read(folder)


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether `path` still leads to the open folder."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep other writers out of an existing `folder`; a killed process leaves no lock behind.

    Yields whether there is a lock: a file system that cannot lock folders, as NFS, keeps nobody out.

    Raises:
        OutputError: another process holds the lock.
    """
    with explaining_output(folder):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_locked = True
    except BlockingIOError as error:
        os.close(descriptor)
        raise OutputError(
            f"another run is writing {folder}. Wait for it, or choose another folder."
        ) from error
    except OSError:
        is_locked = False
    try:
        yield is_locked
    finally:
        os.close(descriptor)


def path_from(folder: Path, path: Path) -> str:
    """`path` relative to `folder`, so that both can move; absolute where they share only the root."""
    path, folder = Path(path).resolve(), Path(folder).resolve()
    if os.path.commonpath([path, folder]) == path.anchor:
        return str(path)
    return os.path.relpath(path, folder)


def write_json(path: Path, value: object) -> None:
    """Write `value` as indented JSON with sorted keys, so that equal values are equal bytes."""
    with replacing(path, "w") as file:
        file.write(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read one of our own JSON files.

    Raises:
        ArtefactError: the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} is missing. Make the artefact again, or name another folder.") from error
    except (OSError, ValueError) as error:
        raise ArtefactError(f"{path} cannot be read ({error}). Make the artefact again.") from error


def read_versioned_json(path: Path, kind: str, version: int, oldest: int | None = None) -> dict[str, Any]:
    """Read the JSON of an artefact of ours: `format` is `kind`, `format_version` from `oldest` to `version`.

    Raises:
        ArtefactError: the file is missing, is not JSON, or is of another kind or version; says what to do.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.get("format") != kind:
        raise ArtefactError(
            f"{path} does not describe {kind}. Name another folder, or make the artefact again."
        )
    given = value.get("format_version")
    if given not in range(version if oldest is None else oldest, version + 1):
        newer = isinstance(given, int) and given > version
        hint = "Update soundkin" if newer else "Make the artefact again with this soundkin"
        raise ArtefactError(
            f"{path} has format version {given}; this soundkin reads version {version}. {hint}."
        )
    return value


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_text(text: str) -> str:
    """SHA-256 of a text in UTF-8, as hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def _advice(error: OSError) -> str:
    advice = {
        errno.ENOSPC: "the disk is full. Free some space and run the same command again",
        errno.EDQUOT: "the disk quota is used up. Free some space and run the same command again",
        errno.EACCES: "permission denied. Choose a folder you may write to",
        errno.EPERM: "permission denied. Choose a folder you may write to",
        errno.EROFS: "the file system is read-only. Choose another folder",
        errno.ENOTDIR: "part of the path is a file, not a folder. Choose another path",
        errno.EEXIST: "a file is in the way. Move it, or choose another path",
        errno.EISDIR: "it is a folder. Choose another path",
        errno.ELOOP: "links lead in a circle. Choose another path",
        errno.ENAMETOOLONG: "the name is too long. Choose a shorter one",
        errno.ENOENT: "no file or folder can be made there. Choose another path",
    }
    return advice.get(error.errno or 0, error.strerror or str(error)) + "."
