"""Audio paths stay inside their folder, so that a catalog from elsewhere cannot make us read other files."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from soundkin.shapes import Bool


def climbing(paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths hold a `..` component."""
    return paths.str.contains(r"(?:^|[/\\])\.\.(?:[/\\]|$)", regex=True).to_numpy(bool)


def absolute_elsewhere(folder: Path, paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths are absolute (on Unix or Windows) and do not begin with `folder`."""
    absolute = paths.str.match(r"/|\\\\|[A-Za-z]:[/\\]")
    return (absolute & ~paths.str.startswith(f"{folder}/")).to_numpy(bool)


def with_slashes(folder: Path, paths: pd.Series) -> pd.Series:
    """The paths with Windows separators as folders, but for those that exist in `folder` as they are written."""
    windows = paths.str.contains("\\", regex=False).to_numpy(bool)
    turned = paths.copy()
    there = [(folder / path).exists() for path in paths[windows]]
    turned[windows] = paths[windows].str.replace("\\", "/", regex=False).where(np.logical_not(there), paths[windows])
    return turned


def linked_elsewhere(folder: Path, paths: pd.Series) -> Bool[np.ndarray, " tracks"]:
    """Which paths reach out of `folder` over a symbolic link, theirs or a parent folder's.

    Every folder is listed once, and a listing tells links from files without a stat of each: a million tracks in
    80,000 folders take about as long to check as to read.
    """
    parents = paths.str.replace(r"/?[^/]*$", "", regex=True)
    folders = _with_ancestors(parents.unique().tolist())
    leaving = {link for link in _links(folder, folders) if not is_inside(folder, folder / link)}
    if not leaving:
        return np.zeros(len(paths), dtype=bool)
    beyond = [parent for parent in folders if any(part in leaving for part in _with_ancestors([parent]))]
    return (paths.isin(leaving) | parents.isin(beyond)).to_numpy(bool)


def is_inside(folder: Path, path: Path) -> bool:
    """Whether `path` lies in `folder` once all links are followed."""
    return path.resolve().is_relative_to(folder.resolve())


def _with_ancestors(folders: list[str]) -> set[str]:
    """The relative folders and all that hold them; `` is the top."""
    found = {""}
    for folder in folders:
        while folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _links(folder: Path, parents: set[str]) -> Iterator[str]:
    """Relative paths of the symbolic links in `parents`; a folder that cannot be listed holds none we could follow."""
    unlisted: set[str] = set()
    for parent in sorted(parents):  # so that a folder comes before those in it
        if parent and parent.rpartition("/")[0] in unlisted:
            unlisted.add(parent)
            continue
        try:
            with os.scandir(f"{folder}/{parent}") as entries:
                yield from (f"{parent}/{entry.name}".lstrip("/") for entry in entries if entry.is_symlink())
        except OSError:
            unlisted.add(parent)
