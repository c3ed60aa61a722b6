import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from soundkin.catalog.time_split import split_by_time


def ratings(*seconds):
    times = pd.to_datetime(pd.Series(seconds, dtype="float64"), unit="s", utc=True)
    ids = [f"t{row}" for row in range(len(seconds))]
    return pd.DataFrame({"user_id": "ann", "track_id": ids, "rating": 1.0, "timestamp": times})


def test_four_fifths_lie_before_the_default_cutoff():
    split = split_by_time(ratings(90, 10, 30, 20, 50, 40, 60, 80, 70, 100))
    assert split.cutoff == pd.Timestamp(90, unit="s", tz="UTC")
    assert (split.before["track_id"].tolist(), split.after["track_id"].tolist()) == (
        ["t1", "t2", "t3", "t4", "t5", "t6", "t7", "t8"],
        ["t0", "t9"],
    )


def test_a_cutoff_may_be_given_and_is_the_first_moment_after():
    split = split_by_time(ratings(10, 20, 30), pd.Timestamp(20, unit="s", tz="UTC"))
    assert (len(split.before), len(split.after)) == (1, 2)


def test_ratings_without_a_time_stand_on_neither_side():
    split = split_by_time(ratings(10, None, 30, None))
    assert split.untimed["track_id"].tolist() == ["t1", "t3"]
    assert (len(split.before), len(split.after)) == (1, 1)


def test_there_is_no_split_without_times_that_differ():
    assert split_by_time(ratings(10, 20).drop(columns="timestamp")) is None
    assert split_by_time(ratings(10, 10)) is None
    assert split_by_time(ratings(None, None)) is None
    assert split_by_time(ratings()) is None
    assert split_by_time(ratings(10, 20), pd.Timestamp(5, unit="s", tz="UTC")) is None


def test_few_moments_are_split_at_a_moment():
    assert len(split_by_time(ratings(0, 0, 0, 0, 0, 0, 1)).before) == 6
    assert len(split_by_time(ratings(0, 1, 1, 1)).before) == 1


@given(st.lists(st.integers(0, 50), min_size=1, max_size=40))
def test_nothing_is_lost_and_any_two_moments_can_be_split(seconds):
    split = split_by_time(ratings(*seconds))
    if len(set(seconds)) == 1:
        assert split is None
        return
    assert len(split.before) + len(split.after) == len(seconds)
    assert (split.before["timestamp"] < split.cutoff).all() and (
        split.after["timestamp"] >= split.cutoff
    ).all()
    later = [second for second in seconds if second > split.cutoff.timestamp()]
    assert len(split.before) >= 0.8 * len(seconds) or not later
