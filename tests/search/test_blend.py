import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.search.blend import Blend
from soundkin.search.library_sample import LibrarySample
from soundkin.statistics.scaling import unit_length

SEEDS = st.integers(0, 2**32 - 1)


def drawn(random_seed: int, count: int, size: int = 4) -> np.ndarray:
    return unit_length(np.random.default_rng(random_seed).standard_normal((count, size)).astype(np.float32))


def blend(likes: np.ndarray, weights: list[float] | None = None, unlikes: np.ndarray | None = None) -> Blend:
    unlikes = np.empty((0, likes.shape[1]), np.float32) if unlikes is None else unlikes
    return Blend(likes, np.array(weights or [1.0] * len(likes)), unlikes, np.ones(len(unlikes)))


@given(random_seed=SEEDS, count=st.integers(1, 5), scale=st.floats(0.1, 10))
def test_between_the_least_and_the_mean_of_the_cosines(random_seed: int, count: int, scale: float) -> None:
    likes, tracks = drawn(random_seed, count), drawn(random_seed + 1, 9)
    weights = np.random.default_rng(random_seed).uniform(0.5, 2, count).tolist()
    cosines = np.clip(tracks @ likes.T, -1, 1)
    similarity = blend(likes, weights).similarity(tracks)
    assert (similarity >= cosines.min(axis=1) - 1e-5).all()
    assert (similarity <= cosines @ (np.array(weights) / sum(weights)) + 1e-5).all()
    scaled = blend(likes, [scale * weight for weight in weights]).similarity(tracks)
    np.testing.assert_allclose(scaled, similarity, atol=1e-6)
    twice = blend(np.repeat(likes, 2, axis=0), np.repeat(weights, 2).tolist()).similarity(tracks)
    np.testing.assert_allclose(twice, similarity, atol=1e-6)


def test_near_both_is_before_near_one() -> None:
    likes = np.eye(3, dtype=np.float32)[:2]
    near_one, near_both = unit_length(np.array([[1, 0.25, 0], [1, 1, 1.2]], np.float32))
    one, both = blend(likes).similarity(np.stack([near_one, near_both]))
    assert near_one @ likes.sum(axis=0) > near_both @ likes.sum(axis=0) and both > one


def test_a_heavy_seed_counts_more() -> None:
    likes = np.eye(2, dtype=np.float32)
    near_first, near_second = unit_length(np.array([[2, 1], [1, 2]], np.float32))
    first, second = blend(likes, [3, 1]).similarity(np.stack([near_first, near_second]))
    assert first > second


@pytest.mark.parametrize(
    ("likes", "problem"), [([[1, 0], [-1, 0]], "cancel each other"), ([[0, 0]], "all zeros")]
)
def test_seeds_that_point_nowhere(likes: list[list[float]], problem: str) -> None:
    with pytest.raises(UsageError, match=f"{problem}.*so nothing is near"):
        blend(np.array(likes, np.float32)).direction  # noqa: B018


@given(random_seed=SEEDS)
def test_only_what_is_nearer_than_usual_is_repelled(random_seed: int) -> None:
    library = drawn(random_seed, 200)
    unlikes = drawn(random_seed + 1, 2)
    repulsion = blend(library[:1], unlikes=unlikes).repulsion(library, LibrarySample(library))
    cosines = library @ unlikes.T
    near = (cosines > cosines.mean(axis=0) + cosines.std(axis=0)).any(axis=1)
    assert ((repulsion > 1e-5) <= near).all() and (repulsion >= 0).all()
    assert repulsion[near].max() > 0.1
