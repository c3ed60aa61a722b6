"""Paths in small steps, against every path there is."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from soundkin.search.small_steps import distances_between, find_path, island
from soundkin.statistics.scaling import unit_length


def vectors(random_seed: int, tracks: int, size: int = 3) -> np.ndarray:
    return unit_length(np.random.default_rng(random_seed).standard_normal((tracks, size)))


@given(st.integers(0, 10_000), st.integers(2, 8), st.data())
def test_no_path_forward_has_a_smaller_largest_step(
    random_seed: int, tracks: int, data: st.DataObject
) -> None:
    own = vectors(random_seed, tracks)
    length = data.draw(st.integers(2, tracks))
    distances = distances_between(own)
    order = sorted(range(1, tracks - 1), key=lambda place: distances[0, place] - distances[-1, place])
    ways = [(0, *way, tracks - 1) for way in combinations(order, length - 2)]
    steps = [[distances[pair] for pair in pairwise(way)] for way in ways]
    largest = min(map(max, steps))
    least = min(sum(way) for way in steps if max(way) <= largest)
    found = find_path(own, length)
    assert found is not None
    assert max(found.steps) == pytest.approx(largest) and sum(found.steps) == pytest.approx(least)


@given(st.integers(0, 10_000), st.integers(3, 30), st.data(), st.floats(0, 2))
def test_it_has_its_ends_its_length_no_track_twice_no_artist_in_a_row(
    random_seed: int, tracks: int, data: st.DataObject, variety: float
) -> None:
    length = data.draw(st.integers(2, tracks))
    artists = [data.draw(st.sets(st.sampled_from("abcd"), max_size=2)) for _ in range(tracks)]
    found = find_path(vectors(random_seed, tracks), length, artists, variety, random_seed)
    assume(found is not None)
    assert found is not None
    assert found.places[0] == 0 and found.places[-1] == tracks - 1
    assert len(set(found.places)) == len(found.places) == length == len(found.steps) + 1
    assert all(not artists[a] & artists[b] for a, b in pairwise(found.places))


def test_artists_may_leave_no_path() -> None:
    assert find_path(vectors(0, 5), 3, [{"a"}] * 5) is None
    assert find_path(vectors(0, 5), 3, [{"a"}, set(), {"a"}, {"a"}, {"a"}]).places == [0, 1, 4]  # type: ignore[union-attr]


def test_another_seed_goes_another_way_with_variety_alone() -> None:
    own = vectors(1, 60)
    straight = {tuple(find_path(own, 8, (), 0.0, seed).places) for seed in range(4)}  # type: ignore[union-attr]
    various = {tuple(find_path(own, 8, (), 0.5, seed).places) for seed in range(4)}  # type: ignore[union-attr]
    assert len(straight) == 1 and len(various) > 1
    assert find_path(own, 8, (), 0.5, 3) == find_path(own, 8, (), 0.5, 3)


def test_islands_are_what_nearest_neighbours_reach() -> None:
    near, far = np.eye(2, 4), np.random.default_rng(0).normal(0, 0.05, (40, 4))
    two = unit_length(np.repeat(near, 20, axis=0) + far)
    assert island(distances_between(two), 0).tolist() == [True] * 20 + [False] * 20
    assert island(distances_between(two[:20]), 3).all()
    assert island(distances_between(two[:1]), 0).all()
