import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.statistics.nearest_neighbours import largest, nearest_others
from soundkin.statistics.scaling import unit_length


def unit(tracks, size=6, random_seed=0):
    return unit_length(np.random.default_rng(random_seed).normal(size=(tracks, size)).astype(np.float32))


def test_the_others_are_those_of_a_sort_best_first():
    vectors = unit(40)
    cosines, rows = nearest_others(vectors, 5)
    for track in range(40):
        order = [row for row in np.argsort(-(vectors @ vectors[track])) if row != track]
        assert rows[track].tolist() == order[:5]
        assert cosines[track] == pytest.approx(vectors[order[:5]] @ vectors[track], abs=1e-6)


def test_some_tracks_may_ask_and_find_what_they_find_among_all():
    queries = np.array([7, 3, 39])
    assert np.array_equal(nearest_others(unit(40), 5, queries)[1], nearest_others(unit(40), 5)[1][queries])


@pytest.mark.parametrize(("tracks", "columns"), [(1, 0), (2, 1), (4, 3), (9, 8)])
def test_a_track_is_never_its_own_neighbour_however_many_copies_there_are(tracks, columns):
    _, rows = nearest_others(unit_length(np.ones((tracks, 3), np.float32)), 20)
    assert rows.shape == (tracks, columns)
    assert not (rows == np.arange(tracks)[:, None]).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12))
def test_the_largest_are_those_of_a_sort(random_seed, k):
    similarity = np.random.default_rng(random_seed).normal(size=(3, 12))
    assert np.array_equal(largest(similarity, k), np.argsort(-similarity, axis=1)[:, :k])
