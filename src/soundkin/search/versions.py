"""A folder of versions, of which the file `CURRENT` names one.

    CURRENT         one line: `v7`, a blank, and the SHA-256 of v7/manifest.json
    snapshots/NAME  the same, of a version that is to stay
    v6/  v7/        each complete and never changed; manifest.json holds the SHA-256 of every other file

A version is filled in a temporary folder, renamed into place, and only then named by `CURRENT`, itself
swapped by a rename: a reader finds the old version or the new one, whole. The version before the current one
is kept for readers that have just looked, and snapshots are; others and what killed runs left behind are
removed by the next run. Versions may share files by hard links.
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

from soundkin.config import nearest
from soundkin.errors import ArtefactError, OutputPlaceError, UsageError
from soundkin.files import explaining_output, locked, replacing, replacing_folder, sha256_of

Result = TypeVar("Result")

CURRENT = "CURRENT"
SNAPSHOTS = "snapshots"
MANIFEST = "manifest.json"

SNAPSHOT_NAME = re.compile(r"(?!v\d+$)\w[\w.-]*")


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """Fill a new version, its manifest included; on success it becomes the current one, else all stays."""
    folder = Path(folder)
    with explaining_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _writing(folder):
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        versions = {name for name in names if re.fullmatch(r"v\d+", name)}
        if names - versions and CURRENT not in names:
            odd = min(names - versions)
            raise OutputPlaceError(
                f"{folder} holds other files, such as {odd}. Choose a new or empty folder."
            )
        version = folder / f"v{max((int(name[1:]) for name in versions), default=0) + 1}"
        with replacing_folder(version) as unfinished:
            yield unfinished
            for path in unfinished.iterdir():  # have every file on disk before anything points to it
                with path.open("rb") as file:
                    if os.fstat(file.fileno()).st_nlink == 1:  # what is shared is there already
                        os.fsync(file.fileno())
        pointer = folder / CURRENT
        before = pointer.read_bytes().split(b" ")[0].decode("ascii", "replace") if pointer.exists() else ""
        _point(pointer, version)
        for name in versions - {before, *snapshots(folder).values()}:
            shutil.rmtree(folder / name, ignore_errors=True)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Keep other writers out, and clear what killed ones left."""
    with locked(folder):
        for leftover in [*folder.glob(".v*.tmp"), *folder.glob(".v*.old")]:
            shutil.rmtree(leftover, ignore_errors=True)
        for leftover in [*folder.glob(f".{CURRENT}.*.tmp"), *folder.glob(f"{SNAPSHOTS}/.*.tmp")]:
            leftover.unlink(missing_ok=True)
        yield


def current_version(folder: Path) -> Path:
    """The current version of `folder`, its manifest checked."""
    return _pointed_at(Path(folder) / CURRENT, Path(folder))


def snapshots(folder: Path) -> dict[str, str]:
    """The version, such as `v7`, that each snapshot names."""
    pointers = sorted(path for path in (folder / SNAPSHOTS).glob("[!.]*") if path.is_file())
    return {pointer.name: pointer.read_text(errors="replace").split(" ")[0] for pointer in pointers}


def make_snapshot(folder: Path, name: str) -> Path:
    """Keep the current version by a name. Raises UsageError for a name that is taken, or is none."""
    if not SNAPSHOT_NAME.fullmatch(name):
        raise UsageError(f"snapshot {name!r}: take letters, digits, . _ - for a name, and none such as v7.")
    current_version(folder)
    with _writing(folder):
        if name in snapshots(folder):
            raise UsageError(f"there is a snapshot {name} already. Choose another name, or remove that one.")
        version = current_version(folder)
        _point(folder / SNAPSHOTS / name, version)
    return version


def remove_snapshot(folder: Path, name: str) -> Path:
    """Forget a snapshot; the next edit removes its version. Raises UsageError where there is none."""
    current_version(folder)
    with _writing(folder), explaining_output(folder):
        version = folder / snapshots(folder).get(name, "")
        _known_snapshot(folder, name).unlink()
    return version


def roll_back(folder: Path, name: str | None, check: Callable[[Path], object]) -> Path:
    """Make a snapshot's version current again; without a name, the one before the current.

    The current one may be corrupt. `check(version)` raises where the other is not whole; then all stays.
    Raises UsageError where there is none such.
    """
    if not (folder / CURRENT).exists():
        current_version(folder)  # says that there is no index
    with _writing(folder):
        if name is None:
            version = _before_current(folder)
        else:
            version = _pointed_at(_known_snapshot(folder, name), folder)
        check(version)
        _point(folder / CURRENT, version)
    return version


def _known_snapshot(folder: Path, name: str) -> Path:
    known = snapshots(folder)
    if name not in known:
        hint = nearest(name, known) if known else f" Make one: soundkin index snapshot {folder} NAME"
        raise UsageError(f"there is no snapshot {name}.{hint}")
    return folder / SNAPSHOTS / name


def _before_current(folder: Path) -> Path:
    current, _ = _named_by(folder / CURRENT)
    earlier = [number for number in map(_number, folder.iterdir()) if 0 < number < _number(folder / current)]
    if not earlier:
        raise UsageError(f"no version before {folder / current} is kept. Name a snapshot.")
    return folder / f"v{max(earlier)}"


def _number(version: Path) -> int:
    """7 of `v7`, 0 of any other file."""
    return int(version.name[1:]) if re.fullmatch(r"v\d+", version.name) else 0


def _point(pointer: Path, version: Path) -> None:
    with replacing(pointer, "w") as file:
        file.write(f"{version.name} {sha256_of(version / MANIFEST)}\n")


def _named_by(pointer: Path) -> tuple[str, str]:
    """What a file names: a version, such as v7, and the checksum of its manifest."""
    named = re.fullmatch(rb"(v\d+) ([0-9a-f]{64})\n", pointer.read_bytes())
    if named is None:
        raise _corrupt(pointer, "does not name a version and its checksum")
    return named[1].decode(), named[2].decode()


def _pointed_at(pointer: Path, folder: Path) -> Path:
    """The version of `folder` that a file points at, its manifest checked."""
    path = pointer
    try:
        version, sha256 = _named_by(pointer)
        path = folder / version / MANIFEST
        if hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise _corrupt(path, f"does not have the checksum that {pointer.name} states")
    except OSError as error:
        if path.name == CURRENT and isinstance(error, FileNotFoundError | NotADirectoryError):
            raise UsageError(
                f"{folder} is not an index. Make one: soundkin index EMBEDDINGS -o INDEX; for a folder of "
                f"music: soundkin sync {folder}"
            ) from error
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
    if path.parent.name == SNAPSHOTS:
        index = path.parent.parent
        hint = f"Let go of it: soundkin index snapshot {index} {path.name} --remove"
    else:
        hint = (
            "Build the index again: soundkin index EMBEDDINGS -o INDEX, or for a library: soundkin sync; "
            "or go back to the version before: soundkin index rollback INDEX"
        )
    return ArtefactError(f"{path} {problem}. {hint}")
