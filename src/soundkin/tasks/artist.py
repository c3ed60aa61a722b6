"""Artist: the richest label that most catalogs have; a margin softmax makes use of thousands of names.

An artist is one class however spelled, named by the commonest spelling. A track counts for its lead artist,
or for its first guest where the lead has too few tracks to be a class.
"""

import torch
from torch import Tensor

from soundkin.catalog.artists import artist_key
from soundkin.catalog.labels import Labels
from soundkin.catalog.table import Catalog
from soundkin.tasks.margin_softmax import MarginSoftmaxTask


class ArtistTask(MarginSoftmaxTask):
    """Margin softmax over artists."""

    name = "artist"
    columns = ("artist",)

    @classmethod
    def labels(cls, catalog: Catalog) -> Labels:
        """The names of each track's artists, the lead first; none for names that are nobody's."""
        return catalog.artists.labels

    def targets(self, catalog: Catalog) -> Tensor:
        """Int [tracks]: the class of the first artist that is in the vocabulary; -1 where there is none."""
        classes = {artist_key(name): number for number, name in enumerate(self.vocabulary.names)}
        known = ((classes[key] for key in keys if key in classes) for keys in catalog.artists.keys)
        return torch.tensor([next(numbers, -1) for numbers in known], dtype=torch.int64)
