"""The distill task: losses by hand, teachers weigh alike, what a teacher does not answer does not count."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.tasks.distill import DistillConfig, DistillTask, cosine, mse, relational

TEACHERS = [("a", 3, 2), ("b", 2, 0)]


def task(**settings: Any) -> DistillTask:
    torch.manual_seed(0)
    return DistillTask(DistillConfig(**settings), TEACHERS, embedding_size=4)


def answers(rows: int = 50) -> Tensor:
    torch.manual_seed(1)
    given = torch.cat([torch.randn(rows, 3) * 100 + 7, torch.rand(rows, 2), torch.randn(rows, 2) * 0.01], 1)
    return given


def test_losses_are_what_their_names_say() -> None:
    predicted, wanted = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[1.0, 1.0], [0.0, 5.0]])
    known = torch.tensor([True, True])
    assert float(mse(predicted, wanted, known)) == pytest.approx((0.5 + 4.5) / 2)
    assert float(cosine(predicted, wanted, known)) == pytest.approx((1 - 0.5**0.5) / 2)
    assert float(relational(predicted, wanted, known)) == pytest.approx(0.5)  # (0 - sqrt(1/2)) squared
    alone = torch.tensor([True, False])
    assert float(mse(predicted, wanted, alone)) == pytest.approx(0.5)
    assert float(relational(predicted, wanted, alone)) == 0.0


def test_standardised_teachers_weigh_alike_whatever_their_scale() -> None:
    distill, given = task(tags_weight=0.0), answers()
    distill.standardise(given)
    nn.init.zeros_(distill.head.weight)
    nn.init.zeros_(distill.head.bias)
    loss = distill.loss(torch.randn(len(given), 4), given).detach()
    assert float(loss) == pytest.approx(1.0, abs=1e-4), "zero predicts the mean: a deviation off, of each"


def test_tags_start_at_their_mean() -> None:
    distill, given = task(), answers()
    distill.standardise(given)
    nn.init.zeros_(distill.head.weight)
    logits = distill.predict(torch.randn(1, 4))[0, distill.tag_spans[0]]
    torch.testing.assert_close(logits.sigmoid(), given[:, 3:5].mean(0))


@pytest.mark.parametrize("settings", [{}, {"loss": "cosine"}, {"relational_weight": 10.0}])
def test_what_a_teacher_does_not_answer_does_not_count(settings: dict[str, Any]) -> None:
    distill, given = task(**settings), answers(6)
    distill.standardise(answers())
    given[2, :5] = torch.nan  # of teacher a
    vectors = torch.randn(6, 4, requires_grad=True)
    whole = distill.loss(vectors, given)
    given[2, 5:] = torch.nan
    distill.loss(vectors, given).backward()
    assert vectors.grad is not None and not vectors.grad[2].any() and vectors.grad[1].any()
    assert torch.isfinite(whole) and torch.isfinite(vectors.grad).all()


def test_perfect_predictions_agree_fully() -> None:
    distill, given = task(), answers(6)
    distill.standardise(answers())
    standard = (given - distill.mean) / distill.deviation
    distill.predict = lambda vectors: standard  # type: ignore[method-assign,assignment]
    torch.testing.assert_close(distill.agreement(torch.randn(6, 4), given), torch.ones(6))
    given[0, :5] = torch.nan
    torch.testing.assert_close(distill.agreement(torch.randn(6, 4), given), torch.ones(6))
    given[1] = torch.nan
    assert distill.agreement(torch.randn(6, 4), given).isnan().tolist() == [False, True] + [False] * 4


def test_a_track_is_answered_by_the_mean_of_its_rows(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "t.npz",
        track_id=np.array(["x", "x", "y"]),
        start_seconds=np.array([0.0, 3.0, 0.0]),
        vectors=np.array([[1.0], [3.0], [9.0]], np.float32),
    )
    catalog = Catalog(pd.DataFrame({"track_id": ["x", "z"], "path": ["x", "z"]}), Path())
    sources = Sources(catalog, teachers=(tmp_path / "t.npz",))
    distill = DistillTask.from_sources(DistillConfig(), sources, 4)
    targets = distill.targets(catalog)
    assert targets[0].tolist() == [2.0] and targets[1].isnan().all()
    assert distill.labelled(targets).tolist() == [True, False]
