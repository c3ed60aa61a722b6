"""Audio paths stay inside their folder, so that a catalog from elsewhere cannot make us read other files.

A person may name further folders that catalogs are free to lead into: in SOUNDKIN_AUDIO_FOLDERS, separated by
`:` as in PATH, or a line each in `soundkin/audio-folders.txt` of the user's config folder.

A catalog's paths are UTF-8 text. The operating system knows them by the same bytes, which Python spells
otherwise where the locale is not UTF-8: `on_disk` and `from_disk` go from one spelling to the other.
"""

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.files import replacing
from soundkin.shapes import Bool
from soundkin.user_folders import user_folder


def list_of_folders() -> Path:
    """The file in which the user names the folders that catalogs may lead into."""
    return user_folder("config") / "audio-folders.txt"


def allowed_folders() -> list[str]:
    """Real paths of the folders that catalogs may lead into, beside their own."""
    listed = [line.strip() for line in _lines(list_of_folders()) if not line.startswith("#")]
    named = [*os.environ.get("SOUNDKIN_AUDIO_FOLDERS", "").split(os.pathsep), *listed]
    return [os.path.realpath(folder) for folder in named if folder.startswith("/")]


def is_allowed(folder: Path) -> bool:
    """Whether catalogs may lead into `folder`, wherever they are."""
    return _is_in_one_of(allowed_folders(), os.path.realpath(folder))


def allow_folders(folders: Iterable[str]) -> None:
    """Name further folders that catalogs may lead into, for good."""
    known = allowed_folders()
    new: list[str] = []
    for folder in sorted(folders):  # a folder comes before those in it
        if not _is_in_one_of([*known, *new], folder):
            new.append(folder)
    if new:
        with replacing(list_of_folders(), "w") as file:
            file.write("\n".join([*_lines(list_of_folders()), *new]) + "\n")


def how_to_allow(folder: object) -> str:
    """What to do about a catalog of one's own that leads into `folder`."""
    return f"If the catalog is yours: put {folder} on a line of {list_of_folders()}."


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _is_in_one_of(folders: list[str], real: str) -> bool:
    return any(f"{real}/".startswith(f"{folder.rstrip('/')}/") for folder in folders)


def on_disk(path: str) -> str:
    """A catalog's path as `open` takes it, whatever the locale."""
    return os.fsdecode(path.encode())


def from_disk(path: str | Path) -> str:
    """A path from the operating system as a catalog holds it; UnicodeDecodeError if it is not UTF-8."""
    return os.fsencode(path).decode()


def printable(path: str | Path) -> str:
    """A path on one line of a message, even if its bytes are not UTF-8."""
    text = os.fsencode(path).decode(errors="replace")
    return text if text.isprintable() else repr(text)


def not_allowed(folder: Path, paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths, relative to `folder`, no catalog may hold as they are spelled."""
    return np.asarray((paths.str.strip() == "") | absolute_elsewhere(folder, paths) | climbing(paths))


def climbing(paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths hold a `..` component."""
    return paths.str.contains(r"(?:^|[/\\])\.\.(?:[/\\]|$)", regex=True).to_numpy(bool)


def absolute_elsewhere(folder: Path, paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths are absolute (on Unix or Windows) and lead neither into `folder` nor where allowed."""
    absolute = paths.str.match(r"/|\\\\|[A-Za-z]:[/\\]")
    elsewhere = (absolute & ~paths.str.startswith(f"{folder}/")).to_numpy(bool, copy=True)
    if elsewhere.any() and (allowed := allowed_folders()):
        real_folder = cache(os.path.realpath)
        for row in np.flatnonzero(elsewhere):
            path = Path(on_disk(paths.iloc[row]))
            real = os.path.realpath(path) if path.is_symlink() else real_folder(path.parent)
            elsewhere[row] = not (path.is_absolute() and _is_in_one_of(allowed, real))
    return elsewhere


def with_slashes(folder: Path, paths: pd.Series) -> pd.Series:
    """Paths with Windows separators turned, but for those that exist in `folder` as they are written."""
    windows = paths[paths.str.contains("\\", regex=False).to_numpy(bool)]
    turned = paths.copy()
    turned[windows.index] = [
        path if (folder / path).exists() else path.replace("\\", "/") for path in windows
    ]
    return turned


def linked_elsewhere(folder: Path, paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths reach out of `folder`, and not where it is allowed, over a link, theirs or a folder's.

    Every folder is listed once, and a listing tells links from files without a stat of each: a million tracks
    in 80,000 folders take about as long to check as to read.
    """
    parents = paths.str.replace(r"/?[^/]*$", "", regex=True)
    folders = _with_ancestors(parents.unique().tolist())
    inside = [os.path.realpath(folder), *allowed_folders()]
    real_paths = {link: os.path.realpath(folder / on_disk(link)) for link in _links(folder, folders)}
    leaving = {link for link, real in real_paths.items() if not _is_in_one_of(inside, real)}
    if not leaving:
        return np.zeros(len(paths), dtype=bool)
    beyond = [parent for parent in folders if any(part in leaving for part in _with_ancestors([parent]))]
    return (paths.isin(leaving) | parents.isin(beyond)).to_numpy(bool)


def is_inside(folder: Path, path: Path) -> bool:
    """Whether `path` lies in `folder` once all links are followed; a loop of links lies nowhere."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


def _with_ancestors(folders: list[str]) -> set[str]:
    """The relative folders and all that hold them; `` is the top."""
    ancestors = {""}
    for folder in folders:
        while folder not in ancestors:
            ancestors.add(folder)
            folder = folder.rpartition("/")[0]
    return ancestors


def _links(folder: Path, parents: set[str]) -> Iterator[str]:
    """Relative paths of the links in `parents`; a folder that cannot be listed holds none we could follow."""
    unlisted: set[str] = set()
    for parent in sorted(parents):  # so that a folder comes before those in it
        if parent and parent.rpartition("/")[0] in unlisted:
            unlisted.add(parent)
            continue
        try:
            with os.scandir(os.fsencode(folder) + b"/" + parent.encode()) as entries:
                names = (entry.name.decode(errors="replace") for entry in entries if entry.is_symlink())
                yield from (f"{parent}/{name}".lstrip("/") for name in names)
        except OSError:
            unlisted.add(parent)
