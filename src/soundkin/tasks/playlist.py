"""Playlists: tracks that people put together should be near, as far as more than their popularity explains
it.

Each track picks the members of its playlists out of the other tracks of the batch that are in any playlist. A
softmax over one direction a playlist would not do: a track is in many playlists, and which of them a listener
made says little.

Two tracks that share a playlist count by their smoothed pointwise mutual information: how often a walk over a
playlist leads from one to the other, divided by the other's popularity to the power `popularity_discount` (O.
Levy, Y. Goldberg, I. Dagan, "Improving Distributional Similarity with Lessons Learned from Word Embeddings",
2015, where 0.75 did best). A playlist of thousands thereby says little of any two of its tracks, and a hit
that is in every playlist is nobody's kin.

The softmax is not corrected for how often a track is drawn (as in X. Yi et al., "Sampling-Bias-Corrected
Neural Modeling for Large Corpus Item Recommendations", 2019): the correction would bring back how popular a
track is, which cannot be heard, and a cosine has nowhere to put it but in hubs.
"""

from typing import ClassVar, Self

import torch
from pydantic import Field, PositiveInt
from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.shapes import Float, Int, typechecked
from soundkin.tasks.base import ProxyTask, TaskConfig
from soundkin.tasks.group_index import GroupIndex
from soundkin.tasks.info_nce import info_nce, nearest


class PlaylistConfig(TaskConfig):
    """Settings of the playlist task."""

    temperature: float = Field(0.1, gt=0.0, description="cosines are divided by it in the softmax")
    popularity_discount: float = Field(
        0.75, ge=0.0, le=1.0, description="0 counts all alike; 1 divides popularity out"
    )
    pairs_per_track: PositiveInt = Field(4, description="pairs of each track that batches are drawn from")


class PlaylistTask(ProxyTask):
    """InfoNCE over the pairs of a batch that share a playlist, weighted by mutual information."""

    name = "playlist"
    files = ("playlists",)
    config_kind: ClassVar[type[TaskConfig]] = PlaylistConfig
    config: PlaylistConfig

    def __init__(self, config: TaskConfig, embedding_size: int, playlists: GroupIndex | None = None) -> None:
        super().__init__(config, embedding_size)
        self.playlists = playlists if playlists is not None else GroupIndex(())

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the playlists that hold two training tracks or more.

        Raises:
            CatalogError: no playlists were named, or there are fewer than two such playlists to tell apart.
        """
        playlists = GroupIndex.of_playlists(sources, cls.name)
        if playlists.total < 2:
            raise CatalogError(
                f"playlists {sources.playlists}: {playlists.total} playlist(s) hold two training tracks or more; the "
                f"playlist task needs two such playlists. Add some, or train without it: task.playlist=null"
            )
        return cls(config, embedding_size, playlists)

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: rows of the training catalog; -1 where a track shares no playlist with another."""
        rows = self.playlists.rows(catalog)
        return torch.where(self.playlists.groups(rows) > 0, rows, -1)

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows of tracks that share a playlist with another."""
        return targets >= 0

    @typechecked
    def loss(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """InfoNCE of each track over the batch's other tracks with a playlist; the mean where one shares a
        playlist.
        """
        return info_nce(vectors, *self._pairs(targets), self.config.temperature)

    @typechecked
    def metrics(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> dict[str, float]:
        """`nearest`: how often the nearest other track shares a playlist, where any of the batch does."""
        return nearest(vectors, *self._pairs(targets))

    def together(self) -> Tensor:
        """Int [pairs, 2]: tracks that share a playlist; each track begins equally many pairs."""
        return self.playlists.pairs(self.config.pairs_per_track)

    def _pairs(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, batch]: the weights of the positives, and which rows to tell them apart from."""
        known = self.labelled(targets)
        others = known[:, None] & known & (targets[:, None] != targets)
        popularity = self.playlists.groups(targets).clamp(min=1).float()
        return others * self.playlists.shared(targets) / popularity**self.config.popularity_discount, others
