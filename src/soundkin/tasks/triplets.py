"""Triplets: people's judgements of which of two tracks sounds closer to a third bend the space itself.

There is no head, so that the answers to queries follow the judgements rather than a metric that is thrown away.

- `softmax`: how likely the closer track is chosen (L. van der Maaten and K. Weinberger, "Stochastic triplet embedding",
  2012, with cosines over a temperature).
- `odd_one_out`: how likely the farther track is picked as the odd one of the three, for files made from such choices
  (M. Hebart et al., "Revealing the multidimensional mental representations of natural objects underlying human
  similarity judgements", 2020).
- `margin`: the closer track has to be nearer by a margin (M. Schultz and T. Joachims, "Learning a distance metric from
  relative comparisons", 2003).

People may disagree: an answer to a question counts by its share of the judgements of that question, so that every
question counts once. A track heard several times in a batch is judged by the mean direction of its vectors.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets import COLUMNS
from soundkin.errors import CatalogError
from soundkin.shapes import Float, Int, typechecked
from soundkin.tasks.base import ProxyTask, TaskConfig, unit_length
from soundkin.tasks.membership import positions


class TripletsConfig(TaskConfig):
    """Settings of the triplets task."""

    form: Literal["softmax", "odd_one_out", "margin"] = "softmax"
    temperature: float = Field(0.1, gt=0.0, description="cosines are divided by it: softmax, odd_one_out")
    margin: float = Field(
        0.1, gt=0.0, lt=2.0, description="how much nearer the closer track has to be, in cosine: margin"
    )


class TripletsTask(ProxyTask):
    """The judgements whose three tracks meet in a batch, each by its share of the answers to its question."""

    name = "triplets"
    files = ("triplets",)
    config_kind: ClassVar[type[TaskConfig]] = TripletsConfig
    config: TripletsConfig
    judged: Tensor
    agreement: Tensor

    def __init__(
        self,
        config: TaskConfig,
        embedding_size: int,
        track_ids: Sequence[str] = (),
        judged: ArrayLike = (),
        agreement: ArrayLike = (),
    ) -> None:
        """`judged` [triplets, 3]: training rows, as anchor, closer, farther; `agreement` [triplets]: their weights."""
        super().__init__(config, embedding_size)
        self.track_ids = track_ids
        self.register_buffer("judged", torch.tensor(judged, dtype=torch.int64).reshape(-1, 3), persistent=False)
        self.register_buffer("agreement", torch.tensor(agreement, dtype=torch.float32), persistent=False)

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the judgements about three training tracks.

        Raises:
            CatalogError: no triplets were named, none is about training tracks, or each is contradicted as often.
        """
        frame = sources.read_triplets(cls.name)
        track_ids = sources.catalog.track_ids
        rows = [positions(track_ids, frame[column].tolist()) for column in COLUMNS]
        judged, agreement = _agreement(np.stack(rows, axis=1))
        if np.all(agreement == 0.5):
            raise CatalogError(
                f"triplets {sources.triplets}: every judgement is contradicted as often as it is made, and the "
                f"triplets task needs one that is not. Add judgements, or train without it: task.triplets=null"
            )
        return cls(config, embedding_size, track_ids, judged, agreement)

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: rows of the training catalog; -1 where nobody judged a track."""
        rows = torch.from_numpy(positions(self.track_ids, catalog.track_ids))
        return torch.where(torch.isin(rows, self.judged.cpu()), rows, -1)

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows of tracks that somebody judged."""
        return targets >= 0

    @typechecked
    def loss(self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Mean over the judgements that meet in the batch, weighted by agreement."""
        closer, farther, apart, weights = self._cosines(vectors, targets)
        if self.config.form == "margin":
            losses = torch.relu(self.config.margin - closer + farther)
        else:
            rivals = [closer, farther] if self.config.form == "softmax" else [closer, farther, apart]
            losses = -torch.log_softmax(torch.stack(rivals, dim=1) / self.config.temperature, dim=1)[:, 0]
        return (weights * losses).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)

    @typechecked
    def metrics(self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]) -> dict[str, float]:
        """`agreement`: share of the judgements met, weighted alike, in which the closer track is the nearer one."""
        closer, farther, _, weights = self._cosines(vectors, targets)
        return {"agreement": float(weights[closer > farther].sum() / weights.sum())} if len(weights) else {}

    def together(self) -> Tensor:
        """Int [triplets, 3]: the tracks of each judgement; the same three once."""
        groups: Tensor = torch.unique(self.judged.sort(dim=1).values, dim=0)
        return groups

    def _cosines(self, vectors: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the judgements met: cosines of anchor and closer, anchor and farther, closer and farther; and weights."""
        known = self.labelled(targets)
        tracks, places = torch.unique(targets[known], return_inverse=True)
        sums = vectors.new_zeros(len(tracks), vectors.shape[1]).index_add(0, places, unit_length(vectors[known]))
        directions = unit_length(sums)
        place_of = torch.full((len(self.track_ids),), -1, device=targets.device)
        place_of[tracks] = torch.arange(len(tracks), device=targets.device)
        met = place_of[self.judged]
        all_met = (met >= 0).all(dim=1)
        anchor, closer, farther = directions[met[all_met]].unbind(dim=1)
        pairs = ((anchor, closer), (anchor, farther), (closer, farther))
        cosines = [(first * second).sum(dim=1) for first, second in pairs]
        return cosines[0], cosines[1], cosines[2], self.agreement[all_met]


def _agreement(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each judgement in `rows` [judgements, 3] once, and which share of those on its question say the same.

    A question is an anchor and two tracks, in either order.
    """
    judged, votes = np.unique(rows, axis=0, return_counts=True)
    questions = np.column_stack([judged[:, 0], np.sort(judged[:, 1:], axis=1)])
    question = np.unique(questions, axis=0, return_inverse=True)[1].reshape(-1)
    return judged, votes / np.bincount(question, weights=votes)[question]
