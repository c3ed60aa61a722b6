"""InfoNCE over shared playlists against loops over its formula; memberships without a table of all pairs."""

import math
from collections.abc import Sequence
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
from soundkin.tasks.group_index import GroupIndex
from soundkin.tasks.playlist import PlaylistConfig, PlaylistTask

IDS = tuple("abcdefg")
PLAYLISTS = ("abc", "ab", "cd", "defa", "g")  # g is alone in its playlist
CATALOG = Catalog(pd.DataFrame({"track_id": IDS, "path": IDS}), Path())


def group_index(playlists: Sequence[str] = PLAYLISTS) -> GroupIndex:
    pairs = [(IDS.index(track), playlist) for playlist in playlists for track in playlist]
    return GroupIndex(IDS, [row for row, _ in pairs], [playlist for _, playlist in pairs])


def task(**settings: float) -> PlaylistTask:
    return PlaylistTask(PlaylistConfig(**settings), 4, group_index())


def closeness(first: str, second: str) -> float:
    return sum(1 / (len(playlist) - 1) for playlist in PLAYLISTS if first in playlist and second in playlist)


def expected_loss(vectors: Tensor, tracks: str, temperature: float, discount: float) -> float:
    """The formula in loops; `tracks` are those of the rows."""
    directions = [row / np.linalg.norm(row) for row in vectors.detach().numpy().astype(np.float64)]
    losses = []
    for row, track in enumerate(tracks):
        others = [place for place, name in enumerate(tracks) if name not in (track, "g") and track != "g"]
        powers = {
            place: math.exp(float(directions[row] @ directions[place]) / temperature) for place in others
        }
        weights = {}
        for place in others:
            popularity = sum(tracks[place] in playlist for playlist in PLAYLISTS)
            weights[place] = closeness(track, tracks[place]) / popularity**discount
        if total := sum(weights.values()):
            shares = {place: power / sum(powers.values()) for place, power in powers.items()}
            losses.append(-sum(weight / total * math.log(shares[place]) for place, weight in weights.items()))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("discount", [0.0, 0.75, 1.0])
@pytest.mark.parametrize("tracks", ["abcdefg", "aabbccdd", "agfe", "abdgg"])
def test_loss_is_the_formula(tracks: str, discount: float) -> None:
    torch.manual_seed(0)
    vectors = torch.randn(len(tracks), 4)
    playlist = task(temperature=0.3, popularity_discount=discount)
    rows = playlist.targets(CATALOG.select(list(dict.fromkeys(tracks))))
    places = [list(dict.fromkeys(tracks)).index(track) for track in tracks]
    expected = expected_loss(vectors, tracks, 0.3, discount)
    torch.testing.assert_close(
        playlist.loss(vectors, rows[places]), torch.tensor(expected), atol=1e-5, rtol=1e-5
    )


@pytest.mark.slow
@given(order=st.permutations(range(7)))
def test_the_order_of_a_batch_does_not_matter(order: list[int]) -> None:
    torch.manual_seed(0)
    playlist, vectors = task(), torch.randn(7, 4)
    targets = playlist.targets(CATALOG)
    torch.testing.assert_close(playlist.loss(vectors[order], targets[order]), playlist.loss(vectors, targets))


def test_a_discount_makes_a_rare_partner_pull_harder_than_a_popular_one() -> None:
    playlists = GroupIndex(("rare", "hit", "x", "y", "z"), [2, 0, 2, 1, 3, 1, 4, 1], [0, 0, 1, 1, 2, 2, 3, 3])
    positives, plain = (
        PlaylistTask(PlaylistConfig(popularity_discount=discount), 5, playlists).pairs(torch.arange(5))[0][2]
        for discount in (1.0, 0.0)
    )
    assert plain.tolist() == [1, 1, 0, 0, 0]
    torch.testing.assert_close(positives, torch.tensor([1, 1 / 3, 0, 0, 0]))


def test_targets_are_training_rows_and_a_playlist_of_one_says_nothing() -> None:
    playlist = task()
    assert playlist.targets(CATALOG).tolist() == [0, 1, 2, 3, 4, 5, -1]
    assert playlist.targets(CATALOG.select(["g", "c", "a"])).tolist() == [-1, 2, 0]
    stranger = Catalog(pd.DataFrame({"track_id": ["z", "b"], "path": ["z", "b"]}), Path())
    assert playlist.targets(stranger).tolist() == [-1, 1]


def test_nearest_asks_tracks_that_meet_a_partner() -> None:
    playlist = task()
    vectors = torch.tensor([[1.0, 0, 0, 0], [0.9, 0.1, 0, 0], [0, 1.0, 0, 0], [0.1, 0.9, 0, 0]])
    targets = playlist.targets(CATALOG.select(["a", "b", "c", "g"]))
    # a and b find each other; c has b for its nearest among those with a playlist.
    assert playlist.metrics(vectors, targets) == {"nearest": 1.0}
    far = playlist.targets(CATALOG.select(["b", "e", "f", "g"]))
    # e finds f, and f finds b; b meets nobody of its playlists.
    assert playlist.metrics(vectors[[0, 2, 1, 3]], far) == {"nearest": 0.5}
    assert playlist.metrics(vectors[:2], playlist.targets(CATALOG.select(["b", "e"]))) == {}


def test_shared_is_a_sum_over_playlists() -> None:
    rows = torch.tensor([0, 1, -1, 3, 0])
    shared = group_index().shared(rows)
    for first, row in enumerate(rows.tolist()):
        for second, partner in enumerate(rows.tolist()):
            wanted = closeness(IDS[row], IDS[partner]) if min(row, partner) >= 0 else 0.0
            assert abs(float(shared[first, second]) - wanted) < 1e-6


def test_pairs_are_a_walk_over_playlists() -> None:
    pairs = group_index().draw_pairs(20_000)
    assert torch.equal(pairs, group_index().draw_pairs(20_000)) and pairs.shape == (6 * 20_000, 2)
    assert not (pairs[:, 0] == pairs[:, 1]).any() and not (pairs == 6).any()
    counts = np.zeros((7, 7))
    np.add.at(counts, tuple(pairs.T.numpy()), 1 / 20_000)
    for row, first in enumerate(IDS[:6]):
        own = sum(first in playlist for playlist in PLAYLISTS)
        for column, second in enumerate(IDS[:6]):
            wanted = closeness(first, second) / own if first != second else 0.0
            assert abs(counts[row, column] - wanted) < 0.02


def test_a_playlist_of_twenty_thousand_costs_no_more_than_its_length() -> None:
    tracks = 20_000
    playlists = GroupIndex([str(row) for row in range(tracks)], np.arange(tracks), np.zeros(tracks))
    assert playlists._table.nnz == tracks
    assert len(playlists.draw_pairs(4)) == 4 * tracks
    assert playlists.shared(torch.arange(64)).shape == (64, 64)


def test_too_few_playlists_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "playlists.csv"
    path.write_text("playlist_id,track_id\np,a\np,b\nq,c\n")
    with pytest.raises(CatalogError, match=r"1 playlist\(s\) hold two training tracks.*task\.playlist=null"):
        PlaylistTask.from_sources(PlaylistConfig(), Sources(CATALOG, playlists=path), 4)
    with pytest.raises(CatalogError, match=r"no file of them was named.*task\.playlist=null"):
        PlaylistTask.from_sources(PlaylistConfig(), Sources(CATALOG), 4)
    path.write_text("playlist_id,track_id\np,a\np,b\nq,c\nq,b\n")
    built = PlaylistTask.from_sources(PlaylistConfig(), Sources(CATALOG, playlists=path), 4)
    assert built.targets(CATALOG).tolist() == [0, 1, 2, -1, -1, -1, -1]
