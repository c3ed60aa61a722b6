"""Regression of factors: each loss against dense maths over all users, and what is no target."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from soundkin.catalog.interactions import InteractionsConfig, make_interactions
from soundkin.catalog.sources import Sources
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError, ConfigError
from soundkin.tasks.factorisation import factorise
from soundkin.tasks.latent_factors import LatentFactorsConfig, LatentFactorsTask

EMBEDDING = 6
TRACKS = [f"t{number:02}" for number in range(20)]
CATALOG = Catalog(pd.DataFrame({"track_id": TRACKS, "path": TRACKS}), Path())
LISTENING = InteractionsConfig(dislikes=True, alpha=3.0)


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """Thirty users, of whom none likes track 0, one likes track 1 and many like the others; some skips."""
    rng = np.random.default_rng(0)
    users, tracks = np.nonzero(rng.random((30, 20)) < 0.4)
    ratings = rng.integers(-1, 20, len(users))
    ratings = np.where(tracks == 0, -1, ratings)
    ratings = np.where(tracks == 1, np.where(users == users[tracks == 1][0], 3, 0), ratings)
    frame = pd.DataFrame({"user_id": users, "track_id": np.asarray(TRACKS)[tracks], "rating": ratings})
    frame.to_csv(tmp_path / "ratings.csv", index=False)
    return Sources(CATALOG, tmp_path / "ratings.csv")


def build(sources: Sources, loss: str, **settings: object) -> LatentFactorsTask:
    config = LatentFactorsConfig.model_validate(
        {"loss": loss, "factors": 5, "regularisation": 0.1, "listening": LISTENING} | settings
    )
    torch.manual_seed(0)
    return LatentFactorsTask.from_sources(config, sources, EMBEDDING)


def dense(sources: Sources) -> tuple[np.ndarray, np.ndarray]:
    """Confidence and preference [users, tracks] of the tracks that are targets, in their order."""
    interactions = make_interactions(sources.read_ratings("x"), LISTENING, "ratings")
    signed = interactions.confidence.toarray()[:, interactions.listeners() >= 2].astype(np.float64)
    return np.where(signed == 0, 1, np.abs(signed)), (signed > 0).astype(np.float64)


def test_tracks_that_too_few_like_are_no_targets(sources: Sources) -> None:
    assert build(sources, "mse").targets(CATALOG).tolist() == [-1, -1, *range(18)]
    assert build(sources, "mse", minimum_listeners=1).targets(CATALOG).tolist() == [-1, *range(19)]
    with pytest.raises(CatalogError, match=r"no training track is liked by 31 users; one is by \d+\. Set"):
        build(sources, "mse", minimum_listeners=31)


def test_a_regularisation_that_leaves_nothing_is_refused(sources: Sources) -> None:
    with pytest.raises(
        ConfigError, match=r"task.latent_factors.regularisation=1e\+06 is too strong for ratings"
    ):
        build(sources, "mse_unit", regularisation=1e6)


def test_targets_are_the_factors_of_the_factorisation(sources: Sources) -> None:
    interactions = make_interactions(sources.read_ratings("x"), LISTENING, "ratings")
    factors = factorise(interactions.confidence, 5, 15, 0.1, 0)
    task, unit = build(sources, "mse"), build(sources, "mse_unit")
    kept = torch.from_numpy(factors.tracks[interactions.listeners() >= 2])
    torch.testing.assert_close(task.track_factors, kept)
    torch.testing.assert_close(unit.track_factors, kept / kept.norm(dim=1, keepdim=True))
    np.testing.assert_array_equal(task.user_vectors().numpy(), factors.users)
    assert task.users == interactions.users


def test_predictions_have_unit_length_where_targets_have(sources: Sources) -> None:
    """A network that is unsure answers with short factors, and a sure one would win every user by length
    alone.
    """
    vectors = torch.randn(4, EMBEDDING)
    lengths = {
        loss: build(sources, loss).track_vectors(vectors).norm(dim=1) for loss in ("mse_unit", "mse", "wpe")
    }
    torch.testing.assert_close(lengths["mse_unit"], torch.ones(4))
    assert lengths["mse"].std() > 0.01
    assert lengths["wpe"].std() > 0.01


@pytest.mark.parametrize("loss", ["mse", "mse_unit"])
def test_squared_error_is_its_formula_over_the_cost_of_nothing(sources: Sources, loss: str) -> None:
    task = build(sources, loss)
    vectors, rows = torch.randn(3, EMBEDDING), [4, 0, 9]
    predicted = (vectors / vectors.norm(dim=1, keepdim=True)) @ task.head.weight.T + task.head.bias
    if loss == "mse":
        assert task.scale is not None
        predicted = predicted * task.scale
    everything = task.track_factors.numpy()
    cost_of_nothing = (everything**2).sum(axis=1).mean()
    expected = ((predicted.detach().numpy() - everything[rows]) ** 2).sum(axis=1).mean() / cost_of_nothing
    assert float(task.loss(vectors, torch.tensor(rows)).detach()) == pytest.approx(expected, rel=1e-5)
    assert loss == "mse" or cost_of_nothing == pytest.approx(1.0)


def test_weighted_prediction_error_and_its_gradient_are_those_over_all_users(sources: Sources) -> None:
    task = build(sources, "wpe")
    certainty, preference = dense(sources)
    users, rows = task.user_factors.double().numpy(), [3, 17, 3, 0]
    predicted = torch.randn(4, 5, requires_grad=True)
    errors = task.prediction_errors(predicted, torch.tensor(rows))
    errors.sum().backward()
    missed = preference[:, rows] - users @ predicted.detach().double().numpy().T
    np.testing.assert_allclose(errors.detach(), (certainty[:, rows] * missed**2).sum(axis=0), rtol=1e-4)
    assert predicted.grad is not None
    gradient = -2 * (certainty[:, rows] * missed).T @ users
    np.testing.assert_allclose(predicted.grad, gradient, rtol=1e-3, atol=1e-3 * np.abs(gradient).max())


def test_weighted_prediction_error_of_nothing_is_one(sources: Sources) -> None:
    task = build(sources, "wpe")
    torch.nn.init.zeros_(task.head.weight)
    torch.nn.init.zeros_(task.head.bias)
    vectors = torch.randn(18, EMBEDDING)
    torch.testing.assert_close(task.loss(vectors, torch.arange(18)).detach(), torch.tensor(1.0))


def test_the_factors_themselves_have_the_least_weighted_prediction_error(sources: Sources) -> None:
    """But for the regularisation: there the gradient is -2 regularisation times the factors."""
    task = build(sources, "wpe", regularisation=0.5)
    best = task.track_factors.clone().requires_grad_()
    task.prediction_errors(best, torch.arange(18)).sum().backward()
    assert best.grad is not None
    torch.testing.assert_close(best.grad, -2 * 0.5 * best.detach(), rtol=0, atol=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "mse_unit", "wpe"])
def test_every_loss_finds_the_factors(sources: Sources, loss: str) -> None:
    task = build(sources, loss)
    vectors = torch.nn.Parameter(torch.randn(18, EMBEDDING))
    optimiser = torch.optim.Adam([vectors, *task.parameters()], lr=0.05)
    for _ in range(400):
        optimiser.zero_grad()
        task.loss(vectors, torch.arange(18)).backward()
        optimiser.step()
    assert task.metrics(vectors.detach(), torch.arange(18))["cosine"] > 0.98
    _, preference = dense(sources)
    scores = (task.user_vectors() @ task.track_vectors(vectors).T).detach().numpy()
    assert scores[preference == 1].mean() > scores[preference == 0].mean() + 0.3 * scores.std()


def test_users_survive_the_bundle_without_what_training_needed(sources: Sources) -> None:
    task = build(sources, "wpe")
    again = LatentFactorsTask.from_json(json.loads(json.dumps(task.to_json())), EMBEDDING)
    again.load_state_dict(task.state_dict())
    vectors = torch.randn(3, EMBEDDING)
    torch.testing.assert_close(again.user_vectors(), task.user_vectors())
    torch.testing.assert_close(again.track_vectors(vectors), task.track_vectors(vectors))
    assert again.users == [] and "listeners" not in task.state_dict()
    assert not any(user in json.dumps(task.to_json()) for user in ("user_id", "u1"))
