"""Separability: sides that differ are told apart, noise is not, and what leaks does not count."""

import numpy as np
from sklearn.feature_selection import SelectKBest
from sklearn.model_selection import cross_val_score
from sklearn.svm import SVC

from soundkin.explore.separability import lean, separability

SECOND = np.arange(22) >= 11  # eleven tracks a side


def noise(seed: int, size: int = 512) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(22, size)).astype(np.float32)


def test_sides_that_differ_are_told_apart() -> None:
    vectors = noise(0, 8) + 6 * SECOND[:, None].astype(np.float32)
    found = separability(vectors, SECOND, np.arange(22), 0)
    assert found is not None and found.accuracy >= 0.9 and found.is_told_apart


def test_random_labels_are_not_told_apart_where_choosing_features_first_finds_them_apart() -> None:
    honest, leaky = [], []
    for seed in range(5):
        vectors = noise(seed)
        found = separability(vectors, SECOND, np.arange(22), seed)
        assert found is not None
        honest.append(found.accuracy)
        chosen = SelectKBest(k=20).fit_transform(vectors, SECOND)
        leaky.append(cross_val_score(SVC(kernel="linear"), chosen, SECOND, cv=5).mean())
    assert np.mean(leaky) > 0.9
    assert np.mean(honest) < 0.65


def test_albums_that_sound_alike_within_do_not_pass_for_sides_that_differ() -> None:
    albums = np.repeat(np.arange(8), 6)
    second = albums % 2 == 1
    rng = np.random.default_rng(3)
    vectors = (rng.normal(size=(8, 64))[albums] + 0.1 * rng.normal(size=(48, 64))).astype(np.float32)
    apart, leaking = (separability(vectors, second, groups, 0) for groups in (albums, np.arange(48)))
    assert apart is not None and leaking is not None
    assert leaking.accuracy == 1 and not apart.is_told_apart
    assert apart.high - apart.low >= leaking.high - leaking.low


def test_of_one_group_nothing_is_told() -> None:
    assert separability(noise(0), SECOND, SECOND.astype(np.int64), 0) is None


def test_a_track_of_the_other_kind_leans_there() -> None:
    vectors = np.array([[1, 0], [1, 0.1], [0, 1], [0, 1], [0.1, 1]], np.float32)
    leans = lean(vectors, np.array([False, False, False, True, True]))
    assert leans[:3].argmax() == 2 and (leans[:2] < 0).all() and (leans[2:] > 0).all()
