"""A library: the folder that `soundkin sync` keeps, with all that it takes to answer."""

import os
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from soundkin.user_folders import user_folder


@dataclass(frozen=True)
class Library:
    """Where the parts of a library are."""

    folder: Path

    @property
    def catalog(self) -> Path:
        """The catalog of its tracks."""
        return self.folder / "catalog.csv"

    @property
    def embeddings(self) -> Path:
        """A vector a track, and one a patch."""
        return self.folder / "embeddings"

    @property
    def index(self) -> Path:
        """What is asked."""
        return self.folder / "index"

    @property
    def neighbours(self) -> Path:
        """The answers of every track, computed ahead."""
        return self.folder / "neighbours.lmdb"

    @property
    def neighbours_elsewhere(self) -> Path:
        """The addresses of stores of neighbours that are kept elsewhere, one a line."""
        return self.folder / "neighbours.txt"

    @property
    def server_ids(self) -> Path:
        """By which ids a media server knows the tracks."""
        return self.folder / "server_ids.csv"

    @property
    def sounds(self) -> Path:
        """Which sounds are embedded (`known_sounds`)."""
        return self.folder / "sounds.csv"

    @property
    def trajectories(self) -> Path:
        """How its tracks go (`search.trajectory_files`)."""
        return self.folder / "trajectories"

    @property
    def map(self) -> Path:
        """The page that shows all tracks at once."""
        return self.folder / "map.html"

    @property
    def map_places(self) -> Path:
        """Where on it they are, so that they stay there."""
        return self.folder / "map.csv"


def default_library(music: Path) -> Library:
    """Where the library of a folder of music is, unless its owner says otherwise.

    Not in the music: that may be read-only, shared or synchronised, and is the owner's.
    """
    real = os.path.realpath(music)
    name = f"{Path(real).name or 'music'}-{sha256(os.fsencode(real)).hexdigest()[:6]}"
    return Library(user_folder("data") / name)


def index_in(folder: Path) -> Path:
    """The index of the library `folder`, or of the music `folder`, or `folder` itself, which is one then."""
    for library in (Library(Path(folder)), default_library(Path(folder))):
        if (library.index / "CURRENT").exists():
            return library.index
    return Path(folder)


def embeddings_beside(index: Path) -> Path | None:
    """The embeddings of the library that an index folder is part of; None where there are none beside it."""
    embeddings = Library(Path(index).resolve().parent).embeddings
    return embeddings if (embeddings / "manifest.json").exists() else None
