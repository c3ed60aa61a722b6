"""Coverage: shares by hand, gaps, and distances to a stated population."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from soundkin.audit.coverage import Coverage, cover, effective_number, read_target, total_variation
from soundkin.catalog.table import Catalog
from soundkin.errors import CatalogError


def catalog(**columns: list[object]) -> Catalog:
    rows = len(next(iter(columns.values())))
    frame = pd.DataFrame({"track_id": [f"t{row}" for row in range(rows)], "path": "x.mp3", **columns})
    if "year" in frame:
        frame["year"] = frame["year"].astype("Int64")
    return Catalog(frame, Path("/music"))


def by_value(found: Coverage) -> dict[str, tuple[int, int, float]]:
    return {one.value: (one.tracks, one.artists, round(one.share.mean, 4)) for one in found.values}


def test_shares_by_hand() -> None:
    found = cover(catalog(genre=["jazz", "jazz;soul", "Jazz", None], artist=["A", "A", "B", "C"]), "genre")
    assert by_value(found) == {"jazz": (3, 2, 0.8333), "soul": (1, 1, 0.1667)}, "case is no other value"
    assert (found.tracks, found.without_value) == (4, 1)
    assert found.distance is None and found.covered is None
    assert (
        "known of 75% of 4 tracks" in found.verdict and "nobody stated what should be there" in found.verdict
    )
    assert any("nothing is known of what should be there" in note for note in found.notes)
    assert found.table()[-1] == {"genre": "(no value)", "tracks": "1", "share": "25.0% of all"}


def test_a_target_tells_what_is_missing_and_how_far_it_is() -> None:
    genres = ["jazz"] * 6 + ["soul"] * 2
    found = cover(
        catalog(genre=genres, artist=list("ABCDEFGH")), "genre", {"jazz": 0.5, "soul": 0.25, "folk": 0.25}
    )
    assert found.distance is not None and found.distance.mean == pytest.approx(0.25)
    assert found.covered == pytest.approx(0.75)
    assert {one.value: one.state for one in found.values}["folk"] == "missing"
    assert "1 missing (folk)" in found.verdict and "covers 75% of the stated population" in found.verdict


def test_a_perfect_match_has_no_distance() -> None:
    found = cover(
        catalog(genre=["a", "b"] * 20, artist=[f"n{row}" for row in range(40)]), "genre", {"a": 0.5, "b": 0.5}
    )
    assert found.distance is not None and found.distance.mean == pytest.approx(0.0, abs=1e-12)
    assert found.covered == pytest.approx(1.0)


def test_intervals_draw_artists_and_not_tracks() -> None:
    genres = ["a", "b"] * 100
    alone = cover(catalog(genre=genres, artist=[f"n{row}" for row in range(200)]), "genre").values[0].share
    few = cover(
        catalog(genre=genres, artist=[f"{genre}{row % 12}" for row, genre in enumerate(genres)]), "genre"
    )
    assert alone.low is not None and alone.high is not None
    wide = few.values[0].share
    assert wide.low is not None and wide.high is not None
    assert wide.high - wide.low > 2.5 * (alone.high - alone.low), "the same shares, from few artists"
    assert alone.low < 0.5 < alone.high and wide.low < 0.5 < wide.high


def test_of_few_artists_there_are_no_intervals() -> None:
    genres = ["a", "b"] * 20
    found = cover(
        catalog(genre=genres, artist=[f"n{row % 7}" for row in range(40)]), "genre", {"a": 0.4, "b": 0.6}
    )
    assert found.values[0].share.low is None and found.distance is not None and found.distance.low is None
    assert (
        "covers 100% of the stated population, how far from its shares: too few artists to say (7, "
        in found.verdict
    )
    assert any(
        "no intervals: too few artists to say (7, at least 8 are needed)" in note for note in found.notes
    )


def test_few_tracks_or_few_artists_are_thin() -> None:
    genres = ["a"] * 40 + ["b"] * 40 + ["c"] * 5
    artists = [f"n{row}" for row in range(40)] + ["one"] * 40 + [f"m{row}" for row in range(5)]
    found = cover(catalog(genre=genres, artist=artists), "genre")
    assert {one.value: one.state for one in found.values} == {"a": "", "b": "thin", "c": "thin"}


def test_decades_without_a_track_are_gaps() -> None:
    found = cover(catalog(year=[1965, 1961, 1998, None]), "decade")
    assert {one.value for one in found.values if one.state == "missing"} == {"1970s", "1980s"}
    assert any("No artist is known" in note for note in found.notes)


@pytest.mark.parametrize("column", ["genre", "language"])
def test_a_column_that_is_empty_or_absent_says_so(column: str) -> None:
    found = cover(catalog(genre=[None, None]), column, {"a": 1.0})
    assert found.without_value == 2 and found.effective_values == 0
    assert found.verdict == f"no track says its {column}: neither gaps nor balance can be seen"


def test_artists_have_no_interval_and_their_own_measure_of_thin() -> None:
    found = cover(catalog(artist=["A"] * 3 + ["B"]), "artist")
    assert [(one.value, one.state, one.share.low) for one in found.values] == [
        ("A", "", None),
        ("B", "thin", None),
    ]


def test_a_long_column_is_cut_in_the_table_and_says_so() -> None:
    rows = cover(catalog(artist=[f"n{row}" for row in range(60)]), "artist").table()
    assert rows[-1] == {"artist": "... and 35 more", "state": "35 thin"}


shares = st.lists(st.floats(0.001, 1.0), min_size=1, max_size=8).map(
    lambda parts: np.array(parts) / sum(parts)
)


@given(shares)
def test_effective_number_is_exp_of_scipys_entropy(found: np.ndarray) -> None:
    assert effective_number(found) == pytest.approx(math.exp(entropy(found)))
    assert 1 - 1e-9 <= effective_number(found) <= len(found) + 1e-9


def test_equal_shares_have_as_many_effective_values_as_values() -> None:
    assert effective_number(np.full(7, 1 / 7)) == pytest.approx(7.0)
    assert effective_number(np.array([1.0, 0.0])) == 1.0
    assert effective_number(np.empty(0)) == 0.0


@given(
    st.integers(1, 8).flatmap(
        lambda size: st.tuples(*[st.lists(st.floats(0.01, 1), min_size=size, max_size=size)] * 2)
    )
)
@example(([1.0] * 3, [0.04233151900069325] * 3))
def test_total_variation_is_a_distance(pair: tuple[list[float], list[float]]) -> None:
    one, other = (np.array(parts) / sum(parts) for parts in pair)
    found = float(total_variation(one, other))
    assert 0 <= found <= 1 and found == pytest.approx(float(total_variation(other, one)))
    assert float(total_variation(one, one)) == 0
    divergence = np.nan_to_num(jensenshannon(one, other, base=2)) ** 2  # NaN: rounding left it below 0
    assert divergence <= found + 1e-9, "Lin (1991): it bounds the divergence from above"


def target(folder: Path, text: str) -> Path:
    path = folder / "target.csv"
    path.write_text(text)
    return path


def test_a_target_is_read(tmp_path: Path) -> None:
    path = target(tmp_path, "column,value,share\ngenre,jazz,0.4\ngenre,soul,0.6\ndecade,1990s,1\n")
    assert read_target(path) == {"genre": {"jazz": 0.4, "soul": 0.6}, "decade": {"1990s": 1.0}}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("genre,jazz,0.4\n", "the shares of genre add up to 0.4, expected 1"),
        ("genre,jazz,40\ngenre,soul,60\n", "row 2: share=40 is not from 0 to 1"),
        ("genre,jazz,much\n", "share=much is not a number"),
        ("genre,jazz,0.5\ngenre,jazz,0.5\n", "repeats row 2"),
        ("genre,,1\n", "row 2: value is empty"),
    ],
)
def test_a_broken_target_says_where(tmp_path: Path, rows: str, expected: str) -> None:
    with pytest.raises(CatalogError, match=expected):
        read_target(target(tmp_path, "column,value,share\n" + rows))


def test_artists_are_covered_however_spelled_and_nobody_is_no_value() -> None:
    credits: list[object] = ["Björk", "Björk", "BJORK feat. Ann", "Various Artists", "The Beatles"]
    found = cover(catalog(artist=credits), "artist", {"bjork": 0.5, "Beatles, The": 0.25, "Bob": 0.25})
    assert by_value(found) == {
        "Björk": (3, 1, 0.625),
        "The Beatles": (1, 1, 0.25),
        "Ann": (1, 1, 0.125),
        "Bob": (0, 0, 0.0),
    }
    assert found.without_value == 1
    assert {one.value: one.target for one in found.values} == {
        "Björk": 0.5,
        "The Beatles": 0.25,
        "Ann": 0.0,
        "Bob": 0.25,
    }
