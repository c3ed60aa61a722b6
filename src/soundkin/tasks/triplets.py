"""Triplets: people's answers to which of two tracks sounds closer to a third, learnt on the vectors: no head.

- `softmax`: how likely the closer track is chosen (L. van der Maaten and K. Weinberger, "Stochastic triplet
  embedding", 2012, with cosines over a temperature).
- `odd_one_out`: how likely the farther track is picked as the odd one of the three (M. Hebart et al.,
  "Revealing the multidimensional mental representations of natural objects", 2020).
- `margin`: the closer track has to be nearer by a margin (M. Schultz and T. Joachims, "Learning a distance
  metric from relative comparisons", 2003).

With `annotators: weigh`, the likelier answer to a question counts by how much likelier the annotators'
reliability makes it (`catalog/annotators.py`), and the other does not count. With `alike`, and where no
annotator is named, an answer counts by its share of the question's votes. A track's rows in a batch count by
their mean direction.
"""

from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from pydantic import Field
from torch import Tensor
from torch.nn.functional import normalize

from soundkin.catalog.annotators import judgement_log_odds
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.catalog.triplets_table import COLUMNS
from soundkin.shapes import typechecked
from soundkin.tasks.base import ProxyTask, Rows, Scalar, TaskConfig, Vectors
from soundkin.tasks.group_index import positions

LEAST_CERTAINTY = 1e-6  # votes of equal weight that cancel out leave a rest of 1e-17


class TripletsConfig(TaskConfig):
    """Settings of the triplets task."""

    form: Literal["softmax", "odd_one_out", "margin"] = "softmax"
    temperature: float = Field(0.1, gt=0.0, description="cosines are divided by it: softmax, odd_one_out")
    margin: float = Field(0.1, gt=0.0, lt=2.0, description="how much nearer, in cosine: margin")
    annotators: Literal["weigh", "alike"] = Field("weigh", description="by reliability, or all the same")


class TripletsTask(ProxyTask):
    """The answers whose three tracks meet in a batch, each by how far people agree on it."""

    name = "triplets"
    files = ("triplets",)
    config_kind = TripletsConfig
    has_head = False
    config: TripletsConfig
    answers: Tensor
    agreement: Tensor

    def __init__(
        self, config: TaskConfig, embedding_size: int,
        track_ids: Sequence[str] = (), answers: ArrayLike = (), agreement: ArrayLike = (),
    ) -> None:  # fmt: skip
        """`answers`: rows of anchor, closer, farther; `agreement`: their weights."""
        super().__init__(config, embedding_size)
        self.track_ids = track_ids
        rows = torch.tensor(answers, dtype=torch.int64).reshape(-1, 3)
        self.register_buffer("answers", rows, persistent=False)
        self.register_buffer("agreement", torch.tensor(agreement, dtype=torch.float32), persistent=False)

    @classmethod
    def from_sources(cls, config: TripletsConfig, sources: Sources, embedding_size: int) -> Self:
        """A task over the answers about three training tracks; CatalogError where all are contradicted."""
        frame, track_ids = sources.read_triplets(cls.name), sources.catalog.track_ids
        rows = np.stack([positions(track_ids, frame[column].tolist()) for column in COLUMNS], axis=1)
        named = "annotator_id" in frame and bool(frame["annotator_id"].notna().any())
        weighed = named and config.annotators == "weigh"
        answers, agreement = weigh_answers(rows, judgement_log_odds(frame) if weighed else None)
        if not len(answers) or (not weighed and np.all(agreement == 0.5)):
            problem, hint = "every answer is contradicted as often as it is given", "Add answers"
            if weighed:
                problem += " or by somebody who is right no more often than by chance"
                hint += ", count annotators alike (task.triplets.annotators=alike)"
            cls.reject(f"triplets {sources.triplets}: {problem}", hint)
        return cls(config, embedding_size, track_ids, answers, agreement)

    def targets(self, catalog: Catalog) -> Tensor:
        """Int [tracks]: rows of the training catalog; -1 where no answer is about a track."""
        rows = torch.from_numpy(positions(self.track_ids, catalog.track_ids))
        return torch.where(torch.isin(rows, self.answers.cpu()), rows, -1)

    @typechecked
    def loss(self, vectors: Vectors, targets: Rows) -> Scalar:
        """Mean over the answers that meet in the batch, weighted by agreement."""
        closer, farther, apart, weights = self._cosines(vectors, targets)
        if self.config.form == "margin":
            losses = torch.relu(self.config.margin - closer + farther)
        else:
            rivals = [closer, farther] if self.config.form == "softmax" else [closer, farther, apart]
            losses = -torch.log_softmax(torch.stack(rivals, dim=1) / self.config.temperature, dim=1)[:, 0]
        return (weights * losses).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)

    @typechecked
    def figures(self, vectors: Vectors, targets: Rows) -> dict[str, float]:
        """`agreement`: weighted share of the answers met in which the closer track is the nearer one."""
        closer, farther, _, weights = self._cosines(vectors, targets)
        return {"agreement": float(weights[closer > farther].sum() / weights.sum())} if len(weights) else {}

    def co_batched_groups(self) -> Tensor:
        """Int [triplets, 3]: the tracks of each answer; the same three once."""
        groups: Tensor = torch.unique(self.answers.sort(dim=1).values, dim=0)
        return groups

    def _cosines(self, vectors: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of the answers met: cosines anchor-closer, anchor-farther, closer-farther; and weights."""
        known = self.labelled(targets)
        tracks, places = torch.unique(targets[known], return_inverse=True)
        sums = vectors.new_zeros(len(tracks), vectors.shape[1])
        sums = sums.index_add(0, places, normalize(vectors[known]))
        directions = normalize(sums)
        place_of = torch.full((len(self.track_ids),), -1, device=targets.device)
        place_of[tracks] = torch.arange(len(tracks), device=targets.device)
        met = place_of[self.answers]
        all_met = (met >= 0).all(dim=1)
        anchor, closer, farther = directions[met[all_met]].unbind(dim=1)
        near, far, apart = (
            (first * second).sum(dim=1)
            for first, second in ((anchor, closer), (anchor, farther), (closer, farther))
        )
        return near, far, apart, self.agreement[all_met]


def weigh_answers(rows: np.ndarray, log_odds: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Distinct answers among `rows` [votes, 3] of anchor, closer, farther, and a weight in (0, 1] for each.

    With `log_odds` [votes], from 0 up, of each vote against its contrary, only the likelier answer to a
    question stays, weighted by how much likelier it is; without, an answer weighs its share of the votes.
    """
    answers, answer = np.unique(rows, axis=0, return_inverse=True)
    questions = np.column_stack([answers[:, 0], np.sort(answers[:, 1:], axis=1)])
    question = np.unique(questions, axis=0, return_inverse=True)[1].reshape(-1)
    votes = np.bincount(answer.reshape(-1), weights=log_odds)
    total = np.bincount(question, weights=votes)[question]
    if log_odds is None:
        return answers, votes / total
    certainty = np.tanh((votes - (total - votes)) / 2)
    likelier = certainty > LEAST_CERTAINTY
    return answers[likelier], certainty[likelier]
