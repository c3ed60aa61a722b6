"""Tracks stay where they are on a map that others join."""

import numpy as np

from soundkin.explore.lasting_map import lay_out


def clusters(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors [count, 16] around four centres, and which centre."""
    random = np.random.default_rng(seed)
    group = random.integers(0, 4, count)
    return (np.eye(16)[group] + 0.05 * random.standard_normal((count, 16))).astype(np.float32), group


def test_new_tracks_join_their_neighbours_and_nobody_moves() -> None:
    vectors, group = clusters(80)
    before = lay_out(vectors[:70], np.full((70, 2), np.nan), random_seed=0)
    earlier = np.concatenate([before, np.full((10, 2), np.nan)])
    points = lay_out(vectors, earlier, random_seed=0)
    np.testing.assert_array_equal(points[:70], before)
    centres = np.stack([before[group[:70] == number].mean(axis=0) for number in range(4)])
    nearest = np.linalg.norm(points[70:, None] - centres, axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, group[70:])


def test_a_map_that_is_laid_out_afresh_resembles_the_one_before() -> None:
    vectors, group = clusters(120)
    before = lay_out(vectors[:60], np.full((60, 2), np.nan), random_seed=0)
    after = lay_out(vectors, np.concatenate([before, np.full((60, 2), np.nan)]), random_seed=0)
    assert not np.array_equal(after[:60], before) and np.isfinite(after).all()
    angles = [
        np.arctan2(*np.stack([points[group[:60] == number].mean(axis=0) for number in range(4)]).T)
        for points in (before - before.mean(axis=0), after[:60] - after[:60].mean(axis=0))
    ]
    turned = np.angle(np.exp(1j * (angles[0] - angles[1])))
    assert abs(turned).max() < np.pi / 4, "each cluster lies in the direction in which it was"


def test_few_tracks() -> None:
    for count in (1, 2, 3):
        assert lay_out(clusters(count)[0], np.full((count, 2), np.nan), random_seed=0).shape == (count, 2)
