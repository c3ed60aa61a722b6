"""Contrastive: two excerpts of one track sound more alike than other tracks do, which needs no label at all.

T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (2020), eq. 1
(NT-Xent), on the vector that queries compare rather than on a projection. With `positives=artist` or
`playlist`, tracks that share one are positives too (P. Khosla et al., "Supervised Contrastive Learning",
2020, eq. 2).
"""

from typing import Literal, Self

from pydantic import Field
from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.tasks.base import TaskConfig
from soundkin.tasks.group_index import GroupIndex
from soundkin.tasks.info_nce import InfoNCEConfig, InfoNCETask


class ContrastiveConfig(InfoNCEConfig):
    """Settings of the contrastive task."""

    positives: Literal["track", "artist", "playlist"] = Field(
        "track",
        description="what makes two excerpts alike: the same track, or also a shared artist or playlist",
    )


class ContrastiveTask(InfoNCETask):
    """Softmax over cosines that picks a track's other excerpts, and its related tracks, out of the batch."""

    name = "contrastive"
    config_kind = ContrastiveConfig
    config: ContrastiveConfig
    views = 2

    def __init__(self, config: TaskConfig, embedding_size: int, groups: GroupIndex | None = None) -> None:
        super().__init__(config, embedding_size, groups)
        self.columns = ("artist",) if self.config.positives == "artist" else ()

    @classmethod
    def from_sources(cls, config: ContrastiveConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the training tracks, and their artists or playlists where these are asked for."""
        catalog, positives = sources.catalog, config.positives
        if len(catalog) < 2:
            cls.reject("the contrastive task needs two training tracks", "Add tracks")
        if positives == "track":
            return cls(config, embedding_size, GroupIndex(catalog.track_ids))
        hint = "Give task.contrastive.positives=track"
        if positives == "playlist":
            groups = GroupIndex.from_playlists(sources, cls.name)
        else:
            cls.require_column(catalog, "artist", hint)
            groups = GroupIndex.from_artists(catalog)
        if not groups.count:
            article = "an" if positives == "artist" else "a"
            cls.reject(f"no two training tracks share {article} {positives}", hint)
        return cls(config, embedding_size, groups)

    @classmethod
    def files_read(cls, config: ContrastiveConfig) -> tuple[str, ...]:
        """Playlists, where these make tracks alike."""
        return ("playlists",) if config.positives == "playlist" else ()

    def co_batched_groups(self) -> Tensor:
        """Int [pairs, 2]: tracks that share a playlist; batches hold several tracks of an artist as it is."""
        by_playlist = self.config.positives == "playlist"
        return self.groups.draw_pairs(self.config.pairs_per_track if by_playlist else 0)

    def pairs(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Positives, all of weight 1, and candidates: all other labelled rows."""
        known = self.labelled(targets)
        candidates = known[:, None] & known
        candidates.fill_diagonal_(False)
        alike = (targets[:, None] == targets) | (self.groups.shared(targets) > 0)
        return (alike & candidates).float(), candidates
