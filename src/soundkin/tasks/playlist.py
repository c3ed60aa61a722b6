"""Playlists: tracks that people put together should be near, more than their popularity explains.

Two tracks that share a playlist count by their smoothed pointwise mutual information: how often a walk over a
playlist leads from one to the other, divided by the other's popularity to the power `popularity_discount` (O.
Levy, Y. Goldberg, I. Dagan, "Improving Distributional Similarity with Lessons Learned from Word Embeddings",
2015, where 0.75 did best). The softmax is not corrected for how often a track is drawn (X. Yi et al.,
"Sampling-Bias- Corrected Neural Modeling", 2019): that would bring back a track's popularity, which cannot be
heard.
"""

from typing import Self

import torch
from pydantic import Field
from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.tasks.group_index import GroupIndex
from soundkin.tasks.info_nce import InfoNCEConfig, InfoNCETask


class PlaylistConfig(InfoNCEConfig):
    """Settings of the playlist task."""

    popularity_discount: float = Field(0.75, ge=0.0, le=1.0, description="1 divides popularity out")


class PlaylistTask(InfoNCETask):
    """InfoNCE over the pairs of a batch that share a playlist, weighted by mutual information."""

    name = "playlist"
    files = ("playlists",)
    config_kind = PlaylistConfig
    config: PlaylistConfig

    @classmethod
    def from_sources(cls, config: PlaylistConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the playlists that hold two training tracks or more."""
        playlists = GroupIndex.from_playlists(sources, cls.name)
        if playlists.count < 2:
            problem = f"{playlists.count} playlist(s) hold two training tracks or more; two are needed"
            cls.reject(f"playlists {sources.playlists}: {problem}", "Add some")
        return cls(config, embedding_size, playlists)

    def targets(self, catalog: Catalog) -> Tensor:
        """Int [tracks]: rows of the training catalog; -1 where a track shares no playlist with another."""
        rows = super().targets(catalog)
        return torch.where(self.groups.group_counts(rows) > 0, rows, -1)

    def co_batched_groups(self) -> Tensor:
        """Int [pairs, 2]: tracks that share a playlist; each track begins equally many pairs."""
        return self.groups.draw_pairs(self.config.pairs_per_track)

    def pairs(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Positives by mutual information, and candidates: the other tracks with a playlist."""
        known = self.labelled(targets)
        candidates = known[:, None] & known & (targets[:, None] != targets)
        popularity = self.groups.group_counts(targets).clamp(min=1).float()
        shares = self.groups.shared(targets) / popularity**self.config.popularity_discount
        return candidates * shares, candidates
