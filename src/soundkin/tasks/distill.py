"""Distill: say of each stretch of audio what other encoders, the teachers, say of it.

G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network" (2015); vectors rather than
classes: A. Romero et al., "FitNets" (2015); many, varied examples, seen for long: L. Beyer et al., "Knowledge
distillation: A good teacher is patient and consistent" (2022). The relational loss keeps the similarities of
tracks in a batch: F. Tung, G. Mori, "Similarity-Preserving Knowledge Distillation" (2019).

A target holds, of each teacher in turn, its vector and its tag probabilities; NaN where a teacher says
nothing. Each teacher's vectors are standardised by `standardise`, so that all weigh alike.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, normalize

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.features.teachers import StoredTeacher, Teacher, open_teacher
from soundkin.shapes import Float, typechecked
from soundkin.tasks.base import ProxyTask, Scalar, TaskConfig, Vectors, masked_mean

Answers = Float[Tensor, "batch answers"]
SMALLEST_DEVIATION = 1e-3


class DistillConfig(TaskConfig):
    """Settings of the distill task."""

    loss: Literal["mse", "cosine"] = Field(
        "mse", description="how predicted vectors are compared with a teacher's, standardised"
    )
    relational_weight: float = Field(
        0.0, ge=0.0, description="factor of the loss of cosines between vectors, against the teacher's own"
    )
    tags_weight: float = Field(2.0, ge=0.0, description="factor of the loss of the teachers' tags")
    stretch_seconds: float | None = Field(
        None, gt=0.0, description="audio that a row of a stored teacher is about; default: its rows' distance"
    )


class TeacherDescription(NamedTuple):
    """What a bundle keeps of a teacher: its name, numbers in a vector, number of tags, whose it is."""

    name: str
    vector_size: int
    tag_count: int
    licence: str = ""
    citation: str = ""

    @classmethod
    def from_teacher(cls, teacher: Teacher) -> Self:
        """The description of an open teacher."""
        said = teacher.metadata
        name = said.get("name") or teacher.path.name
        return cls(name, *teacher.sizes, said.get("licence", ""), said.get("citation", ""))


class DistillTask(ProxyTask):
    """A linear head for each teacher's vectors, and one for its tags; trained on examples, not on tracks."""

    name = "distill"
    files: ClassVar[tuple[str, ...]] = ("teacher",)
    config_kind = DistillConfig
    trained_on_examples: ClassVar[bool] = True
    config: DistillConfig
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        config: TaskConfig,
        teachers: Sequence[TeacherDescription | Sequence[Any]],
        embedding_size: int,
        opened: Sequence[Teacher] = (),
    ) -> None:
        super().__init__(config, embedding_size)
        self.teachers = [TeacherDescription(*teacher) for teacher in teachers]
        self.opened = list(opened)
        sizes = [(teacher.vector_size, teacher.tag_count) for teacher in self.teachers]
        total = sum(map(sum, sizes))
        self.head = nn.Linear(embedding_size, total)
        self.scale = nn.Parameter(torch.tensor(float(embedding_size) ** 0.5))  # of the vectors' unit length
        self.register_buffer("mean", torch.zeros(total))
        self.register_buffer("deviation", torch.ones(total))
        starts = np.cumsum([0, *np.ravel(sizes)]).tolist()
        spans = [slice(start, stop) for start, stop in pairwise(starts)]
        self.vector_spans, self.tag_spans = spans[::2], spans[1::2]

    @classmethod
    def from_sources(cls, config: DistillConfig, sources: Sources, embedding_size: int) -> Self:
        """A task on the teachers named; CatalogError where there are none, or none says anything of a
        training track.
        """
        if not sources.teachers:
            cls.reject("the distill task learns from teachers, and none was named", "Give teacher=FILE")
        opened = [open_teacher(Path(path), config.stretch_seconds) for path in sources.teachers]
        known = set(sources.catalog.track_ids)
        for teacher in opened:
            if isinstance(teacher, StoredTeacher) and not known & teacher.track_ids():
                problem = f"teacher {teacher.path}: no row is about a training track"
                cls.reject(problem, "Name tracks as in the catalog, in its column track_id")
        return cls(config, [*map(TeacherDescription.from_teacher, opened)], embedding_size, opened)

    def targets(self, catalog: Catalog) -> Tensor:
        """Float [tracks, answers]: the mean of what stored teachers say of each track; NaN elsewhere."""
        targets = torch.full((len(catalog), len(self.mean)), torch.nan)
        for teacher, vectors, tags in zip(self.opened, self.vector_spans, self.tag_spans, strict=True):
            if isinstance(teacher, StoredTeacher):
                known = teacher.track_ids()
                for row, track_id in enumerate(catalog.track_ids):
                    if track_id in known:
                        mean = teacher.track(track_id)[0].mean(axis=0)
                        targets[row, vectors.start : tags.stop] = torch.from_numpy(mean)
        return targets

    @torch.no_grad()
    @typechecked
    def standardise(self, answers: Answers) -> None:
        """Set mean and deviation of each number of the vectors, and start tags at their mean, from answers
        about many examples.
        """
        known = ~answers.isnan()
        count = known.sum(dim=0).clamp(min=1)
        mean = torch.where(known, answers, 0.0).sum(dim=0) / count
        variance = torch.where(known, answers - mean, 0.0).square().sum(dim=0) / count
        self.mean.copy_(mean)
        self.deviation.copy_(variance.sqrt().clamp(min=SMALLEST_DEVIATION))
        for span in self.tag_spans:
            self.mean[span], self.deviation[span] = 0.0, 1.0
            self.head.bias[span] = torch.logit(mean[span], eps=1e-4)

    def labelled(self, targets: Tensor) -> Tensor:
        """Rows that some teacher answers."""
        return ~targets.isnan().all(dim=1)

    @typechecked
    def loss(self, vectors: Vectors, targets: Answers) -> Scalar:
        """Over teachers, the mean of the vectors' loss, `relational_weight` times that of their cosines, and
        `tags_weight` times the tags' cross-entropy.
        """
        predicted = self.predict(vectors)
        standard = (targets - self.mean) / self.deviation
        losses = []
        for span, tags in zip(self.vector_spans, self.tag_spans, strict=True):
            known = ~targets[:, span].isnan().any(dim=1)
            wanted = torch.where(known[:, None], standard[:, span], 0.0)
            losses.append(_LOSSES[self.config.loss](predicted[:, span], wanted, known))
            if self.config.relational_weight:
                losses[-1] = losses[-1] + self.config.relational_weight * relational(vectors, wanted, known)
            if tags.stop > tags.start and self.config.tags_weight:
                soft = torch.where(known[:, None], targets[:, tags], 0.0)
                entropy = binary_cross_entropy_with_logits(predicted[:, tags], soft, reduction="none")
                losses[-1] = losses[-1] + self.config.tags_weight * masked_mean(entropy.mean(dim=1), known)
        return torch.stack(losses).mean()

    @typechecked
    def predict(self, vectors: Vectors) -> Answers:
        """Standardised vectors and logits of tags."""
        answers: Tensor = self.head(self.scale * normalize(vectors))
        return answers

    @typechecked
    def agreement(self, vectors: Vectors, targets: Answers) -> Float[Tensor, " batch"]:
        """Cosine of what is predicted and what teachers answer, standardised, in [-1, 1]: the mean over the
        teachers that answer; NaN where none does.
        """
        predicted, standard = self.predict(vectors), (targets - self.mean) / self.deviation
        cosines = [
            (normalize(predicted[:, span]) * normalize(standard[:, span])).sum(dim=1)
            for span in self.vector_spans
        ]
        return torch.stack(cosines).nanmean(dim=0)

    def figures(self, vectors: Vectors, targets: Answers) -> dict[str, float]:
        """`agreement`: its mean, where negative 0."""
        return {"agreement": max(0.0, float(self.agreement(vectors, targets).detach().mean()))}

    def to_json(self) -> dict[str, Any]:
        """Config and the teachers' descriptions."""
        return super().to_json() | {"teachers": [list(teacher) for teacher in self.teachers]}


def mse(predicted: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Squared error, the mean over the numbers of a vector and the rows that are known."""
    return masked_mean((predicted - wanted).square().mean(dim=1), known)


def cosine(predicted: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """One minus the cosine, the mean over the rows that are known."""
    return masked_mean(1 - (normalize(predicted) * normalize(wanted)).sum(dim=1), known)


def relational(vectors: Tensor, wanted: Tensor, known: Tensor) -> Tensor:
    """Squared error of the cosines between vectors, against those wanted, over the pairs that are known."""
    cosines, wanted_cosines = (normalize(rows) @ normalize(rows).T for rows in (vectors, wanted))
    pairs = known[:, None] & known & ~torch.eye(len(known), dtype=torch.bool, device=known.device)
    return masked_mean((cosines - wanted_cosines).square(), pairs)


_LOSSES = {"mse": mse, "cosine": cosine}
