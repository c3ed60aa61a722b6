"""Contrastive: two places in one track sound more alike than other tracks do, which needs no label at all.

T. Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations" (2020), eq. 1
(NT-Xent), on the vector itself rather than on a projection of it, since the vector is what queries compare.
With `positives=artist` tracks that share an artist are alike too, with `positives=playlist` those that share
a playlist (P. Khosla et al., "Supervised Contrastive Learning", 2020, eq. 2), so that they are told apart
from strangers only.
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, PositiveInt
from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.shapes import Float, Int, typechecked
from soundkin.tasks.base import ProxyTask, TaskConfig
from soundkin.tasks.group_index import GroupIndex
from soundkin.tasks.info_nce import info_nce, nearest


class ContrastiveConfig(TaskConfig):
    """Settings of the contrastive task."""

    temperature: float = Field(0.1, gt=0.0, description="cosines are divided by it in the softmax")
    positives: Literal["track", "artist", "playlist"] = Field(
        "track",
        description="what makes two places alike: the same track, or sharing an artist or a playlist as well",
    )
    pairs_per_track: PositiveInt = Field(
        4, description="pairs of each track that batches are drawn from: playlists"
    )


class ContrastiveTask(ProxyTask):
    """Softmax over cosines that finds a track's other views, and its kin's, among the rest of the batch."""

    name = "contrastive"
    config_kind: ClassVar[type[TaskConfig]] = ContrastiveConfig
    config: ContrastiveConfig
    views = 2

    def __init__(self, config: TaskConfig, embedding_size: int, kin: GroupIndex | None = None) -> None:
        super().__init__(config, embedding_size)
        self.kin = kin if kin is not None else GroupIndex(())
        assert isinstance(config, ContrastiveConfig)
        self.columns = ("artist",) if config.positives == "artist" else ()

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the training tracks, and their artists or playlists where these are asked for.

        Raises:
            CatalogError: there is one track alone, or what makes tracks alike is missing or makes no two of
                them so.
        """
        assert isinstance(config, ContrastiveConfig)
        catalog, positives = sources.catalog, config.positives
        mend = "or train without it: task.contrastive=null"
        if len(catalog) < 2:
            raise CatalogError(
                f"the contrastive task needs two training tracks to tell apart. Add tracks, {mend}"
            )
        if positives == "track":
            return cls(config, embedding_size, GroupIndex(catalog.track_ids))
        mend = f"Give task.contrastive.positives=track, {mend}"
        if positives == "playlist":
            kin = GroupIndex.of_playlists(sources, cls.name)
        else:
            catalog.require("artist", f"the contrastive task takes it for what makes tracks alike. {mend}")
            kin = GroupIndex.of_artists(catalog)
        if not kin.total:
            raise CatalogError(
                f"no two training tracks share {'an' if positives == 'artist' else 'a'} {positives}, "
                f"which the contrastive task takes for what makes tracks alike. {mend}"
            )
        return cls(config, embedding_size, kin)

    @classmethod
    def files_read(cls, config: TaskConfig) -> tuple[str, ...]:
        """Playlists, where these are what makes tracks alike."""
        assert isinstance(config, ContrastiveConfig)
        return ("playlists",) if config.positives == "playlist" else ()

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: rows of the training catalog; -1 where a track is none of it."""
        return self.kin.rows(catalog)

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows of training tracks, which all are."""
        return targets >= 0

    @typechecked
    def loss(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """InfoNCE of each row over all others, averaged over the rows that meet another view or their kin."""
        return info_nce(vectors, *self._pairs(targets), self.config.temperature)

    @typechecked
    def metrics(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> dict[str, float]:
        """`nearest`: how often the nearest other row is of the same track, or of its kin."""
        return nearest(vectors, *self._pairs(targets))

    def together(self) -> Tensor:
        """Int [pairs, 2]: tracks that share a playlist; batches hold several tracks of an artist as it is."""
        return (
            self.kin.pairs(self.config.pairs_per_track)
            if self.config.positives == "playlist"
            else super().together()
        )

    def _pairs(self, targets: Tensor) -> tuple[Tensor, Tensor]:
        """[batch, batch]: 1 for each positive, and which rows to tell them apart from."""
        known = self.labelled(targets)
        others = known[:, None] & known
        others.fill_diagonal_(False)
        alike = (targets[:, None] == targets) | (self.kin.shared(targets) > 0)
        return (alike & others).float(), others
