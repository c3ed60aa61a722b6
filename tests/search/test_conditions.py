import logging
import operator
import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from soundkin.errors import UsageError
from soundkin.search.conditions import Condition, mask_any, mask_where, number, parse_condition

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
    with pytest.raises(
        UsageError, match=r"--where genres=rock: there is no column genres. Did you mean genre\?"
    ):
        mask_where(TRACKS, [parse_condition("genres=rock")])


@pytest.mark.parametrize("text", ["year>=late", "year=1990s", "year<"])
def test_a_column_of_numbers_wants_a_number(text):
    with pytest.raises(UsageError, match=r"year holds numbers, and '.*' is none"):
        mask_where(TRACKS, [parse_condition(text)])


cells = st.lists(
    st.text(st.characters(exclude_characters=";", exclude_categories=["Cs"]), min_size=1), max_size=3
)


@given(st.lists(cells, min_size=1, max_size=8), st.data())
@example([["a b"], ["a  b"], [r"\Q.*"], ["$^|()[]{}+?*"]], None)
def test_a_value_is_taken_literally(tracks, data):
    """Against plain Python, for values made of any characters but `;`."""
    column = pa.array([";".join(values) for values in tracks], pa.large_string())
    known = sorted({value.strip() for values in tracks for value in values} - {""})
    for wanted in known if data is None or not known else [data.draw(st.sampled_from(known))]:
        mask = mask_any(column, [wanted])
        surely = [any(value.strip() == wanted for value in values) for values in tracks]
        maybe = [any(value.strip().casefold() == wanted.casefold() for value in values) for values in tracks]
        assert (mask >= np.array(surely)).all()
        assert (mask <= np.array(maybe)).all()


def column_of(cells: list[str], encoded: bool = False, name: str = "bpm") -> pa.RecordBatch:
    column = pa.array(cells, pa.large_string())
    return pa.RecordBatch.from_arrays([column.dictionary_encode() if encoded else column], names=[name])


def rows_where(tracks: pa.RecordBatch, text: str) -> list[int]:
    return np.flatnonzero(mask_where(tracks, [parse_condition(text)])).tolist()


@pytest.mark.parametrize("encoded", [False, True])
def test_a_comparison_by_number_leaves_out_cells_that_are_none_and_says_how_many(encoded, caplog):
    tracks = column_of(["90", "120", "140", "n/a", "", "n/a"], encoded)
    with caplog.at_level(logging.WARNING):
        assert rows_where(tracks, "bpm>100") == [1, 2]
    assert (
        "--where bpm>100: 2 of 6 tracks have no number in bpm (such as 'n/a'), and are left out"
        in caplog.text
    )
    caplog.clear()
    assert rows_where(column_of(["90", "", "140"], encoded), "bpm<100") == [0] and not caplog.text


@pytest.mark.parametrize(
    ("cell", "says"),
    [(" 120 ", 120), ("1e2", 100), ("120,5", 120.5), ("0,125", 0.125), ("-inf", float("-inf")),
     ("\u2212 6", None), ("\u22126", -6), ("+3.", 3), (".5", 0.5), ("1,200", None), ("nan", None),
     ("NaN", None), ("1_000", None), ("120 bpm", None),
     ("", None), ("0x10", None), ("1.2.3", None), ("e5", None)],
)  # fmt: skip
def test_what_is_a_number(cell, says):
    assert number(cell) == says


@pytest.mark.parametrize("value", ["fast", "", "120 bpm", "nan", "2001-05-31", "1,200"])
def test_a_value_that_is_no_number_is_refused_on_a_column_mostly_of_numbers(value):
    with pytest.raises(UsageError, match=r"bpm holds (numbers, and|no dates)"):
        rows_where(column_of(["90", "120", "n/a"]), f"bpm>{value}")


def test_a_number_is_refused_on_a_column_without_any_and_text_is_compared_as_text():
    titles = column_of(["Alpha", "Omega", ""], name="title")
    with pytest.raises(UsageError, match="title holds no numbers"):
        rows_where(titles, "title>5")
    assert rows_where(titles, "title>=M") == [1]
    assert rows_where(column_of(["", ""]), "bpm>100") == []


def test_dates_are_compared_as_dates_and_years_with_them(caplog):
    dates = column_of(["2001-05-31", "1999", "2001-06-01T10:00", "unknown", ""], name="released")
    with caplog.at_level(logging.WARNING):
        assert rows_where(dates, "released<2001-06-01") == [0, 1]
        assert rows_where(dates, "released>=2001") == [0, 2]
    assert caplog.text.count("1 of 5 tracks have no date in released (such as 'unknown')") == 2
    with pytest.raises(UsageError, match="released holds dates, and 'late' is none"):
        rows_where(column_of(["2001-05-31", "1999-01", "?"], name="released"), "released>late")
    assert rows_where(column_of(["1999", "2003"], name="released"), "released>2001-05-31") == [1]


def test_of_several_numbers_in_a_cell_one_is_enough():
    assert rows_where(column_of(["90; 120", "n/a; 60", "n/a"]), "bpm>=120") == [0]
    assert rows_where(column_of(["90; 120", "n/a; 60", "n/a"]), "bpm<=60") == [1]


def test_equal_numbers_are_equal_however_written_but_codes_are_not():
    numbers = column_of(["1990", "1990.0", "1991", "n/a", "1.99e3", "90; 1990"], name="issued")
    assert rows_where(numbers, "issued=1990") == [0, 1, 4, 5]
    assert rows_where(numbers, "issued!=1990.0") == [2, 3]
    assert rows_where(column_of(["007", "7", "07"], name="code"), "code=7") == [1]
    assert rows_where(column_of(["1e3", "1000", "abc", "def"], name="code"), "code=1000") == [1]


def test_numbers_beyond_the_precision_of_floats():
    big = 2**53
    assert rows_where(column_of([str(big), str(big + 1)]), f"bpm>{big}") == [1]
    integers = pa.RecordBatch.from_pydict(
        {"play_count": [big, big + 1], "gain": pa.array([0.1, 0.5], pa.float32())}
    )
    assert rows_where(integers, f"play_count={big + 1}") == [1]
    assert rows_where(integers, "play_count<1e400") == [0, 1]
    assert rows_where(integers, "gain=0.1") == [0]
    with pytest.raises(UsageError, match="gain holds numbers, and 'nan' is none"):
        rows_where(integers, "gain=nan")


written = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, width=32).map(str),
    st.decimals(-1000, 1000, places=2).map(lambda value: str(value).replace(".", ",")),
    st.sampled_from(["n/a", "nan", "unknown", "", " ", "12 bpm", "2001-05-31x"]),
)


@given(st.lists(st.lists(written, max_size=2), min_size=1, max_size=10), written, st.booleans())
def test_no_comparison_by_number_is_ever_textual(cells, value, encoded):
    """Against plain Python: some number of the cell compares, and nothing else passes."""
    tracks = column_of(["; ".join(values) for values in cells], encoded)
    wanted = number(value)
    for sign, compare in (("<", operator.lt), ("<=", operator.le), (">", operator.gt), (">=", operator.ge)):
        if wanted is None or not any(number(text) is not None for values in cells for text in values):
            continue
        expected = [
            row for row, values in enumerate(cells)
            if any((parsed := number(text)) is not None and compare(parsed, wanted) for text in values)
        ]  # fmt: skip
        assert rows_where(tracks, f"bpm{sign}{value}") == expected


CREDITS = ["Ann", "ÁNN feat. Bob", "Bob", "bob & The Ann", "Various Artists", "", "Annabel", "Drake, Rihanna",
           "Drake", "Rihanna", "AC/DC"]  # fmt: skip


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("artist=Ann", [0, 1, 3]),
        ("artist=ANN, THE", [0, 1, 3]),
        ("artist=A\u0301nn", [0, 1, 3]),
        ("artist=Ann & Bob", [1, 3]),
        ("artist=bob; ann", [1, 3]),
        ("artist=Bob feat. Ann", [1, 3]),
        ("artist!=Ann", [2, 4, 5, 6, 7, 8, 9, 10]),
        ("artist=", [5]),
        ("artist=various artists", [4]),
        ("artist=Drake", [7, 8]),
        ("artist=Drake, Rihanna", [7]),
        ("artist=ac dc", [10]),
        ("artist=nobody", []),
    ],
)
def test_artists_are_found_however_spelled_and_as_guests(encoded, text, rows):
    assert rows_where(column_of(CREDITS, encoded, name="artist"), text) == rows
