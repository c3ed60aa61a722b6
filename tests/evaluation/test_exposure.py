import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.evaluation.exposure import exposures


def found(vectors, values, artists=None, k=1, resamples=100):
    artists = np.arange(len(vectors)) if artists is None else artists
    return {
        one.group: one
        for one in exposures({"ours": np.asarray(vectors)}, {"side": values}, artists, k, resamples, 0)
    }


def angles(degrees):
    radians = np.deg2rad(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1)


def test_a_hand_made_case():
    """Nearest of each at 0, 10, 25, 90 and 95 degrees: 10, 0, 10, 95, 90. Of five places, rock (0, 10) has
    three.
    """
    shown = found(angles([0, 10, 25, 90, 95]), [("rock",), ("rock",), ("pop",), ("pop",), ("pop",)])
    assert (shown["rock"].share_of_places, shown["rock"].share_of_tracks) == pytest.approx((3 / 5, 2 / 5))
    assert (shown["pop"].share_of_places, shown["pop"].share_of_tracks) == pytest.approx((2 / 5, 3 / 5))
    assert shown["pop"].flag == "too few to tell (tracks: 3, artists: 3)"
    assert shown["pop"].ratio is None and not shown["pop"].confirmed


def hub_and_rim(rng, tracks=120):
    """Half the tracks lie round one direction, the other half in all: these find those, and are not found."""
    seen = np.arange(tracks) % 2 == 0
    vectors = rng.normal(size=(tracks, 16))
    return np.where(seen[:, None], 0.5 * vectors + np.eye(16)[0] * 2, vectors), seen


def test_a_group_in_the_middle_of_all_is_shown_more_and_the_ratio_is_that_of_the_shares():
    vectors, seen = hub_and_rim(np.random.default_rng(0))
    shown = found(vectors, [("seen",) if is_so else ("hidden",) for is_so in seen], k=10, resamples=400)
    hidden = shown["hidden"]
    assert hidden.ratio.mean == pytest.approx(hidden.share_of_places / hidden.share_of_tracks)
    assert hidden.shown_less and hidden.confirmed
    assert shown["seen"].ratio.low > 1 and not shown["seen"].shown_less


def test_groups_dealt_at_random_hold_one_about_as_often_as_intervals_say_hubs_or_not():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(60):
        artists = np.arange(60).repeat(2)
        vectors = rng.normal(size=(60, 40)).repeat(2, axis=0) + rng.normal(size=(120, 40))
        vectors += rng.uniform(0, 1.5, size=(60, 1)).repeat(
            2, axis=0
        )  # some nearer the middle than others: hubs
        side = rng.permutation(60) % 2
        ratio = found(vectors, [(str(side[artist]),) for artist in artists], artists, k=10)["0"].ratio
        held += ratio.low <= 1 <= ratio.high
    assert held / 60 > 0.85


def test_no_two_tracks_and_no_groups():
    assert found(np.ones((1, 3)), [("rock",)]) == {}
    assert found(np.zeros((0, 3)), []) == {}
    assert exposures({"ours": np.ones((4, 2))}, {}, np.arange(4), 2, 10, 0) == ()


def test_one_group_has_every_place():
    shown = found(np.random.default_rng(0).normal(size=(30, 4)), [("rock",)] * 30, k=5)
    assert shown["rock"].share_of_places == 1
    ratio = shown["rock"].ratio
    assert (ratio.low, ratio.mean, ratio.high, shown["rock"].p_value) == (1, 1, 1, 1)


def test_a_list_is_never_longer_than_the_others():
    shown = found(np.random.default_rng(0).normal(size=(3, 4)), [("a",), ("a",), ("b",)], k=10)
    assert shown["a"].share_of_places == pytest.approx(2 / 3)  # everybody finds everybody


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.integers(1, 12))
def test_shares_of_single_groups_sum_to_one(random_seed, tracks, k):
    rng = np.random.default_rng(random_seed)
    values = [(str(group),) for group in rng.integers(0, 4, tracks)]
    shown = found(rng.normal(size=(tracks, 5)), values, k=k, resamples=10).values()
    assert sum(one.share_of_places for one in shown) == pytest.approx(1)
    assert sum(one.share_of_tracks for one in shown) == pytest.approx(1)


def test_a_track_of_two_groups_is_a_place_for_both():
    shown = found(np.random.default_rng(0).normal(size=(9, 3)), [("a", "b")] * 9, k=2)
    assert shown["a"].share_of_places == shown["b"].share_of_places == 1
