"""One contract over every registered proxy task: a new one is tested by being registered."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch import nn

from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.tasks import TASKS, ProxyTask

EMBEDDING = 8
COLUMNS = {"genre": ["a", "b", "a;b", None, "b", "a"], "artist": ["x", "x", "y", "y", None, "z"]}


def catalog() -> Catalog:
    tracks = [f"t{number}" for number in range(6)]
    return Catalog(pd.DataFrame({"track_id": tracks, "path": tracks} | COLUMNS), Path())


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest) -> ProxyTask:
    torch.manual_seed(0)
    kind = TASKS[request.param]
    return kind.from_catalog(kind.config_kind(), catalog(), EMBEDDING)


def test_loss_is_finite_and_its_gradient_reaches_the_vectors(task: ProxyTask) -> None:
    vectors = torch.randn(6, EMBEDDING, requires_grad=True)
    loss = task.loss(vectors, task.targets(catalog()))
    loss.backward()
    assert torch.isfinite(loss) and loss.ndim == 0 and loss > 0
    assert vectors.grad is not None and vectors.grad.abs().sum() > 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in task.parameters())


def test_tracks_without_a_label_do_not_matter(task: ProxyTask) -> None:
    targets = task.targets(catalog())
    missing = torch.tensor([not labels for labels in catalog().values(task.column)])
    assert missing.any()
    vectors = torch.randn(6, EMBEDDING, requires_grad=True)
    task.loss(vectors, targets).backward()
    assert vectors.grad is not None
    assert not vectors.grad[missing].any() and vectors.grad[~missing].any()
    torch.testing.assert_close(task.loss(vectors, targets), task.loss(vectors[~missing], targets[~missing]))
    alone = torch.randn(int(missing.sum()), EMBEDDING, requires_grad=True)
    nothing = task.loss(alone, targets[missing])
    nothing.backward()
    assert float(nothing) == 0.0 and alone.grad is not None and not alone.grad.any()
    assert task.metrics(alone, targets[missing]) == {}


def test_a_task_learns_its_labels(task: ProxyTask) -> None:
    targets = task.targets(catalog())
    vectors = nn.Parameter(torch.randn(6, EMBEDDING))
    optimiser = torch.optim.Adam([vectors, *task.parameters()], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        task.loss(vectors, targets).backward()
        optimiser.step()
    for name, value in task.metrics(vectors.detach(), targets).items():
        assert value == 1.0, name


def test_config_and_vocabulary_survive_json(task: ProxyTask) -> None:
    again = type(task).from_json(json.loads(json.dumps(task.to_json())), EMBEDDING)
    again.load_state_dict(task.state_dict())
    vectors, targets = torch.randn(6, EMBEDDING), task.targets(catalog())
    assert again.config == task.config and again.vocabulary == task.vocabulary
    torch.testing.assert_close(again.loss(vectors, targets), task.loss(vectors, targets))


def test_only_the_direction_of_a_vector_counts(task: ProxyTask) -> None:
    vectors, targets = torch.randn(6, EMBEDDING), task.targets(catalog())
    torch.testing.assert_close(task.loss(vectors, targets), task.loss(vectors * 7.0, targets))


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_catalog_without_the_label_says_what_to_do(name: str) -> None:
    kind = TASKS[name]
    frame = catalog().frame
    for broken in (frame.drop(columns=kind.column), frame.assign(**{kind.column: pd.NA})):
        with pytest.raises(CatalogError, match=f"task.{name}=null"):
            kind.from_catalog(kind.config_kind(), Catalog(broken, Path()), EMBEDDING)
    with pytest.raises(CatalogError, match="needs two to tell apart"):
        kind.from_catalog(kind.config_kind(), Catalog(frame.assign(**{kind.column: "same"}), Path()), EMBEDDING)
