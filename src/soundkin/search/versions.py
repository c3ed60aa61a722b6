"""A folder of versions, of which the file `CURRENT` names one.

    CURRENT         one line: `v7`, a blank, and the SHA-256 of v7/manifest.json
    v6/  v7/        each complete and never changed; manifest.json holds the SHA-256 of every other file

A version is filled in a temporary folder, renamed into place, and only then named by `CURRENT`, itself
swapped by a rename: a reader finds the old version or the new one, whole. The version before the current one
is kept for readers that have just looked; older ones and what killed runs left behind are removed by the next
run.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from soundkin.errors import ArtefactError, OutputError, UsageError
from soundkin.files import explaining_output, locked, replacing, replacing_folder, sha256_of

Result = TypeVar("Result")

CURRENT = "CURRENT"
MANIFEST = "manifest.json"


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """Fill a new version, its manifest included; on success it becomes the current one, else all stays."""
    folder = Path(folder)
    with explaining_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        versions = {name for name in names if re.fullmatch(r"v\d+", name)}
        if names - versions and CURRENT not in names:
            odd = min(names - versions)
            raise OutputError(f"{folder} holds other files, such as {odd}. Choose a new or empty folder.")
        for leftover in [*folder.glob(".v*.tmp"), *folder.glob(".v*.old")]:
            shutil.rmtree(leftover, ignore_errors=True)
        version = folder / f"v{max((int(name[1:]) for name in versions), default=0) + 1}"
        with replacing_folder(version) as unfinished:
            yield unfinished
            for path in unfinished.iterdir():  # have every file on disk before anything points to it
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        pointer = folder / CURRENT
        before = pointer.read_bytes().split(b" ")[0] if pointer.exists() else b""  # it may be corrupt
        with replacing(pointer, "w") as file:
            file.write(f"{version.name} {sha256_of(version / MANIFEST)}\n")
        for name in versions:
            if name.encode() != before:
                shutil.rmtree(folder / name, ignore_errors=True)


def current_version(folder: Path) -> Path:
    """The current version of `folder`, its manifest checked."""
    path = Path(folder) / CURRENT
    try:
        pointer = re.fullmatch(rb"(v\d+) ([0-9a-f]{64})\n", path.read_bytes())
        if pointer is None:
            raise _corrupt(path, "does not name a version and its checksum")
        path = path.with_name(pointer[1].decode()) / MANIFEST
        if hashlib.sha256(path.read_bytes()).hexdigest().encode() != pointer[2]:
            raise _corrupt(path, "does not have the checksum that CURRENT states")
    except OSError as error:
        if path.name == CURRENT and isinstance(error, FileNotFoundError | NotADirectoryError):
            make = f"soundkin index EMBEDDINGS -o {folder}"
            raise UsageError(f"{folder} is not an index. Make one: {make}") from error
        raise _corrupt(path, f"cannot be read ({error})") from error
    return path.parent


def read_current(folder: Path, read: Callable[[Path], Result]) -> Result:
    """`read(version)` of the current version; of the next one where it was replaced and removed meanwhile."""
    pointer = Path(folder) / CURRENT
    while True:
        before = pointer.read_bytes() if pointer.exists() else None
        try:
            return read(current_version(folder))
        except ArtefactError:
            if not pointer.exists() or pointer.read_bytes() == before:
                raise


def checksums(version: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each named file in `version`; reads 1.6 GB a second on one core here."""
    # Hashing leaves the interpreter's lock, so that a second core helps.
    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(lambda name: sha256_of(version / name), names), strict=True))


def check_files(version: Path, expected: Mapping[str, str]) -> None:
    """Raise ArtefactError unless the files of `version` have the SHA-256 that `expected` states by name."""
    for name in expected:
        if not (version / name).is_file():
            raise _corrupt(version / name, "is missing")
    for name, sha256 in checksums(version, expected).items():
        if sha256 != expected[name]:
            raise _corrupt(version / name, "does not have the checksum that its manifest states")


def _corrupt(path: Path, problem: str) -> ArtefactError:
    return ArtefactError(f"{path} {problem}. Build the index again: soundkin index EMBEDDINGS -o INDEX")
