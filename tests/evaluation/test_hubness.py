import numpy as np
import pytest
from scipy.stats import skew

from soundkin.evaluation.hubness import hubness, k_occurrences, skewness


def test_a_star_has_one_hub_and_many_antihubs():
    spokes = (
        np.eye(21)[1:] + 1.2 * np.eye(21)[0]
    )  # every pair of spokes is less alike than a spoke and the middle
    vectors = np.concatenate([np.eye(21)[:1], spokes])
    occurrences = k_occurrences(vectors, k=1)
    assert occurrences[0] == 20
    assert occurrences.sum() == 21
    found = hubness("ours", vectors, k=1)
    assert found.largest_hub == 1.0
    assert found.antihubs >= 19 / 21
    assert found.skewness > 4


def test_a_ring_has_none():
    turns = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    found = hubness("ours", np.stack([np.cos(turns), np.sin(turns)], axis=1), k=2)
    assert (found.skewness, found.antihubs) == (0.0, 0.0)


def test_occurrences_agree_with_a_loop_and_skewness_with_scipy():
    vectors = np.random.default_rng(0).normal(size=(60, 12))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    counts = np.zeros(60, dtype=int)
    for row in range(60):
        order = [other for other in np.argsort(-(unit @ unit[row])) if other != row]
        counts[order[:10]] += 1
    assert np.array_equal(k_occurrences(vectors, k=10), counts)
    assert hubness("ours", vectors).skewness == pytest.approx(skew(counts))


@pytest.mark.parametrize("tracks", [0, 1, 2, 5])
def test_few_tracks_are_no_trouble(tracks):
    found = hubness("ours", np.ones((tracks, 3)))
    assert 0 <= found.largest_hub <= 1
    assert 0 <= found.antihubs <= 1


def test_equal_counts_are_not_skewed():
    assert skewness(np.full(5, 3.0)) == 0.0
