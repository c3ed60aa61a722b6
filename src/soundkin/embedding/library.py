"""A library: the folder that `soundkin sync` keeps, with all that it takes to answer."""

from dataclasses import dataclass
from pathlib import Path


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
    def map(self) -> Path:
        """The page that shows all tracks at once."""
        return self.folder / "map.html"


def index_in(folder: Path) -> Path:
    """The index of the library `folder`, or `folder` itself, which is an index then."""
    index = Library(Path(folder)).index
    return index if (index / "CURRENT").exists() else Path(folder)


def embeddings_beside(index: Path) -> Path | None:
    """The embeddings of the library that an index folder is part of; None where there are none beside it."""
    embeddings = Library(Path(index).resolve().parent).embeddings
    return embeddings if (embeddings / "manifest.json").exists() else None
