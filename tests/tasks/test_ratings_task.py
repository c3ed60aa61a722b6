"""Users learnt with the network: BPR and sampled softmax against hand-written maths, and who is drawn for a
track.
"""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError
from soundkin.tasks.ratings import (
    RatingsConfig,
    RatingsTask,
    log_artist_frequency,
    ranking_losses,
    softmax_losses,
)

EMBEDDING = 6
TRACKS = ["a", "b", "c", "d", "nobody"]
CATALOG = Catalog(
    pd.DataFrame({"track_id": TRACKS, "path": TRACKS, "artist": ["x", "x;y", "x", None, "z"]}), Path()
)
RATINGS = [
    ("u", "a", 1),
    ("u", "b", 50),
    ("v", "b", 1),
    ("v", "c", 3),
    ("w", "d", 2),
    ("w", "a", 9),
    ("w", "c", 0),
]


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    pd.DataFrame(RATINGS, columns=["user_id", "track_id", "rating"]).to_csv(
        tmp_path / "ratings.csv", index=False
    )
    return Sources(CATALOG, tmp_path / "ratings.csv")


def build(sources: Sources, **settings: object) -> RatingsTask:
    torch.manual_seed(0)
    return RatingsTask.from_sources(
        RatingsConfig.model_validate({"factors": 3} | settings), sources, EMBEDDING
    )


def test_targets_are_tracks_that_somebody_likes(sources: Sources) -> None:
    task = build(sources)
    assert task.targets(CATALOG).tolist() == [0, 1, 2, 3, -1] and task.users == ["u", "v", "w"]


def test_users_are_drawn_by_confidence_among_those_who_like_the_track(sources: Sources) -> None:
    task = build(sources, listening={"alpha": 2.0, "dislikes": True})
    drawn = task.draw_users(torch.arange(4).repeat_interleave(4000)).reshape(4, 4000)
    for row, (low, high, plays) in enumerate([(0, 2, (1, 9)), (0, 1, (50, 1))]):
        confidence = [1 + 2 * math.log(1 + played) for played in plays]
        share = float((drawn[row] == low).float().mean())
        assert set(drawn[row].tolist()) == {low, high}
        assert share == pytest.approx(confidence[0] / sum(confidence), abs=0.03)
    assert (drawn[2] == 1).all(), "w skipped c: only v likes it"
    assert (drawn[3] == 2).all()


def test_likes_are_those_of_the_file(sources: Sources) -> None:
    task = build(sources)
    expected = [[1, 1, 0, 0], [0, 1, 1, 0], [1, 0, 0, 1]]
    assert task.likes(torch.arange(3), torch.arange(4)).int().tolist() == expected
    assert task.likes(torch.tensor([2, 2]), torch.tensor([3, 0])).all()


def test_ranking_loss_and_its_gradient_are_those_of_bpr() -> None:
    rng = np.random.default_rng(0)
    scores = torch.tensor(rng.normal(size=(3, 3)), requires_grad=True)
    others = np.array([[False, True, True], [True, False, False], [False, False, False]])
    losses = ranking_losses(scores, torch.from_numpy(others))
    losses.sum().backward()
    s = scores.detach().numpy()
    gradient, expected = np.zeros((3, 3)), np.zeros(3)
    for i, j in zip(*np.nonzero(others), strict=True):
        wrong = 1 / (1 + math.exp(s[i, i] - s[i, j]))
        expected[i] -= math.log(1 - wrong) / others[i].sum()
        gradient[i, i] -= wrong / others[i].sum()
        gradient[i, j] += wrong / others[i].sum()
    np.testing.assert_allclose(losses.detach(), expected)
    np.testing.assert_allclose(scores.grad, gradient)


def test_softmax_loss_and_its_gradient_are_those_of_the_corrected_softmax() -> None:
    rng = np.random.default_rng(1)
    scores = torch.tensor(rng.normal(size=(3, 3)), requires_grad=True)
    frequency = np.array([0.5, 0.1, 0.4])
    among = np.array([[True, True, True], [False, True, True], [False, False, True]])
    losses = softmax_losses(
        scores, torch.from_numpy(among & ~np.eye(3, dtype=bool)), torch.tensor(frequency).log()
    )
    losses.sum().backward()
    weights = among * np.exp(scores.detach().numpy()) / frequency
    shares = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(losses.detach(), -np.log(shares.diagonal()), atol=1e-12)
    np.testing.assert_allclose(scores.grad, shares - np.eye(3), atol=1e-12)


@pytest.mark.parametrize("loss", ["bpr", "sampled_softmax"])
def test_loss_of_a_batch(sources: Sources, loss: str) -> None:
    """Only v likes c and only w likes d, so that the draw is known; neither likes the other's."""
    task = build(sources, loss=loss, temperature=0.5, regularisation=0.3, frequency="artists")
    vectors = torch.randn(2, EMBEDDING)
    tastes = task.tastes.detach()[[1, 2]]
    heads = (vectors / vectors.norm(dim=1, keepdim=True)) @ task.head.weight.detach().T
    scores = (tastes @ (heads / heads.norm(dim=1, keepdim=True)).T / 0.5).tolist()
    frequency = [1 / 3, 1.0] if loss == "sampled_softmax" else [1.0, 1.0]
    losses = []
    for own, rival in ((0, 1), (1, 0)):
        weights = {place: math.exp(scores[own][place]) / frequency[place] for place in (0, 1)}
        losses.append(-math.log(weights[own] / (weights[own] + weights[rival])))
    expected = sum(losses) / 2 + 0.3 * float((tastes**2).sum()) / 2
    assert float(task.loss(vectors, torch.tensor([2, 3])).detach()) == pytest.approx(expected, rel=1e-5)


def test_other_positives_of_the_user_are_not_pushed_away(sources: Sources) -> None:
    """Both a and b are liked by u: only what w and v like besides can tell them apart."""
    task = build(sources, regularisation=0.0)
    rows = torch.tensor([0, 1])
    for seed in range(20):
        torch.manual_seed(seed)
        vectors = torch.randn(2, EMBEDDING, requires_grad=True)
        with torch.random.fork_rng():
            drawn = task.draw_users(rows).tolist()
        loss = task.loss(vectors, rows)
        if drawn == [0, 0]:
            assert float(loss.detach()) == 0.0
        else:
            assert float(loss.detach()) > 0.0


def test_the_same_track_twice_is_not_its_own_rival(sources: Sources) -> None:
    task = build(sources, regularisation=0.0)
    assert float(task.loss(torch.randn(2, EMBEDDING), torch.tensor([3, 3])).detach()) == 0.0
    assert task.metrics(torch.randn(2, EMBEDDING), torch.tensor([3, 3])) == {}


def test_inverse_propensities_weigh_the_tracks(sources: Sources) -> None:
    task = build(sources, regularisation=0.0, listening={"propensity_power": 1.0})
    plain = build(sources, regularisation=0.0)
    weights, vectors, rows = task.track_weights, torch.randn(4, EMBEDDING), torch.tensor([0, 1, 2, 3])
    assert weights[2] == pytest.approx(2 * float(weights[0])), "a is liked by two users, c by one"

    def losses(built: RatingsTask) -> torch.Tensor:
        torch.manual_seed(5)
        users = built.draw_users(rows)
        scores = built.tastes[users] @ built.track_vectors(vectors).T / built.config.temperature
        return ranking_losses(scores, ~built.likes(users, rows)).detach()

    for built, expected in (
        (task, (weights * losses(task)).sum() / weights.sum()),
        (plain, losses(plain).mean()),
    ):
        torch.manual_seed(5)
        torch.testing.assert_close(built.loss(vectors, rows).detach(), expected)


def test_auc_is_the_share_of_pairs_in_order(sources: Sources) -> None:
    """Users and tracks along axes: v is near c, and w nearer to c than to d, which w likes."""
    task = build(sources)
    with torch.no_grad():
        task.head.weight.copy_(torch.eye(3, EMBEDDING))
        task.tastes.copy_(torch.tensor([[0.0, 0, 1], [1, 0, 0], [1, 0, 0]]))
    vectors = torch.eye(EMBEDDING)[:2] * 4
    assert task.metrics(vectors, torch.tensor([2, 3])) == {"auc": 0.5}
    assert task.metrics(vectors.flip(0), torch.tensor([2, 3])) == {"auc": 0.5}
    with torch.no_grad():
        task.tastes[2] = torch.tensor([0.0, 1, 0])
    assert task.metrics(vectors, torch.tensor([2, 3])) == {"auc": 1.0}
    assert task.metrics(vectors.flip(0), torch.tensor([2, 3])) == {"auc": 0.0}
    assert task.metrics(torch.ones(2, EMBEDDING), torch.tensor([2, 3])) == {"auc": 0.5}, "ties count half"


def test_artists_share_their_frequency_among_their_tracks() -> None:
    third = -math.log(3)
    torch.testing.assert_close(log_artist_frequency(CATALOG), torch.tensor([third, third, third, 0.0, 0.0]))
    assert not log_artist_frequency(Catalog(CATALOG.frame.drop(columns="artist"), Path())).any()


def test_an_artist_spelled_in_two_ways_is_drawn_as_one_and_nobody_is_not() -> None:
    credits = ["Björk", "BJORK feat. Ann", "Various Artists", "VA", None]
    spelled = Catalog(CATALOG.frame.assign(artist=credits), Path())
    half = -math.log(2)
    torch.testing.assert_close(log_artist_frequency(spelled), torch.tensor([half, half, 0.0, 0.0, 0.0]))


def test_one_liked_track_is_too_little(tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text("user_id,track_id,rating\nu,a,1\nv,a,2\n")
    with pytest.raises(CatalogError, match=r"only track_id=a is liked by anybody.*task.ratings=null"):
        build(Sources(CATALOG, tmp_path / "ratings.csv"))


def test_users_survive_the_bundle_without_what_training_needed(sources: Sources) -> None:
    task = build(sources)
    again = RatingsTask.from_json(json.loads(json.dumps(task.to_json())), EMBEDDING)
    again.load_state_dict(task.state_dict())
    vectors = torch.randn(3, EMBEDDING)
    torch.testing.assert_close(again.user_vectors(), task.user_vectors())
    torch.testing.assert_close(again.track_vectors(vectors), task.track_vectors(vectors))
    assert again.users == [] and set(task.state_dict()) == {"head.weight", "tastes"}
    assert not again.user_vectors().requires_grad
