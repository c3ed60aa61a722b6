"""Triplets: people's judgements of which of two tracks sounds closer to a third bend the space itself.

There is no head, so that the answers to queries follow the judgements rather than a metric that is thrown
away.

- `softmax`: how likely the closer track is chosen (L. van der Maaten and K. Weinberger, "Stochastic triplet
  embedding", 2012, with cosines over a temperature).
- `odd_one_out`: how likely the farther track is picked as the odd one of the three, for files made from such
  choices (M. Hebart et al., "Revealing the multidimensional mental representations of natural objects
  underlying human similarity judgements", 2020).
- `margin`: the closer track has to be nearer by a margin (M. Schultz and T. Joachims, "Learning a distance
  metric from relative comparisons", 2003).

People may disagree, and some are right more often than others. With `annotators: weigh`, the answer to a
question that its judgements make the likelier one counts by how much likelier they make it than its contrary,
each of them by its annotator's reliability (`catalog/annotators.py`); the other answer does not count. With
`alike`, and where nobody is named, an answer counts by its share of the judgements of its question, so that
every question counts once.

A track heard several times in a batch is judged by the mean direction of its vectors.
"""

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor

from soundkin.catalog.annotators import judgement_log_odds
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import COLUMNS
from soundkin.errors import CatalogError
from soundkin.shapes import Float, Int, typechecked
from soundkin.tasks.base import ProxyTask, TaskConfig, unit_length
from soundkin.tasks.group_index import positions

LEAST_CERTAINTY = 1e-6  # judgements of equal weight that cancel out leave a rest of 1e-17


class TripletsConfig(TaskConfig):
    """Settings of the triplets task."""

    form: Literal["softmax", "odd_one_out", "margin"] = "softmax"
    temperature: float = Field(0.1, gt=0.0, description="cosines are divided by it: softmax, odd_one_out")
    margin: float = Field(
        0.1, gt=0.0, lt=2.0, description="how much nearer the closer track has to be, in cosine: margin"
    )
    annotators: Literal["weigh", "alike"] = Field(
        "weigh",
        description="judgements count by how reliable their annotators are found to be, or all the same",
    )


class TripletsTask(ProxyTask):
    """The judgements whose three tracks meet in a batch, each by how far people agree on it."""

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
        """`judged` [triplets, 3]: training rows, as anchor, closer, farther; `agreement` [triplets]: their
        weights.
        """
        super().__init__(config, embedding_size)
        self.track_ids = track_ids
        self.register_buffer(
            "judged", torch.tensor(judged, dtype=torch.int64).reshape(-1, 3), persistent=False
        )
        self.register_buffer("agreement", torch.tensor(agreement, dtype=torch.float32), persistent=False)

    @classmethod
    def from_sources(cls, config: TaskConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the judgements about three training tracks.

        Raises:
            CatalogError: no triplets were named, none is about training tracks, or none is likelier than its
                contrary.
        """
        assert isinstance(config, TripletsConfig)
        frame = sources.read_triplets(cls.name)
        track_ids = sources.catalog.track_ids
        rows = [positions(track_ids, frame[column].tolist()) for column in COLUMNS]
        judged = np.stack(rows, axis=1)
        weighed = (
            config.annotators == "weigh"
            and "annotator_id" in frame
            and bool(frame["annotator_id"].notna().any())
        )
        judged, agreement = _weighed(judged, judgement_log_odds(frame)) if weighed else _shares(judged)
        if not len(judged) or (not weighed and np.all(agreement == 0.5)):
            raise CatalogError(_nothing_said(f"triplets {sources.triplets}", weighed))
        return cls(config, embedding_size, track_ids, judged, agreement)

    def targets(self, catalog: Catalog) -> Tensor:
        """Integer [tracks]: rows of the training catalog; -1 where nobody judged a track."""
        rows = torch.from_numpy(positions(self.track_ids, catalog.track_ids))
        return torch.where(torch.isin(rows, self.judged.cpu()), rows, -1)

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows of tracks that somebody judged."""
        return targets >= 0

    @typechecked
    def loss(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """Mean over the judgements that meet in the batch, weighted by agreement."""
        closer, farther, apart, weights = self._cosines(vectors, targets)
        if self.config.form == "margin":
            losses = torch.relu(self.config.margin - closer + farther)
        else:
            rivals = [closer, farther] if self.config.form == "softmax" else [closer, farther, apart]
            losses = -torch.log_softmax(torch.stack(rivals, dim=1) / self.config.temperature, dim=1)[:, 0]
        return (weights * losses).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)

    @typechecked
    def metrics(
        self, vectors: Float[Tensor, "batch embedding"], targets: Int[Tensor, " batch"]
    ) -> dict[str, float]:
        """`agreement`: share of the judgements met, weighted alike, in which the closer track is the nearer
        one.
        """
        closer, farther, _, weights = self._cosines(vectors, targets)
        return {"agreement": float(weights[closer > farther].sum() / weights.sum())} if len(weights) else {}

    def together(self) -> Tensor:
        """Int [triplets, 3]: the tracks of each judgement; the same three once."""
        groups: Tensor = torch.unique(self.judged.sort(dim=1).values, dim=0)
        return groups

    def _cosines(self, vectors: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the judgements met: cosines of anchor and closer, anchor and farther, closer and farther; and
        weights.
        """
        known = self.labelled(targets)
        tracks, places = torch.unique(targets[known], return_inverse=True)
        sums = vectors.new_zeros(len(tracks), vectors.shape[1]).index_add(
            0, places, unit_length(vectors[known])
        )
        directions = unit_length(sums)
        place_of = torch.full((len(self.track_ids),), -1, device=targets.device)
        place_of[tracks] = torch.arange(len(tracks), device=targets.device)
        met = place_of[self.judged]
        all_met = (met >= 0).all(dim=1)
        anchor, closer, farther = directions[met[all_met]].unbind(dim=1)
        pairs = ((anchor, closer), (anchor, farther), (closer, farther))
        cosines = [(first * second).sum(dim=1) for first, second in pairs]
        return cosines[0], cosines[1], cosines[2], self.agreement[all_met]


def _shares(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each judgement in `rows` [judgements, 3] once, and which share of those on its question say the same."""
    judged, question, same = _distinct(rows)
    votes = np.bincount(same)
    return judged, votes / np.bincount(question, weights=votes)[question]


def _weighed(rows: np.ndarray, log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The likelier answer to each question, and how much likelier in (0, 1]; none where neither is.

    `log_odds` [judgements], from 0 up, say how much likelier each of `rows` makes its answer than the
    contrary.
    """
    judged, question, same = _distinct(rows)
    votes = np.bincount(same, weights=log_odds)
    contrary = np.bincount(question, weights=votes)[question] - votes
    certainty = np.tanh((votes - contrary) / 2)
    likelier = certainty > LEAST_CERTAINTY
    return judged[likelier], certainty[likelier]


def _nothing_said(source: str, weighed: bool) -> str:
    """What to do where no answer is likelier than its contrary."""
    why = " or by somebody who is right no more often than by chance" if weighed else ""
    mend = (
        "Add judgements, count annotators alike (task.triplets.annotators=alike)"
        if weighed
        else "Add judgements"
    )
    return (
        f"{source}: every judgement is contradicted as often as it is made{why}, and the triplets task needs one that "
        f"is not. {mend}, or train without it: task.triplets=null"
    )


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each judgement in `rows` once, the number of its question, and which of them each row is.

    A question is an anchor and two tracks, in either order.
    """
    judged, same = np.unique(rows, axis=0, return_inverse=True)
    questions = np.column_stack([judged[:, 0], np.sort(judged[:, 1:], axis=1)])
    question = np.unique(questions, axis=0, return_inverse=True)[1].reshape(-1)
    return judged, question, same.reshape(-1)
