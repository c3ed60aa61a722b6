"""Ratings to positives: biases against a ridge regression, confidence against its formula, omissions."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

from soundkin.catalog.interactions import Interactions, InteractionsConfig, make_interactions, rating_biases
from soundkin.errors import CatalogError

PLAIN = InteractionsConfig(alpha=2.0, epsilon=0.5)


def table(*rows: tuple[str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["user_id", "track_id", "rating"])


def interactions(ratings: pd.DataFrame, config: InteractionsConfig = PLAIN) -> Interactions:
    return make_interactions(ratings, config, "ratings r.csv")


def stars(user_bias: np.ndarray, track_bias: np.ndarray, taste: np.ndarray) -> pd.DataFrame:
    rating = 3.0 + user_bias[:, None] + track_bias + taste
    return table(*((f"u{u}", f"t{t}", rating[u, t]) for u, t in np.ndindex(*rating.shape)))


def test_confidence_grows_with_the_logarithm_of_plays_up_to_a_cap() -> None:
    config = InteractionsConfig(alpha=2.0, epsilon=0.5, most_plays=10)
    result = interactions(table(("u", "a", 1), ("u", "b", 10), ("v", "b", 5000)), config)
    once, most = 1 + 2 * math.log(1 + 1 / 0.5), 1 + 2 * math.log(1 + 10 / 0.5)
    assert result.users == ["u", "v"] and result.tracks == ["a", "b"]
    np.testing.assert_allclose(result.confidence.toarray(), [[once, most], [0, most]], rtol=1e-6)
    np.testing.assert_array_equal(result.track_weights, [1, 1])


def test_users_and_tracks_without_a_positive_are_left_out() -> None:
    result = interactions(table(("u", "a", 3), ("u", "skipped", 0), ("grump", "a", -1)))
    assert result.users == ["u"] and result.tracks == ["a"] and result.confidence.nnz == 1


def test_skips_are_dislikes_where_asked_and_as_sure_as_a_play() -> None:
    ratings = table(("u", "a", 1), ("u", "b", 0), ("v", "b", 1), ("v", "a", -1), ("grump", "a", -1))
    result = interactions(ratings, PLAIN.model_copy(update={"dislikes": True}))
    sure = 1 + 2 * math.log(1 + 1 / 0.5)
    assert result.users == ["u", "v"], "of who likes nothing there is nothing to learn"
    np.testing.assert_allclose(result.confidence.toarray(), [[sure, -sure], [-sure, sure]], rtol=1e-6)
    assert result.listeners().tolist() == [1, 1]
    assert interactions(ratings).confidence.nnz == 2


def test_few_plays_are_no_positive_where_more_are_asked_for() -> None:
    result = interactions(table(("u", "a", 2), ("u", "b", 3)), PLAIN.model_copy(update={"liked_above": 2.0}))
    assert result.tracks == ["b"]


def test_plays_at_several_times_are_summed_and_of_stars_the_last_count() -> None:
    times = pd.to_datetime(["2021-01-02", None, "2021-01-01", "2021-01-01", "2021-01-01"], utc=True)
    ratings = table(("u", "a", 5), ("u", "a", 1), ("u", "a", 2), ("u", "b", 1), ("v", "b", 1))
    ratings["timestamp"] = times
    result = interactions(ratings)
    assert result.confidence[0, 0] == pytest.approx(1 + 2 * math.log(1 + 8 / 0.5))
    starred = interactions(
        ratings, InteractionsConfig(feedback="explicit", alpha=1.0, user_shrinkage=0, track_shrinkage=1e9)
    )
    assert starred.tracks == ["a"], (
        "5 stars were the last word on a, 2 and 1 would leave nothing above u's mean"
    )
    assert starred.confidence[0, 0] == pytest.approx(1 + math.log(1 + 2.0), rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.permutations(range(6)))
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    rows = [("u", "a", 5), ("v", "a", 1), ("w", "b", 4), ("u", "b", 2), ("v", "c", 3), ("w", "c", 1)]
    for config in (PLAIN, InteractionsConfig(feedback="explicit")):
        one, other = (
            interactions(table(*rows), config),
            interactions(table(*(rows[n] for n in order)), config),
        )
        assert one.users == other.users and one.tracks == other.tracks
        np.testing.assert_allclose(one.confidence.toarray(), other.confidence.toarray(), rtol=1e-5)


def test_planted_biases_are_recovered() -> None:
    rng = np.random.default_rng(0)
    user_bias, track_bias = rng.normal(0, 1.0, 40), rng.normal(0, 0.5, 60)
    user_bias, track_bias = user_bias - user_bias.mean(), track_bias - track_bias.mean()
    users, tracks = np.divmod(np.arange(40 * 60), 60)
    rating = 3.2 + user_bias[users] + track_bias[tracks]
    biases = rating_biases(rating, users, tracks, 0.0, 0.0)
    assert biases.mean == pytest.approx(3.2)
    np.testing.assert_allclose(biases.users, user_bias, atol=1e-6)
    np.testing.assert_allclose(biases.tracks, track_bias, atol=1e-6)


def test_biases_are_recovered_where_harsh_users_rate_other_tracks_than_mild_ones() -> None:
    """A track's mean says little there: the good half of the tracks is rated by harsh users, nine times of
    ten.
    """
    rng = np.random.default_rng(1)
    user_bias = np.where(np.arange(200) < 100, -1.0, 1.0)
    track_bias = np.where(np.arange(100) < 50, 0.5, -0.5)
    seen = rng.random((200, 100)) < np.where((user_bias[:, None] < 0) == (track_bias > 0), 0.45, 0.05)
    users, tracks = np.nonzero(seen)
    biases = rating_biases(3.0 + user_bias[users] + track_bias[tracks], users, tracks, 0.1, 0.1)
    np.testing.assert_allclose(biases.users - biases.users.mean(), user_bias, atol=0.05)
    np.testing.assert_allclose(biases.tracks - biases.tracks.mean(), track_bias, atol=0.05)


@pytest.mark.parametrize(("user_shrinkage", "track_shrinkage"), [(10.0, 25.0), (1.0, 3.0)])
def test_biases_are_the_ridge_regression(user_shrinkage: float, track_shrinkage: float) -> None:
    rng = np.random.default_rng(2)
    users, tracks = rng.integers(0, 7, 60), rng.integers(0, 9, 60)
    users[:7], tracks[:9] = range(7), range(9)
    ratings = rng.integers(1, 6, 60).astype(float)
    biases = rating_biases(ratings, users, tracks, user_shrinkage, track_shrinkage)
    design = np.hstack([np.eye(7)[users], np.eye(9)[tracks]])
    penalty = np.diag([user_shrinkage] * 7 + [track_shrinkage] * 9)
    expected = np.linalg.solve(design.T @ design + penalty, design.T @ (ratings - ratings.mean()))
    np.testing.assert_allclose(np.concatenate([biases.users, biases.tracks]), expected, atol=1e-5)


def test_a_rare_rater_is_taken_for_usual() -> None:
    ratings = np.array([5.0, 1.0, 1.0, 1.0])
    biases = rating_biases(ratings, np.array([0, 1, 1, 1]), np.array([0, 1, 2, 3]), 10.0, 1e9)
    assert biases.users[0] == pytest.approx((5 - 2) / 11) and biases.users[1] == pytest.approx(
        3 * (1 - 2) / 13
    )


def test_one_listeners_three_is_anothers_five() -> None:
    rng = np.random.default_rng(3)
    taste = np.tile([1.0, -1.0], (30, 10)) * rng.choice([-1.0, 1.0], 30)[:, None]
    taste -= taste.mean(axis=0)
    harsh = np.linspace(-2, 2, 30)
    config = InteractionsConfig(feedback="explicit", user_shrinkage=0.0, track_shrinkage=0.0)
    result = interactions(stars(harsh, rng.normal(size=20), taste), config)
    same = interactions(stars(np.zeros(30), np.zeros(20), taste), config)
    liked = result.confidence.toarray() > 0
    assert result.users == same.users and 0.4 < liked.mean() < 0.6
    np.testing.assert_allclose(result.confidence.toarray(), same.confidence.toarray(), rtol=1e-4)
    expected = (
        taste[[int(user[1:]) for user in result.users]][:, [int(track[1:]) for track in result.tracks]] > 0
    )
    np.testing.assert_array_equal(liked, expected)


def test_propensity_weights_raise_what_few_could_hear_and_are_off_unless_asked_for() -> None:
    ratings = table(
        *((f"u{number}", "hit", 1) for number in range(16)), ("u0", "rare", 1), ("u1", "b", 1), ("u2", "b", 1)
    )
    ratings = pd.concat([ratings, table(("u3", "b", 1), ("u4", "b", 1))])
    weighed = interactions(ratings, PLAIN.model_copy(update={"propensity_power": 0.5}))
    raw = 1 / np.sqrt(np.array([4, 16, 1]) / 16)
    expected = raw / ((4 * raw[0] + 16 * raw[1] + raw[2]) / 21)
    assert weighed.tracks == ["b", "hit", "rare"]
    np.testing.assert_allclose(weighed.track_weights, expected, rtol=1e-6)
    plain = interactions(ratings)
    surer = (plain.confidence.toarray() - 1) * expected
    stored = plain.confidence.toarray() > 0
    np.testing.assert_allclose(weighed.confidence.toarray()[stored], 1 + surer[stored], rtol=1e-5)
    clipped = interactions(
        ratings, PLAIN.model_copy(update={"propensity_power": 0.5, "least_propensity": 0.5})
    )
    assert clipped.track_weights[2] == clipped.track_weights[0]


def test_ratings_without_a_positive_say_what_to_do() -> None:
    with pytest.raises(CatalogError, match=r"ratings r.csv: no rating says .* listening.feedback=explicit"):
        interactions(table(("u", "a", 0), ("v", "b", -1)))
    alike = table(("u", "a", 1), ("u", "b", 1), ("v", "b", 1))
    with pytest.raises(CatalogError, match=r"no rating says .* listening.feedback=implicit"):
        interactions(alike, InteractionsConfig(feedback="explicit"))


def test_plays_are_the_positives_of_these_users_and_tracks_in_their_order() -> None:
    confidence = csr_matrix(np.array([[2, -3, 0], [0, 5, 4], [7, 0, 1]], np.float32))
    known = Interactions(["ann", "bob", "cy"], ["a", "b", "c"], confidence, np.ones(3, np.float32))
    plays = known.plays(["cy", "nobody", "ann"], ["c", "a", "never played", "b"])
    assert plays.toarray().tolist() == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]]
    assert plays.nnz == 3
