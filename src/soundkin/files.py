"""Files that are whole or absent: everything is written beside its place, synced, and renamed into it."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from soundkin.errors import ArtefactError, OutputError


@contextmanager
def explaining_output(path: Path) -> Iterator[None]:
    """Turn the operating system's complaint about writing `path` into an `OutputError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_advice(error)}") from error


@contextmanager
def replacing(path: Path, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path`; on success it replaces `path` atomically, on failure nothing changes.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
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


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Fill a temporary folder beside `path`; on success it takes the place of `path`, on failure nothing changes.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    path = Path(path)
    with explaining_output(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        with explaining_output(path):
            temporary.chmod(0o755)
            yield temporary
            retired = temporary.with_suffix(".old")
            if path.exists():
                path.replace(retired)
            temporary.replace(path)
            shutil.rmtree(retired, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other writers out of an existing `folder`; a killed process leaves no lock behind.

    Raises:
        OutputError: another process holds the lock.
    """
    with explaining_output(folder):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise OutputError(f"another run is writing {folder}. Wait for it, or choose another folder.") from error
    try:
        yield
    finally:
        os.close(descriptor)


def path_from(folder: Path, path: Path) -> str:
    """`path` as seen from `folder`, so that both can move together; absolute where they share nothing but the root."""
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
    """Read the JSON of one of our artefacts, whose `format` is `kind` and whose `format_version` is `version`,
    or one from `oldest` on.

    Raises:
        ArtefactError: the file is missing, is not JSON, or is of another kind or version; says what to do.
    """
    value = read_json(path)
    if not isinstance(value, dict) or value.get("format") != kind:
        raise ArtefactError(f"{path} does not describe {kind}. Name another folder, or make the artefact again.")
    found = value.get("format_version")
    if found not in range(version if oldest is None else oldest, version + 1):
        newer = isinstance(found, int) and found > version
        mend = "Update soundkin" if newer else "Make the artefact again with this soundkin"
        raise ArtefactError(f"{path} has format version {found}; this soundkin reads version {version}. {mend}.")
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
    }
    return advice.get(error.errno or 0, error.strerror or str(error)) + "."
