"""Multi-label genre on hand-made cases."""

import math
import tracemalloc
from pathlib import Path

import pandas as pd
import pytest
import torch

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.table import Catalog
from soundkin.tasks.base import LabelTaskConfig
from soundkin.tasks.genre import GenreTask


def test_loss_is_binary_cross_entropy_of_scaled_cosines() -> None:
    task = GenreTask(LabelTaskConfig(), Vocabulary(("folk", "rock")), 2)
    with torch.no_grad():
        task.head.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
        task.head.bias.zero_()
        task.scale.fill_(4.0)
    loss = task.loss(torch.tensor([[5.0, 0.0]]), torch.tensor([[1.0, 0.0]]))
    expected = -math.log(1 / (1 + math.exp(-4.0))) - math.log(1 - 1 / (1 + math.exp(0.0)))
    torch.testing.assert_close(loss, torch.tensor(expected))


def test_accuracy_counts_any_of_a_tracks_genres() -> None:
    task = GenreTask(LabelTaskConfig(), Vocabulary(("folk", "rock")), 2)
    with torch.no_grad():
        task.head.weight.copy_(torch.eye(2))
        task.head.bias.zero_()
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    targets = torch.tensor([[1.0, 1.0], [0.0, 1.0], [0.0, 1.0], [math.nan, math.nan]])
    assert abs(task.metrics(vectors, targets)["accuracy"] - 2 / 3) < 1e-6


@pytest.mark.slow
def test_labels_stay_sparse_until_a_batch_asks_for_them() -> None:
    """50,000 tracks and 5,000 labels: 954 MiB as a table of all cells."""
    tracks = [str(row) for row in range(50_000)]
    frame = pd.DataFrame(
        {"track_id": tracks, "path": tracks, "genre": [f"g{row % 5000}" for row in range(50_000)]}
    )
    frame.loc[7, "genre"] = None
    task = GenreTask(LabelTaskConfig(), Vocabulary(tuple(f"g{number}" for number in range(5_000))), 2)
    catalog = Catalog(frame, Path())
    tracemalloc.start()
    lookup = task.target_lookup(catalog)
    batch = lookup(torch.tensor([3, 7, 49_999]))
    most = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    assert most < 60
    assert (
        batch.shape == (3, 5_000)
        and batch[0].nonzero().tolist() == [[3]]
        and batch[2].nonzero().tolist() == [[4999]]
    )
    assert bool(batch[1].isnan().all())


def test_targets_hold_every_genre_and_mark_the_unknown() -> None:
    frame = pd.DataFrame({"track_id": ["1", "2"], "path": ["1", "2"], "genre": ["rock; folk", None]})
    targets = GenreTask(LabelTaskConfig(), Vocabulary(("folk", "jazz", "rock")), 2).targets(
        Catalog(frame, Path())
    )
    assert targets[0].tolist() == [1.0, 0.0, 1.0] and bool(targets[1].isnan().all())
