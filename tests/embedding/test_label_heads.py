"""What heads think of two tracks, and that uncalibrated heads say nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soundkin.embedding.bundle import load_bundle, save_bundle
from soundkin.embedding.label_heads import CALIBRATION, Belief, HeadCalibration, label_heads, shared_beliefs
from soundkin.embedding.trained_tasks import trained_task
from soundkin.errors import ArtefactError
from soundkin.tasks.base import LabelTaskConfig
from soundkin.tasks.genre import GenreTask

SAVED = HeadCalibration(slope=2.0, intercept=-1.0, tracks=100).model_dump()


def with_genres(folder: Path, make: Any, calibrated: bool = True) -> Path:
    """A bundle whose head has one genre for each of the first two directions."""
    bundle = make.bundle()
    size = bundle.network_config.embedding_size
    task = GenreTask(LabelTaskConfig(), ["jazz", "rock"], size)
    with torch.no_grad():
        task.head.weight.copy_(torch.eye(2, size))
        task.head.bias.zero_()
    bundle.tasks = {"genre": task.to_json() | ({CALIBRATION: SAVED} if calibrated else {})}
    bundle.task_state = {f"tasks.genre.{name}": tensor for name, tensor in task.state_dict().items()}
    save_bundle(bundle, folder)
    return folder


def test_both_are_believed_to_be_what_both_probably_are(tmp_path: Path, make: Any) -> None:
    bundle = load_bundle(with_genres(tmp_path / "model", make))
    heads = label_heads(bundle, tmp_path)
    size = bundle.network_config.embedding_size
    jazz, rock = np.eye(2, size, dtype=np.float32)
    [sure, other] = heads[0].probabilities(np.stack([jazz, jazz + rock]))
    assert sure[0] == pytest.approx(1 / (1 + np.exp(-(2 * 10 - 1))))
    assert other[0] == pytest.approx(other[1], abs=1e-6)
    assert shared_beliefs(heads, jazz, jazz) == [Belief("genre", "jazz", pytest.approx(float(sure[0]) ** 2))]
    assert [belief.label for belief in shared_beliefs(heads, jazz, jazz + rock)] == ["jazz"]
    assert shared_beliefs(heads, jazz, rock) == []


def test_heads_that_were_not_calibrated_say_nothing(tmp_path: Path, make: Any) -> None:
    bundle = load_bundle(with_genres(tmp_path / "model", make, calibrated=False))
    assert label_heads(bundle, tmp_path) == []
    assert trained_task(bundle, tmp_path, "genre").name == "genre"


def test_a_head_that_does_not_fit_is_of_another_soundkin(tmp_path: Path, make: Any) -> None:
    bundle = load_bundle(with_genres(tmp_path / "model", make))
    bundle.task_state = {}
    with pytest.raises(ArtefactError, match="do not fit the genre task"):
        label_heads(bundle, tmp_path)
