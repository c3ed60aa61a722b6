"""The margin softmax against its formula, and many artists by a sample of them."""

import copy
import math
from pathlib import Path

import pandas as pd
import torch
from hypothesis import given
from hypothesis import strategies as st

from soundkin.catalog.labels import Vocabulary
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.tasks.artist import ArtistTask
from soundkin.tasks.margin_softmax import MarginSoftmaxConfig, sample_others


def test_loss_is_cosface_equation_4() -> None:
    torch.manual_seed(0)
    task = ArtistTask(MarginSoftmaxConfig(margin=0.3, scale=10.0), Vocabulary(("a", "b", "c")), 4)
    vector = torch.randn(1, 4)
    cosines = [float(nearness) for nearness in torch.cosine_similarity(vector, task.directions.detach())]
    own = math.exp(10.0 * (cosines[1] - 0.3))
    others = math.exp(10.0 * cosines[0]) + math.exp(10.0 * cosines[2])
    torch.testing.assert_close(
        task.loss(vector, torch.tensor([1])), torch.tensor(-math.log(own / (own + others)))
    )


def test_a_sample_of_the_artists_holds_the_batch_and_is_of_the_size_asked_for() -> None:
    names = tuple(f"artist {number:04}" for number in range(1000))
    task = ArtistTask(MarginSoftmaxConfig(sampled_labels=50), Vocabulary(names), 4)
    targets = torch.tensor([7, 999, 7, 0])
    classes, places = task._sample(targets)
    assert len(classes) == 50 and len(classes.unique()) == 50
    assert classes[places].tolist() == targets.tolist()


@given(data=st.data(), total=st.integers(1, 60))
def test_others_are_distinct_and_none_of_the_batch_and_all_of_them_if_asked(
    data: st.DataObject, total: int
) -> None:
    present = torch.tensor(sorted(data.draw(st.sets(st.integers(0, total - 1)))), dtype=torch.int64)
    count = data.draw(st.integers(0, total - len(present)))
    others = sample_others(present, total, count)
    both = {*others.tolist(), *present.tolist()}
    assert len(others) == count and len(both) == count + len(present) and both <= set(range(total))


def test_each_other_class_is_as_likely_as_any() -> None:
    torch.manual_seed(0)
    draws = torch.cat([sample_others(torch.tensor([2, 3, 9]), 23, 6) for _ in range(5_000)])
    counts = torch.bincount(draws, minlength=23)
    assert counts[[2, 3, 9]].sum() == 0
    others = counts[counts > 0].double()
    assert len(others) == 20
    # Binomial: 5,000 draws at 6 of 20 and a standard deviation of 32; five of these.
    assert (others - 1_500).abs().max() < 162


@given(random_seed=st.integers(0, 1_000), labels=st.integers(2, 40), batch=st.integers(1, 9))
def test_the_sampled_loss_is_the_full_one_where_the_sample_is_all(
    random_seed: int, labels: int, batch: int
) -> None:
    """The sampling path itself, in double precision, gradient included."""
    torch.manual_seed(random_seed)
    names = Vocabulary(tuple(map(str, range(labels))))
    full = ArtistTask(MarginSoftmaxConfig(), names, 4).double()
    sampled = copy.deepcopy(full)
    vectors, targets = torch.randn(batch, 4, dtype=torch.float64), torch.randint(labels, (batch,))
    present = torch.unique(targets)
    every = torch.cat([present, sample_others(present, labels, labels - len(present))])
    sampled._sample = lambda targets: (every, torch.searchsorted(present, targets))  # type: ignore[method-assign]
    losses = [task.loss(vectors, targets) for task in (full, sampled)]
    torch.testing.assert_close(losses[1], losses[0])
    for loss in losses:
        loss.backward()
    torch.testing.assert_close(sampled.directions.grad, full.directions.grad)


def test_a_sampled_softmax_of_all_artists_is_the_full_one() -> None:
    torch.manual_seed(0)
    names = tuple("abcdef")
    full = ArtistTask(MarginSoftmaxConfig(), Vocabulary(names), 4)
    sampled = ArtistTask(MarginSoftmaxConfig(sampled_labels=5), Vocabulary(names), 4)
    sampled.load_state_dict(full.state_dict())
    vectors, targets = torch.randn(3, 4), torch.tensor([1, 2, 5])
    assert float(sampled.loss(vectors, targets).detach()) < float(full.loss(vectors, targets).detach())
    widest = ArtistTask(MarginSoftmaxConfig(sampled_labels=6), Vocabulary(names), 4)
    widest.load_state_dict(full.state_dict())
    torch.testing.assert_close(widest.loss(vectors, targets), full.loss(vectors, targets))


def test_one_class_an_artist_by_its_commonest_spelling_and_nobody_is_no_class() -> None:
    credits = ["Björk", "Björk", "BJORK feat. Ann", "Ann", "Various Artists", "VA", None, "Solo"]
    tracks = Catalog(
        pd.DataFrame({"track_id": [str(row) for row in range(8)], "path": "", "artist": credits}), Path()
    )
    task = ArtistTask.from_sources(MarginSoftmaxConfig(), Sources(tracks), 4)
    assert task.vocabulary.names == ("Ann", "Björk")
    assert task.targets(tracks).tolist() == [1, 1, 1, 0, -1, -1, -1, -1]
    later = Catalog(
        tracks.frame.assign(artist=["bjork", "ann; x", "björk & y", "?", "b", "c", "d", "e"]), Path()
    )
    assert task.targets(later).tolist()[:4] == [1, 0, 1, -1]


def test_a_task_of_an_earlier_version_keeps_its_classes() -> None:
    saved = {
        "config": MarginSoftmaxConfig().model_dump(mode="json"),
        "vocabulary": ["Ann feat. Bob", "Björk", "Various Artists"],
    }
    task = ArtistTask.from_json(saved, 4)
    assert len(task.vocabulary) == 3 and task.directions.shape == (3, 4)
