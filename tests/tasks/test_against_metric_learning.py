"""Our contrastive, triplet and margin softmax losses are those of pytorch-metric-learning."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import CosFaceLoss, NTXentLoss, SupConLoss, TripletMarginLoss
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.tasks.artist import ArtistTask
from soundkin.tasks.contrastive import ContrastiveConfig, ContrastiveTask
from soundkin.tasks.info_nce import info_nce
from soundkin.tasks.margin_softmax import MarginSoftmaxConfig
from soundkin.tasks.triplets import TripletsConfig, TripletsTask

IDS = list("abcdef")
ARTISTS = list("xxyyzz")
CATALOG = Catalog(pd.DataFrame({"track_id": IDS, "path": IDS, "artist": ARTISTS}), Path())


def assert_same(ours: Tensor, theirs: Tensor, vectors: Tensor) -> None:
    """The same loss and the same gradient by the vectors."""
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    gradients = [torch.autograd.grad(loss, vectors, retain_graph=True)[0] for loss in (ours, theirs)]
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_two_views_of_a_track_are_nt_xent(seed: int) -> None:
    torch.manual_seed(seed)
    task = ContrastiveTask.from_sources(ContrastiveConfig(temperature=0.3), Sources(CATALOG), 5)
    targets = task.targets(CATALOG).repeat_interleave(2)
    vectors = torch.randn(12, 5, requires_grad=True)
    assert_same(task.loss(vectors, targets), NTXentLoss(temperature=0.3)(vectors, targets), vectors)


@pytest.mark.parametrize("seed", range(3))
def test_several_positives_are_supervised_contrast(seed: int) -> None:
    torch.manual_seed(seed)
    config = ContrastiveConfig(temperature=0.3, positives="artist")
    task = ContrastiveTask.from_sources(config, Sources(CATALOG), 5)
    artists = torch.tensor([ARTISTS.index(name) for name in ARTISTS]).repeat_interleave(2)
    vectors = torch.randn(12, 5, requires_grad=True)
    expected = SupConLoss(temperature=0.3)(vectors, artists)
    assert_same(task.loss(vectors, task.targets(CATALOG).repeat_interleave(2)), expected, vectors)
    alike = (artists[:, None] == artists) & ~torch.eye(12, dtype=torch.bool)
    assert_same(info_nce(vectors, alike.float(), ~torch.eye(12, dtype=torch.bool), 0.3), expected, vectors)


@pytest.mark.parametrize("seed", range(3))
def test_triplets_by_a_margin_are_the_triplet_loss(seed: int) -> None:
    torch.manual_seed(seed)
    answers = torch.stack([torch.randperm(6)[:3] for _ in range(8)])
    task = TripletsTask(TripletsConfig(form="margin", margin=0.4), 5, IDS, answers.tolist(), [1.0] * 8)
    vectors = torch.randn(6, 5, requires_grad=True)
    theirs = TripletMarginLoss(margin=0.4, distance=CosineSimilarity(), reducer=MeanReducer())
    expected = theirs(vectors, torch.arange(6), tuple(answers.T))
    assert_same(task.loss(vectors, torch.arange(6)), expected, vectors)


@pytest.mark.parametrize("seed", range(3))
def test_the_margin_softmax_is_cosface(seed: int) -> None:
    torch.manual_seed(seed)
    task = ArtistTask(MarginSoftmaxConfig(margin=0.3, scale=12.0), Vocabulary(tuple("pqrs")), 5)
    theirs = CosFaceLoss(num_classes=4, embedding_size=5, margin=0.3, scale=12.0)
    theirs.W.data = task.directions.detach().T.clone()
    vectors, classes = torch.randn(7, 5, requires_grad=True), torch.randint(4, (7,))
    assert_same(task.loss(vectors, classes), theirs(vectors, classes), vectors)
