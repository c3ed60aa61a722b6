"""One contract over every registered proxy task: a new one is tested by being registered."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.tasks import TASKS, ProxyTask

EMBEDDING = 8
TRACKS = [f"t{number}" for number in range(6)]
COLUMNS = {
    "genre": ["a", "b", "a;b", None, "b", "a"],
    "artist": ["x", "x", "y", "y", None, "z"],
    "album": ["p", "p", "q", "q", None, "q"],
    "tags": ["calm", "calm;slow", "fast", None, "fast", "slow"],
    "year": [1970, 1970, 1990, None, 1990, 2010],
}
RATINGS = {
    "user_id": ["u1"] * 3 + ["u2"] * 3 + ["u3"] * 2 + ["u4"] * 2,
    "track_id": ["t0", "t1", "t5", "t2", "t3", "t0", "t0", "t1", "t2", "t3"],
    "rating": [5, 4, 1, 5, 5, 1, 3, 2, 4, 4],
}
TRIPLETS = {
    "anchor_id": ["t0", "t2", "t1"],
    "closer_id": ["t1", "t3", "t0"],
    "farther_id": ["t2", "t5", "t3"],
}
ANSWERS = {
    "track_id": np.array(["t0", "t0", "t1", "t2", "t3", "t5"]),
    "start_seconds": np.array([0.0, 3.0, 0.0, 0.0, 0.0, 0.0]),
    "vectors": np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32),
}
PLAYLISTS = {"playlist_id": ["a", "a", "b", "b", "c", "c"], "track_id": ["t0", "t1", "t2", "t3", "t0", "t1"]}


def catalog() -> Catalog:
    return Catalog(pd.DataFrame({"track_id": TRACKS, "path": TRACKS} | COLUMNS), Path())


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Tracks with every label and every file that a task reads; each leaves some track unlabelled."""
    for name, rows in (("ratings", RATINGS), ("triplets", TRIPLETS), ("playlists", PLAYLISTS)):
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    np.savez(tmp_path / "teacher.npz", **ANSWERS)
    files = [tmp_path / f"{name}.csv" for name in ("ratings", "triplets", "playlists")]
    return Sources(catalog(), *files, teachers=(tmp_path / "teacher.npz",))


@pytest.fixture(params=sorted(TASKS))
def task(request: pytest.FixtureRequest, sources: Sources) -> ProxyTask:
    torch.manual_seed(0)
    kind = TASKS[request.param]
    return kind.from_sources(kind.config_kind(), sources, EMBEDDING)


def batch(task: ProxyTask) -> tuple[Tensor, Tensor]:
    """Vectors and targets of all tracks, each as often as the task needs to meet it."""
    targets = task.targets(catalog()).repeat_interleave(task.views, dim=0)
    torch.manual_seed(1)
    return torch.randn(len(targets), EMBEDDING, requires_grad=True), targets


def loss_of(task: ProxyTask, vectors: Tensor, targets: Tensor) -> Tensor:
    """The loss; what a task draws at random is drawn alike each time."""
    torch.manual_seed(2)
    return task.loss(vectors, targets)


def test_loss_is_finite_and_its_gradient_reaches_the_vectors(task: ProxyTask) -> None:
    vectors, targets = batch(task)
    loss = loss_of(task, vectors, targets)
    loss.backward()
    assert torch.isfinite(loss) and loss.ndim == 0 and loss > 0
    assert vectors.grad is not None and vectors.grad.abs().sum() > 0
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in task.parameters())


def test_it_turns_with_the_vectors(task: ProxyTask) -> None:
    vectors, targets = batch(task)
    rotation = torch.linalg.qr(torch.randn(EMBEDDING, EMBEDDING, dtype=torch.float64))[0]
    before = loss_of(task, vectors, targets)
    task.turn(rotation)
    torch.testing.assert_close(loss_of(task, vectors @ rotation.float().T, targets), before)


def test_it_says_whether_it_has_a_head(task: ProxyTask) -> None:
    assert task.has_head == bool(list(task.parameters()))


def test_tracks_without_a_label_do_not_matter(task: ProxyTask) -> None:
    vectors, targets = batch(task)
    missing = ~task.labelled(targets)
    if task.columns:
        assert missing.any(), "the catalog above leaves a track unlabelled for every task with a column"
    loss = loss_of(task, vectors, targets)
    loss.backward()
    assert vectors.grad is not None
    assert not vectors.grad[missing].any() and vectors.grad[~missing].any()
    torch.testing.assert_close(loss, loss_of(task, vectors[~missing], targets[~missing]))
    alone = torch.randn(max(1, int(missing.sum())), EMBEDDING, requires_grad=True)
    nothing = task.loss(alone, targets[missing]) if missing.any() else task.loss(alone[:0], targets[missing])
    nothing.backward()
    assert float(nothing.detach()) == 0.0 and alone.grad is not None and not alone.grad.any()
    assert task.metrics(alone[: int(missing.sum())].detach(), targets[missing]) == {}


def test_a_task_learns_its_labels(task: ProxyTask) -> None:
    _, targets = batch(task)
    vectors = nn.Parameter(torch.randn(len(targets), EMBEDDING))
    optimiser = torch.optim.Adam([vectors, *task.parameters()], lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        task.loss(vectors, targets).backward()
        optimiser.step()
    metrics = task.metrics(vectors.detach(), targets)
    assert metrics
    for name, value in metrics.items():
        assert value > 0.98, name


def test_config_and_vocabulary_survive_json(task: ProxyTask) -> None:
    again = type(task).from_json(json.loads(json.dumps(task.to_json())), EMBEDDING)
    again.load_state_dict(task.state_dict())
    assert again.config == task.config and again.to_json() == task.to_json()
    assert {name: p.shape for name, p in again.state_dict().items()} == {
        name: p.shape for name, p in task.state_dict().items()
    }


def test_only_the_direction_of_a_vector_counts(task: ProxyTask) -> None:
    vectors, targets = batch(task)
    torch.testing.assert_close(loss_of(task, vectors, targets), loss_of(task, vectors * 7.0, targets))


def test_groups_wanted_together_are_rows_of_the_catalog(task: ProxyTask) -> None:
    groups = task.co_batched_groups()
    assert groups.ndim == 2 and groups.dtype == torch.int64
    assert ((groups >= 0) & (groups < len(TRACKS))).all()


@pytest.mark.parametrize("name", sorted(TASKS))
def test_sources_without_what_it_learns_from_say_what_to_do(name: str, sources: Sources) -> None:
    kind = TASKS[name]
    frame = sources.catalog.frame
    if kind.columns:
        broken = [frame.drop(columns=list(kind.columns))]
        broken += [frame.assign(**dict.fromkeys(kind.columns, value)) for value in (pd.NA, "1999")]
        for table in broken:
            with pytest.raises(CatalogError, match=f"task.{name}=null"):
                kind.from_sources(kind.config_kind(), Sources(Catalog(table, Path())), EMBEDDING)
