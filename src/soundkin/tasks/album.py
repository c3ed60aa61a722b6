"""Album: tracks of one album share a time, a studio and a mood, which is narrower than what an artist's tracks share.

An album is told apart by its title and its artist together: many artists have a `Greatest Hits`. So a track of a
compilation counts as the album of its own artist, and is left out where it is that artist's only track there.
"""

from dataclasses import replace
from typing import ClassVar, Self

from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.tasks.base import TaskConfig
from soundkin.tasks.margin_softmax import MarginSoftmaxConfig, MarginSoftmaxTask


class AlbumConfig(MarginSoftmaxConfig):
    """Settings of the album task."""


class AlbumTask(MarginSoftmaxTask):
    """Margin softmax over albums."""

    name = "album"
    columns = ("album", "artist")  # whoever knows the album knows the artist
    config_kind: ClassVar[type[TaskConfig]] = AlbumConfig
    config: AlbumConfig

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the albums that the training tracks are from.

        Raises:
            CatalogError: the column is missing or empty, or fewer than two albums are left to tell apart.
        """
        return super().from_sources(config, replace(sources, catalog=_with_artists(sources.catalog)), embedding_size)

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: the number of the track's album in the vocabulary; -1 where it is in none."""
        return super().targets(_with_artists(catalog))


def _with_artists(catalog: Catalog) -> Catalog:
    """The catalog with `TITLE, by ARTIST` for each album; a title is one label, whatever semicolons it holds."""
    if "album" not in catalog.frame:
        return catalog
    titles = catalog.frame["album"]
    artists = catalog.values("artist") if "artist" in catalog.frame else [()] * len(catalog)
    names = titles.astype("string").str.replace(";", ",") + ", by " + [(*names, "")[0] for names in artists]
    return replace(catalog, frame=catalog.frame.assign(album=names.where(titles.notna())))
