import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.linear_model import Ridge

from soundkin.evaluation.profiles import MEAN, STRENGTHS, fold_in_users, profiles
from soundkin.evaluation.user_rankings import ask


def planted(users=150, tracks=400, factors=6, noise=0.3, random_seed=0):
    """Tracks whose vectors hold what they are liked for, turned, stretched and under noise, and who likes
    which.
    """
    rng = np.random.default_rng(random_seed)
    tastes, sounds = rng.normal(size=(users, factors)), rng.normal(size=(tracks, factors))
    appeal = 2 * tastes @ sounds.T + rng.gumbel(size=(users, tracks))
    liked = appeal >= np.sort(appeal, axis=1)[:, [-30]]
    vectors = sounds @ rng.normal(size=(factors, 24)) + noise * rng.normal(size=(tracks, 24))
    return 3 + vectors * np.exp(rng.normal(size=24)), csr_matrix(liked.astype(float))


def unit_standardised(known, new):
    for of in (known, new):
        standardised = (of - known.mean(axis=0)) / known.std(axis=0)
        yield standardised / np.linalg.norm(standardised, axis=1, keepdims=True)


def precision(factors, plays):
    measure = next(one for one in ask({"ours": factors}, plays) if one.metric == "mAP@500")
    return np.nanmean(measure.scores["ours"])


def test_a_profile_is_a_ridge_regression_of_likings():
    rng = np.random.default_rng(0)
    vectors, liked = rng.normal(size=(40, 5)), rng.random((7, 40)) < 0.3
    found = fold_in_users(vectors, csr_matrix(liked.astype(float)), [0.5])[0]
    variance = np.trace(vectors.T @ vectors / 40) / 5
    theirs = Ridge(alpha=40 * 0.5 * variance, fit_intercept=False).fit(vectors, liked.T).coef_
    assert np.corrcoef(found.ravel(), theirs.ravel())[0, 1] == pytest.approx(1)
    assert np.ptp(found / theirs) == pytest.approx(0, abs=1e-6 * abs(found / theirs).max())


def test_without_bounds_to_regularisation_it_is_the_sum_of_what_is_liked():
    vectors = np.array([[1.0, 0], [0, 1], [1, 1]])
    assert fold_in_users(vectors, csr_matrix([[1, 0, 1], [0, 0, 0]]), [MEAN])[0] == pytest.approx(
        np.array([[2, 1], [0, 0]])
    )


def test_whoever_likes_one_end_is_offered_that_end():
    """Two kinds of tracks, right and left; one user likes each, and new tracks of the kind come first."""
    right, left = (
        np.array([[2.0, 0.1], [1.5, -0.2], [2.5, 0.0]]),
        np.array([[-2.0, 0.1], [-1.0, 0.0], [-3.0, -0.1]]),
    )
    liked = csr_matrix([[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 0, 1]])
    found = profiles(np.vstack([right, left]), np.array([[1.0, 0], [-1.0, 0]]), liked, np.arange(6))
    users, tracks = found.factors
    assert np.sign(users @ tracks.T).tolist() == [[1, -1], [-1, 1]]


def test_profiles_foretell_and_the_strength_is_one_of_those_that_foretell_best():
    vectors, liked = planted()
    known, new = slice(0, 320), slice(320, None)
    found = profiles(vectors[known], vectors[new], liked[:, known], np.arange(320) // 4)
    by_chance = np.nanmean(
        next(one for one in ask({}, liked[:, new]) if one.metric == "mAP@500").scores["chance"]
    )
    assert precision(found.factors, liked[:, new]) > 2 * by_chance
    every = np.vstack(list(unit_standardised(vectors[known], vectors[new])))
    at_each = {
        strength: precision((users, every[new]), liked[:, new])
        for strength, users in zip(
            STRENGTHS, fold_in_users(every[known], liked[:, known], list(STRENGTHS)), strict=True
        )
    }
    assert at_each[found.strength] == pytest.approx(precision(found.factors, liked[:, new]))
    assert at_each[found.strength] > at_each[MEAN] + 0.02
    assert at_each[found.strength] > max(at_each.values()) - 0.01


def test_shuffled_vectors_foretell_nothing():
    vectors, liked = planted()
    vectors = np.random.default_rng(1).permutation(vectors)
    found = profiles(vectors[:320], vectors[320:], liked[:, :320], np.arange(320) // 4)
    by_chance = np.nanmean(
        next(one for one in ask({}, liked[:, 320:]) if one.metric == "mAP@500").scores["chance"]
    )
    assert precision(found.factors, liked[:, 320:]) == pytest.approx(by_chance, rel=0.15)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**16), st.floats(0.01, 100))
def test_length_place_and_scale_of_vectors_do_not_matter(random_seed, scale):
    vectors, liked = planted(users=30, tracks=60)
    rng = np.random.default_rng(random_seed)
    moved = scale * np.exp(rng.normal(size=24)) * vectors + rng.normal(size=24)
    one, other = (
        profiles(of[:50], of[50:], liked[:, :50], np.arange(50) // 2) for of in (vectors.astype(float), moved)
    )
    assert one.strength == other.strength
    assert one.factors[0] @ one.factors[1].T == pytest.approx(
        other.factors[0] @ other.factors[1].T, rel=1e-5, abs=1e-8
    )


def test_held_out_tracks_teach_nothing():
    vectors, liked = planted(users=30, tracks=60)
    users, _ = profiles(vectors[:50], vectors[50:], liked[:, :50], np.arange(50) // 2).factors
    others, _ = profiles(vectors[:50], 9 * vectors[50:] + 4, liked[:, :50], np.arange(50) // 2).factors
    assert np.array_equal(users, others)


def test_one_artist_leaves_nobody_to_choose_by():
    vectors, liked = planted(users=5, tracks=40)
    assert profiles(vectors[:30], vectors[30:], liked[:, :30], np.zeros(30, int)).strength == MEAN


def test_vectors_without_spread_and_users_without_likings_are_zero():
    found = profiles(np.ones((4, 3)), np.ones((2, 3)), csr_matrix((2, 4)), np.arange(4))
    assert not found.factors[0].any() and not found.factors[1].any()
