"""Tracks that share a recording are named by the first of them, whoever comes and goes."""

from soundkin.search.recording_names import named_by_first


def test_a_recording_is_named_by_its_first_track_and_alone_not_at_all() -> None:
    told = {"d": "x", "b": "x", "c": "y", "a": "", "e": "x"}
    assert named_by_first(told) == {"b": "b", "d": "b", "e": "b"}
    assert named_by_first(named_by_first(told)) == named_by_first(told)
