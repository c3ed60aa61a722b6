"""NT-Xent and SupCon against loops over their formulas; related tracks are never pushed away."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.tasks.contrastive import ContrastiveConfig, ContrastiveTask

IDS = list("abcde")
ARTISTS = ["x", "x; y", "y", None, None]
CATALOG = Catalog(pd.DataFrame({"track_id": IDS, "path": IDS, "artist": ARTISTS}), Path())
RELATED = {"track": [], "artist": ["ab", "bc"], "playlist": ["abd", "ce"]}


def learnt(positives: str, folder: Path, temperature: float = 0.3) -> ContrastiveTask:
    path = folder / "playlists.csv"
    rows = [f"{playlist},{track}\n" for playlist in RELATED["playlist"] for track in playlist]
    path.write_text("playlist_id,track_id\n" + "".join(rows))
    config = ContrastiveConfig(positives=positives, temperature=temperature)
    return ContrastiveTask.from_sources(config, Sources(CATALOG, playlists=path), 4)


def views(task: ContrastiveTask, seed: int = 0) -> tuple[Tensor, Tensor]:
    torch.manual_seed(seed)
    return torch.randn(10, 4), task.targets(CATALOG).repeat_interleave(2)


def expected_loss(vectors: Tensor, tracks: str, positives: str, temperature: float) -> float:
    directions = [row / np.linalg.norm(row) for row in vectors.numpy().astype(np.float64)]
    losses = []
    for row, track in enumerate(tracks):
        powers = {
            place: math.exp(float(directions[row] @ directions[place]) / temperature)
            for place in range(len(tracks))
            if place != row
        }
        alike = [
            place
            for place in powers
            if tracks[place] == track
            or any(track in group and tracks[place] in group for group in RELATED[positives])
        ]
        losses.append(-sum(math.log(powers[place] / sum(powers.values())) for place in alike) / len(alike))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("positives", ["track", "artist", "playlist"])
def test_loss_is_the_formula(positives: str, tmp_path: Path) -> None:
    task = learnt(positives, tmp_path)
    vectors, targets = views(task)
    expected = expected_loss(vectors, "aabbccddee", positives, 0.3)
    torch.testing.assert_close(task.loss(vectors, targets), torch.tensor(expected), atol=1e-5, rtol=1e-5)


def test_without_artist_a_track_has_itself_alone(tmp_path: Path) -> None:
    task = learnt("artist", tmp_path)
    positives, others = task.pairs(task.targets(CATALOG).repeat_interleave(2))
    assert positives[6].nonzero().flatten().tolist() == [7] and positives[8].nonzero().flatten().tolist() == [
        9
    ]
    assert positives[0].nonzero().flatten().tolist() == [1, 2, 3]
    assert torch.equal(others, ~torch.eye(10, dtype=torch.bool))


@pytest.mark.slow
@given(order=st.permutations(range(10)))
def test_the_order_of_a_batch_does_not_matter(order: list[int]) -> None:
    task = ContrastiveTask.from_sources(ContrastiveConfig(), Sources(CATALOG), 4)
    vectors, targets = views(task)
    torch.testing.assert_close(task.loss(vectors[order], targets[order]), task.loss(vectors, targets))


@pytest.mark.parametrize(
    ("track", "drawn"), [("a", True), ("b", True), ("d", True), ("c", False), ("e", False)]
)
def test_related_tracks_are_drawn_together_and_others_pushed_apart(
    track: str, drawn: bool, tmp_path: Path
) -> None:
    task = learnt("playlist", tmp_path)
    targets = torch.tensor([0, IDS.index(track), 0, 1, 2, 2, 3, 4])
    vectors = torch.eye(8)
    vectors.requires_grad_()
    task.loss(vectors, targets).backward()
    assert vectors.grad is not None
    assert bool(vectors.grad[0, 1] < 0) is drawn


def test_nearest_on_a_hand_made_case() -> None:
    task = ContrastiveTask.from_sources(ContrastiveConfig(), Sources(CATALOG), 2)
    targets = torch.tensor([0, 0, 1, 1, 2])  # the last has one row and has nothing to find
    vectors = torch.tensor([[1.0, 0.0], [1.0, 0.1], [1.0, 0.3], [0.0, 1.0], [-1.0, 0.0]])
    assert task.metrics(vectors, targets) == {"nearest": 0.75}


def test_playlists_are_drawn_together_and_others_need_not_be(tmp_path: Path) -> None:
    pairs = learnt("playlist", tmp_path).co_batched_groups().tolist()
    assert {"".join(sorted(IDS[row] for row in pair)) for pair in pairs} <= {"ab", "ad", "bd", "ce"} and pairs
    assert (
        len(learnt("artist", tmp_path).co_batched_groups())
        == len(learnt("track", tmp_path).co_batched_groups())
        == 0
    )


def test_what_is_missing_is_said() -> None:
    def build(positives: str, tracks: Catalog) -> ContrastiveTask:
        return ContrastiveTask.from_sources(ContrastiveConfig(positives=positives), Sources(tracks), 4)

    nameless = Catalog(CATALOG.frame.drop(columns="artist"), Path())
    for positives, tracks, expected in (
        ("track", CATALOG.select(["a"]), "needs two training tracks"),
        ("artist", nameless, "there is no column artist"),
        ("artist", CATALOG.select(["a", "c"]), "no two training tracks share an artist"),
        ("playlist", CATALOG, "no file of them was named"),
    ):
        with pytest.raises(CatalogError, match=rf"{expected}.*task\.contrastive=null"):
            build(positives, tracks)


def test_positives_share_an_artist_however_spelled_and_nobody_is_none() -> None:
    credits = ["Björk", "Ann feat. BJORK", "ann", "Various Artists", "VA"]
    catalog = Catalog(CATALOG.frame.assign(artist=credits), Path())
    task = ContrastiveTask.from_sources(ContrastiveConfig(positives="artist"), Sources(catalog), 4)
    alike = task.groups.shared(task.targets(catalog)) > 0
    expected = torch.zeros(5, 5, dtype=torch.bool)
    for first, second in ((0, 1), (1, 0), (1, 2), (2, 1)):
        expected[first, second] = True
    assert torch.equal(alike & ~torch.eye(5, dtype=torch.bool), expected)
