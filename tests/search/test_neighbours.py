"""Recommendations against a plain sort."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.search.neighbours import rank_for_user

TRACKS = np.array([[1.0, 0.0], [0.0, 1.0], [3.0, 3.0], [-1.0, 0.0], [2.0, 0.0]])
ARTISTS = [["ann"], ["bob"], ["ann", "bob"], [], ["ann"]]


def rows_for_user(*arguments, **options):
    return [row for row, _ in rank_for_user(*arguments, **options)]


def test_the_largest_products_come_first():
    ranking = rank_for_user(np.array([1.0, 0.5]), TRACKS, 3)
    assert ranking == [(2, pytest.approx(4.5)), (4, pytest.approx(2.0)), (0, pytest.approx(1.0))]


def test_what_is_left_out_or_is_not_allowed_is_no_answer():
    user = np.array([1.0, 0.5])
    allowed = np.array([True, True, True, True, False])
    assert rows_for_user(user, TRACKS, 9, without=[2]) == [4, 0, 1, 3]
    assert rows_for_user(user, TRACKS, 9, without=[2], allowed=allowed) == [0, 1, 3]
    assert allowed[2]  # the caller's mask is left as it was


def test_no_artist_comes_too_often_and_one_without_a_name_is_never_too_often():
    user = np.array([1.0, 0.5])
    assert rows_for_user(user, TRACKS, 9, artists_of=ARTISTS.__getitem__, artist_cap=1) == [2, 3]
    assert rows_for_user(user, TRACKS, 9, artists_of=ARTISTS.__getitem__, artist_cap=2) == [2, 4, 1, 3]


def test_nothing_left_gives_no_answers():
    assert rank_for_user(np.ones(2), TRACKS, 5, without=range(5)) == []
    assert rank_for_user(np.ones(2), np.zeros((0, 2)), 5) == []


@pytest.mark.parametrize("user", [[0.0, 0.0], [np.nan, 1.0]])
def test_a_user_of_whom_nothing_is_known_is_refused(user):
    with pytest.raises(UsageError, match="nothing is known of their taste"):
        rank_for_user(np.array(user), TRACKS, 5)


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.sampled_from([None, 1, 2, 4]), st.integers(0, 30))
def test_for_a_user_same_as_walking_down_the_ranking(random_seed, k, artist_cap, left_out):
    rng = np.random.default_rng(random_seed)
    tracks, user = rng.normal(size=(40, 3)), rng.normal(size=3)
    without = rng.permutation(40)[:left_out].tolist()
    artists = [[f"artist {number}"] for number in rng.integers(0, 8, 40)]
    counts, expected = Counter(), []
    for row in np.argsort(-(tracks @ user)).tolist():
        if row not in without and (artist_cap is None or counts[artists[row][0]] < artist_cap):
            counts[artists[row][0]] += 1
            expected.append(row)
    assert (
        rows_for_user(user, tracks, k, without=without, artists_of=artists.__getitem__, artist_cap=artist_cap)
        == expected[:k]
    )
