"""How far a trained head may be believed: its probabilities are fitted to held-out tracks.

Two numbers a task, over all its labels together (J. Platt, "Probabilistic Outputs for Support Vector
Machines", 1999). The tracks are those that choose the weights, too, so figures on others are a little worse.
"""

from typing import Any

import torch
from sklearn.linear_model import LogisticRegression

from soundkin.embedding.label_heads import HeadCalibration
from soundkin.shapes import Float, typechecked
from soundkin.tasks.multi_label import MultiLabelTask
from soundkin.training.anchor import sample_vectors
from soundkin.training.data import PreparedData
from soundkin.training.module import TrainingModule
from soundkin.training.run_config import TrainConfig

FEWEST_TRACKS = 30  # on fewer held-out tracks, two numbers are guesses


@torch.no_grad()
def calibrations(config: TrainConfig, data: PreparedData, module: TrainingModule) -> dict[str, Any]:
    """The `HeadCalibration` of each task over labels, as plain JSON; none where held-out tracks are too few.

    A model that reads lyrics gets none: its heads see other vectors with words than without.
    """
    tasks = {name: task for name, task in module.proxy_tasks.items() if isinstance(task, MultiLabelTask)}
    if not tasks or not data.valid.keys or module.lyrics:
        return {}
    rows, vectors = sample_vectors(module.network, config, data, data.valid)
    fitted = {}
    for name, task in tasks.items():
        targets = task.target_lookup(data.valid.catalog)(rows)
        known = task.labelled(targets)
        if known.sum() >= FEWEST_TRACKS:
            fitted[name] = fit_calibration(task.logits(vectors[known]), targets[known])
    return {name: calibration.model_dump() for name, calibration in fitted.items() if calibration}


@typechecked
def fit_calibration(
    logits: Float[torch.Tensor, "tracks labels"], targets: Float[torch.Tensor, "tracks labels"]
) -> HeadCalibration | None:
    """The calibration that makes `targets`, 0 or 1, most probable; None where the head is worse than none."""
    answers = targets.flatten().numpy()
    if len(set(answers.tolist())) < 2:
        return None
    model = LogisticRegression().fit(logits.reshape(-1, 1).numpy(), answers)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    return HeadCalibration(slope=slope, intercept=intercept, tracks=len(targets)) if slope > 0 else None
