"""Artist: who plays is the richest label most catalogs have, and a margin softmax makes use of thousands of names."""

from typing import ClassVar

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
