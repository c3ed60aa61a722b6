"""Album: tracks of one album share a time, a studio and a mood.

An album is its title and lead artist together (many artists have a `Greatest Hits`): a track of a compilation
counts as the album of its own artist, and is unlabelled where it is that artist's only track there.
"""

from soundkin.catalog.labels import Labels
from soundkin.catalog.table import Catalog
from soundkin.tasks.margin_softmax import MarginSoftmaxTask


class AlbumTask(MarginSoftmaxTask):
    """Margin softmax over albums."""

    name = "album"
    columns = ("album", "artist")  # whoever knows the album knows the artist

    @classmethod
    def labels(cls, catalog: Catalog) -> Labels:
        """`TITLE, by LEAD` of each track; a title is one label, whatever semicolons it holds."""
        if "album" not in catalog.frame:
            return [()] * len(catalog)
        titles = catalog.frame["album"].astype("string").fillna("").str.strip().str.replace(";", ",")
        names, leads = catalog.artists.names, catalog.artists.leads
        pairs = zip(titles, leads, strict=True)
        return [(f"{title}, by {names[lead] if lead else ''}",) if title else () for title, lead in pairs]
