"""A folder of versions, of which the file `CURRENT` names one.

    CURRENT         one line: `v7`, a blank, and the SHA-256 of v7/manifest.json
    v6/  v7/        each complete and never changed; manifest.json holds the SHA-256 of every other file

A version is filled beside its place, renamed into it, and only then named by `CURRENT`, itself swapped by a
rename: a reader finds the old version or the new one, whole. The version before the current one is kept for
readers that have just looked; older ones and what killed runs left behind are removed by the next run.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from soundkin.errors import ArtefactError, OutputError, UsageError
from soundkin.files import explaining_output, locked, replacing, replacing_folder, sha256_of

CURRENT = "CURRENT"
MANIFEST = "manifest.json"


@contextmanager
def new_version(folder: Path) -> Iterator[Path]:
    """Fill a new version, its manifest included; on success it becomes the current one, on failure nothing
    changes.

    Raises:
        OutputError: the folder holds other files, another run writes to it, or the disk is full.
    """
    folder = Path(folder)
    with explaining_output(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        _refuse_other_files(folder)
        _remove_unfinished(folder)
        before = _named(folder)
        version = folder / f"v{max(_numbers(folder), default=0) + 1}"
        with replacing_folder(version) as unfinished:
            yield unfinished
            _sync(unfinished)
        with replacing(folder / CURRENT, "w") as file:
            file.write(f"{version.name} {sha256_of(version / MANIFEST)}\n")
        _prune(folder, keep={version.name, before})


def current_version(folder: Path) -> Path:
    """The current version of `folder`, its manifest known to be the one that was written.

    Raises:
        UsageError: there is no such folder, or nothing was ever finished in it.
        ArtefactError: `CURRENT` or the manifest is corrupt.
    """
    version, sha256 = _pointer(Path(folder))
    try:
        content = (version / MANIFEST).read_bytes()
    except OSError as error:
        raise _corrupt(version / MANIFEST, f"cannot be read ({error})") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise _corrupt(version / MANIFEST, "does not have the checksum that CURRENT states")
    return version


def checksums(version: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each named file in `version`; reads 1.6 GB a second on one core here."""
    # Hashing leaves the interpreter's lock, so that a second core helps.
    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(lambda name: sha256_of(version / name), names), strict=True))


def check_files(version: Path, expected: Mapping[str, str]) -> None:
    """Raise ArtefactError unless `version` holds the files of `expected`, which maps names to SHA-256, as
    written.
    """
    for name in expected:
        if not (version / name).is_file():
            raise _corrupt(version / name, "is missing")
    found = checksums(version, expected)
    for name in expected:
        if found[name] != expected[name]:
            raise _corrupt(version / name, "does not have the checksum that its manifest states")


def _named(folder: Path) -> str:
    """What `CURRENT` names, be it sound or not: a corrupt index can be built anew."""
    path = folder / CURRENT
    return path.read_text(encoding="utf-8", errors="replace").split(" ")[0] if path.exists() else ""


def _pointer(folder: Path) -> tuple[Path, str]:
    """The version that `CURRENT` names, and the SHA-256 of its manifest."""
    path = folder / CURRENT
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{folder} is not an index. Make one: soundkin index EMBEDDINGS -o {folder}"
        ) from error
    except OSError as error:
        raise _corrupt(path, f"cannot be read ({error})") from error
    match = re.fullmatch(rb"(v\d+) ([0-9a-f]{64})\n", content)
    if match is None:
        raise _corrupt(path, "does not name a version and its checksum")
    return folder / match[1].decode(), match[2].decode()


def _corrupt(path: Path, problem: str) -> ArtefactError:
    return ArtefactError(f"{path} {problem}. Build the index again: soundkin index EMBEDDINGS -o INDEX")


def _numbers(folder: Path) -> list[int]:
    return [int(path.name[1:]) for path in folder.iterdir() if re.fullmatch(r"v\d+", path.name)]


def _refuse_other_files(folder: Path) -> None:
    names = {path.name for path in folder.iterdir() if not re.fullmatch(r"v\d+|\..*", path.name)}
    if names and CURRENT not in names:
        raise OutputError(f"{folder} holds other files, such as {min(names)}. Choose a new or empty folder.")


def _remove_unfinished(folder: Path) -> None:
    for path in [*folder.glob(".v*.tmp"), *folder.glob(".v*.old")]:
        shutil.rmtree(path, ignore_errors=True)


def _prune(folder: Path, keep: set[str]) -> None:
    for number in _numbers(folder):
        if f"v{number}" not in keep:
            shutil.rmtree(folder / f"v{number}", ignore_errors=True)


def _sync(version: Path) -> None:
    """Have every file on disk before anything points to it."""
    for path in version.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
