"""Audio paths stay inside their folder, so that a catalog from elsewhere cannot make us read other files.

A catalog's paths are UTF-8 text. The operating system knows them by the same bytes, which Python spells
otherwise where the locale is not UTF-8: `on_disk` and `from_disk` go from one spelling to the other.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.shapes import Bool


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
    """Which paths are absolute (on Unix or Windows) and do not begin with `folder`."""
    absolute = paths.str.match(r"/|\\\\|[A-Za-z]:[/\\]")
    return (absolute & ~paths.str.startswith(f"{folder}/")).to_numpy(bool)


def with_slashes(folder: Path, paths: pd.Series) -> pd.Series:
    """Paths with Windows separators turned, but for those that exist in `folder` as they are written."""
    windows = paths[paths.str.contains("\\", regex=False).to_numpy(bool)]
    turned = paths.copy()
    turned[windows.index] = [
        path if (folder / path).exists() else path.replace("\\", "/") for path in windows
    ]
    return turned


def linked_elsewhere(folder: Path, paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths reach out of `folder` over a symbolic link, theirs or a parent folder's.

    Every folder is listed once, and a listing tells links from files without a stat of each: a million tracks
    in 80,000 folders take about as long to check as to read.
    """
    parents = paths.str.replace(r"/?[^/]*$", "", regex=True)
    folders = _with_ancestors(parents.unique().tolist())
    leaving = {link for link in _links(folder, folders) if not is_inside(folder, folder / on_disk(link))}
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
