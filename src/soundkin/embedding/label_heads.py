"""What a model's heads think of a track: its genres and tags, with probabilities that can be believed.

A head is overconfident about tracks that it was not trained on. So training fits two numbers a task on
held-out tracks, in Platt's way (J. Platt, "Probabilistic Outputs for Support Vector Machines", 1999), and
keeps them with the bundle (`training/calibration.py`); a head without them says nothing.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from soundkin.config import Config
from soundkin.embedding.bundle import Bundle
from soundkin.embedding.trained_tasks import trained_task
from soundkin.parallel import one_torch_thread
from soundkin.shapes import Float, Float32, typechecked
from soundkin.tasks.multi_label import MultiLabelTask

CALIBRATION = "calibration"  # the key in the bundle's `tasks.NAME`
LEAST_CONFIDENCE = 0.5
MOST_BELIEFS = 3


class HeadCalibration(Config):
    """Probability of a label: sigmoid(slope * log-odds + intercept); and how many tracks tell."""

    slope: float = Field(gt=0.0)
    intercept: float
    tracks: int

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """Of log-odds, whatever their shape."""
        return torch.sigmoid(self.slope * logits + self.intercept)


@dataclass(frozen=True)
class Belief:
    """A label that the model thinks two tracks both have, and how probably both do."""

    column: str
    label: str
    confidence: float


@dataclass(frozen=True, eq=False)
class LabelHead:
    """A head over the labels of a column."""

    task: MultiLabelTask
    calibration: HeadCalibration

    @typechecked
    @torch.inference_mode()
    def probabilities(
        self, vectors: Float32[np.ndarray, "tracks embedding"]
    ) -> Float[np.ndarray, "tracks labels"]:
        """How probably each track has each label."""
        with one_torch_thread():
            logits = self.task.logits(torch.from_numpy(vectors))
        return np.asarray(self.calibration.probabilities(logits).numpy())


def label_heads(bundle: Bundle, folder: Path) -> list[LabelHead]:
    """The heads of the bundle from `folder` whose probabilities were calibrated on held-out tracks."""
    heads = []
    for name, saved in bundle.tasks.items():
        if CALIBRATION in saved:
            task = trained_task(bundle, folder, name)
            assert isinstance(task, MultiLabelTask)
            heads.append(LabelHead(task, HeadCalibration(**saved[CALIBRATION])))
    return heads


def shared_beliefs(
    heads: list[LabelHead], here: Float32[np.ndarray, " embedding"], there: Float32[np.ndarray, " embedding"]
) -> list[Belief]:
    """Labels that both tracks probably have, the surest first; a few at most."""
    beliefs = []
    for head in heads:
        both = head.probabilities(np.stack([here, there])).prod(axis=0)
        names = head.task.vocabulary.names
        beliefs += [
            Belief(head.task.columns[0], names[label], float(both[label]))
            for label in np.flatnonzero(both >= LEAST_CONFIDENCE)
        ]
    return sorted(beliefs, key=lambda belief: -belief.confidence)[:MOST_BELIEFS]
