import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.search.conditions import Condition, mask_any, mask_where, parse_condition

TRACKS = pa.RecordBatch.from_pydict(
    {
        "genre": pa.array(["Rock", "pop;  rock ;jazz", "", "krautrock", "R&B (slow)"], pa.large_string()),
        "year": pa.array([1990, None, 1985, 2001, 1990]),
        "tempo": pa.array(["90", "120.5", "", "1e2", "60"], pa.large_string()),
        "released": pa.array(["2001-05-31", "1999-12-01", "", "2001-06-01", "2010-01-01"], pa.large_string()),
        "gain": pa.array([0.5, float("nan"), -1.0, 2.0, None]),
    }
)
PLAIN_AND_ENCODED = [
    TRACKS,
    TRACKS.set_column(0, "genre", TRACKS["genre"].dictionary_encode()).set_column(
        2, "tempo", TRACKS["tempo"].dictionary_encode()
    ),
]


@pytest.mark.parametrize("tracks", PLAIN_AND_ENCODED, ids=["plain", "encoded"])
@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("genre=rock", [0, 1]),
        ("genre = ROCK", [0, 1]),
        ("genre==jazz", [1]),
        ("genre!=rock", [2, 3, 4]),
        ("genre=", [2]),
        ("genre!=", [0, 1, 3, 4]),
        ("genre=r&b (slow)", [4]),
        ("genre=r.b (slow)", []),
        ("genre=roc", []),
        ("year=1990", [0, 4]),
        ("year!=1990", [1, 2, 3]),
        ("year>=1990", [0, 3, 4]),
        ("year>1990", [3]),
        ("year<1990", [2]),
        ("year<=1990.5", [0, 2, 4]),
        ("year=", [1]),
        ("tempo>95", [1, 3]),
        ("tempo<=90", [0, 4]),
        ("released<2001-06-01", [0, 1]),
        ("released>=2001", [0, 3, 4]),
        ("gain>0", [0, 3]),
        ("gain<0", [2]),
        ("gain=", [1, 4]),
    ],
)
def test_which_tracks_meet_it(tracks, text, rows):
    assert np.flatnonzero(mask_where(tracks, [parse_condition(text)])).tolist() == rows


def test_all_conditions_hold_at_once():
    mask = mask_where(TRACKS, [parse_condition("genre=rock"), parse_condition("year=1990")])
    assert np.flatnonzero(mask).tolist() == [0]


def test_the_value_may_hold_operators_and_blanks():
    assert parse_condition(" album = 1 <= 2; a=b ") == Condition("album", "=", "1 <= 2; a=b")


@pytest.mark.parametrize("text", ["genre", "", "=rock", "  >= 3", "genre ~ rock"])
def test_not_a_condition(text):
    with pytest.raises(UsageError, match=re.escape(f"{text!r} is not a condition")):
        parse_condition(text)


def test_unknown_column_names_the_nearest():
    with pytest.raises(UsageError, match=r"--where genres=rock: there is no column genres. Did you mean genre\?"):
        mask_where(TRACKS, [parse_condition("genres=rock")])


@pytest.mark.parametrize("text", ["year>=late", "year=1990s", "year<"])
def test_a_column_of_numbers_wants_a_number(text):
    with pytest.raises(UsageError, match=r"year holds numbers, and '.*' is none"):
        mask_where(TRACKS, [parse_condition(text)])


cells = st.lists(st.text(st.characters(exclude_characters=";", exclude_categories=["Cs"]), min_size=1), max_size=3)


@given(st.lists(cells, min_size=1, max_size=8), st.data())
@example([["a b"], ["a  b"], [r"\Q.*"], ["$^|()[]{}+?*"]], None)
def test_a_value_is_taken_literally(tracks, data):
    """Against plain Python, for values made of any characters but `;`."""
    column = pa.array([";".join(values) for values in tracks], pa.large_string())
    known = sorted({value.strip() for values in tracks for value in values} - {""})
    for wanted in known if data is None or not known else [data.draw(st.sampled_from(known))]:
        found = mask_any(column, [wanted])
        surely = [any(value.strip() == wanted for value in values) for values in tracks]
        maybe = [any(value.strip().casefold() == wanted.casefold() for value in values) for values in tracks]
        assert (found >= np.array(surely)).all()
        assert (found <= np.array(maybe)).all()
