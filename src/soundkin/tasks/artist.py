"""Artist: who plays is the richest label most catalogs have, and a margin softmax makes use of thousands of
names.

An artist is one class, however spelled, and bears the commonest spelling. A track counts for its lead, or for
its first guest where the lead has too few tracks to be a class.
"""

from typing import ClassVar

import torch
from torch import Tensor

from soundkin.catalog.artists import artist_key
from soundkin.catalog.labels import Labels
from soundkin.catalog.table import Catalog
from soundkin.tasks.base import TaskConfig
from soundkin.tasks.margin_softmax import MarginSoftmaxConfig, MarginSoftmaxTask


class ArtistConfig(MarginSoftmaxConfig):
    """Settings of the artist task."""


class ArtistTask(MarginSoftmaxTask):
    """Margin softmax over artists."""

    name = "artist"
    columns = ("artist",)
    config_kind: ClassVar[type[TaskConfig]] = ArtistConfig
    config: ArtistConfig

    @classmethod
    def labels(cls, catalog: Catalog) -> Labels:
        """The names of each track's artists, in row order, the lead first; none for names that are nobody's."""
        return catalog.artists.labels

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: the number of the first artist that is in the vocabulary; -1 where there is none."""
        classes = {artist_key(name): number for number, name in enumerate(self.vocabulary.names)}
        numbers = [
            next((classes[key] for key in keys if key in classes), -1) for keys in catalog.artists.keys
        ]
        return torch.tensor(numbers, dtype=torch.int64)
