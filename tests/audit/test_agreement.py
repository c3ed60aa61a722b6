"""Alpha against Krippendorff's published examples and the `krippendorff` package; the section."""

import time
from collections.abc import Sequence
from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_triplets import judgements

from soundkin.audit.agreement import RaterAgreement, audit_agreement, krippendorff_alpha
from soundkin.statistics.bootstrap import Interval

Table = list[tuple[str, int, float]]

# Krippendorff 2011, example D: four observers, twelve units, some values missing.
FOUR_OBSERVERS = {
    "A": "1 2 3 3 2 1 4 1 2 . . .",
    "B": "1 2 3 3 2 2 4 1 2 5 . 3",
    "C": ". 3 3 3 2 3 4 2 2 5 1 .",
    "D": "1 2 3 3 2 4 4 1 2 5 1 .",
}
# Example A: two observers, two values.
MEG_AND_OWEN = {"Meg": "0 1 0 0 0 0 0 0 1 0", "Owen": "1 1 1 0 0 1 0 0 0 0"}


def rows(observers: dict[str, str]) -> list[tuple[str, int, str | None]]:
    cells = [(name, line.split()) for name, line in observers.items()]
    return [
        (name, unit, None if value == "." else value)
        for name, line in cells
        for unit, value in enumerate(line)
    ]


def alpha_of(table: Sequence[tuple[object, object, object]], **settings: int) -> RaterAgreement:
    raters, units, values = zip(*table, strict=True) if table else ((), (), ())
    return krippendorff_alpha(raters, units, values, **{"resamples": 0} | settings)


@pytest.mark.parametrize(
    ("observers", "published", "counts"),
    [(FOUR_OBSERVERS, 0.849, (11, 4, 40)), (MEG_AND_OWEN, 0.095, (10, 2, 20))],
)
def test_observers_as_published(
    observers: dict[str, str], published: float, counts: tuple[int, int, int]
) -> None:
    found = alpha_of([(name, unit, value and float(value)) for name, unit, value in rows(observers)])
    assert found.alpha is not None and round(found.alpha.mean, 3) == published
    assert (found.units, found.raters, found.values) == counts


def test_pairs_alike_are_counted() -> None:
    assert alpha_of(rows(MEG_AND_OWEN)).alike == pytest.approx(0.6)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    """Values from 0 to 4 by up to five raters, some missing, with two values in some unit."""
    units = draw(st.integers(2, 6))
    cells = [draw(st.lists(st.none() | st.integers(0, 4), min_size=5, max_size=5)) for _ in range(units)]
    table = [
        (f"r{r}", u, float(v)) for u, line in enumerate(cells) for r, v in enumerate(line) if v is not None
    ]
    return [*table, ("x", 0, 0.0), ("y", 0, 1.0)]


@pytest.mark.slow
@settings(max_examples=60)
@given(table=tables(), binary=st.booleans())
def test_alpha_is_that_of_the_package(table: Table, binary: bool) -> None:
    """Of two values, ours is nominal alpha too."""
    if binary:
        table = [(rater, unit, float(value > 0)) for rater, unit, value in table]
    matrix = pd.DataFrame(table, columns=["rater", "unit", "value"]).pivot(
        index="rater", columns="unit", values="value"
    )
    found = alpha_of(table)
    assert found.alpha is not None
    for level in ("interval", "nominal") if binary else ("interval",):
        theirs = krippendorff.alpha(reliability_data=matrix.to_numpy(), level_of_measurement=level)
        assert found.alpha.mean == pytest.approx(theirs, abs=1e-9)


@pytest.mark.slow
@given(table=tables(), data=st.data())
@settings(max_examples=50)
def test_neither_the_order_of_rows_nor_who_is_who_changes_anything(table: Table, data: st.DataObject) -> None:
    names = sorted({rater for rater, _, _ in table})
    renamed = dict(zip(names, data.draw(st.permutations(names)), strict=True))
    other = [(renamed[rater], unit, value) for rater, unit, value in data.draw(st.permutations(table))]
    first, second = alpha_of(table), alpha_of(other)
    assert first.alpha is not None and second.alpha is not None
    assert second.alpha.mean == pytest.approx(first.alpha.mean, abs=1e-9)
    assert (second.units, second.raters, second.values) == (first.units, first.raters, first.values)


@settings(max_examples=40)
@given(truth=st.lists(st.integers(-3, 3), min_size=7, max_size=12))
def test_perfect_agreement_is_one(truth: list[int]) -> None:
    table = [(rater, unit, float(value)) for rater in "abc" for unit, value in enumerate([*truth, 4])]
    found = alpha_of(table, resamples=20)
    assert found.alpha is not None and found.alike == 1.0
    assert (found.alpha.mean, found.alpha.low, found.alpha.high) == pytest.approx((1.0, 1.0, 1.0), abs=1e-12)


@pytest.mark.slow
@settings(max_examples=40)
@given(table=tables(), scale=st.floats(0.1, 50), shift=st.floats(-1e4, 1e4))
def test_interval_alpha_knows_no_unit_and_no_zero(table: Table, scale: float, shift: float) -> None:
    first = alpha_of(table)
    second = alpha_of([(rater, unit, value * scale + shift) for rater, unit, value in table])
    assert first.alpha is not None and second.alpha is not None
    assert second.alpha.mean == pytest.approx(first.alpha.mean, abs=1e-6)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ([], "no unit was valued by two raters"),
        ([("a", 0, 1.0), ("a", 1, 2.0)], "no unit was valued by two raters"),
        ([("a", 0, 1.0), ("a", 0, 2.0)], "no unit was valued by two raters"),  # one rater, twice
        ([("a", 0, 1.0), ("b", 0, None)], "no unit was valued by two raters"),
        ([("a", 0, 1.0), ("b", 0, 1.0)], "everybody always gave the same value"),
    ],
)
def test_alpha_that_means_nothing_says_why(table: Table, reason: str) -> None:
    found = alpha_of(table)
    assert found.alpha is None and found.reason.startswith(reason)


def test_raters_without_a_name_are_different_people() -> None:
    named = alpha_of([("a", 0, 1.0), ("b", 0, 1.0), ("a", 1, 2.0), ("b", 1, 1.0)])
    unnamed = alpha_of([(None, 0, 1.0), (None, 0, 1.0), (None, 1, 2.0), (None, 1, 1.0)])
    assert named.alpha == unnamed.alpha and (named.raters, unnamed.raters) == (2, 4)


def test_few_units_have_an_alpha_and_neither_interval_nor_conclusion() -> None:
    few = alpha_of([(who, unit, float(unit % 2)) for who in "ab" for unit in range(7)], resamples=100)
    assert few.alpha is not None and (few.alpha.mean, few.alpha.low) == (1.0, None)
    assert few.in_words("questions") == "too few questions to say (7, at least 8 are needed)"
    enough = alpha_of([(who, unit, float(unit % 2)) for who in "ab" for unit in range(8)], resamples=100)
    assert enough.alpha is not None and enough.alpha.low is not None
    assert enough.in_words("questions") == "single values can be relied on"


def test_questions_about_one_anchor_are_drawn_together() -> None:
    """Whether an anchor is easy is the same for its ten questions: intervals over questions are far too
    narrow.
    """
    rng = np.random.default_rng(0)
    rows = []
    for anchor, easy in enumerate(rng.random(20) < 0.5):
        for number in range(10):
            for who in "xyz":
                pair = ["0", f"{number + 1}"] if easy or rng.random() < 0.5 else [f"{number + 1}", "0"]
                rows.append((f"anchor {anchor}", *pair, who))
    triplets = pd.DataFrame(rows, columns=["anchor_id", "closer_id", "farther_id", "annotator_id"])
    over_anchors = audit_agreement(triplets).agreement
    over_questions = krippendorff_alpha(
        triplets["annotator_id"],
        triplets["anchor_id"] + triplets[["closer_id", "farther_id"]].max(axis=1),
        triplets["closer_id"] == "0",
    )
    assert over_anchors is not None and over_anchors.alpha is not None and over_questions.alpha is not None
    assert over_anchors.alpha.mean == pytest.approx(over_questions.alpha.mean)
    assert (over_anchors.groups, over_questions.groups) == (20, 200)
    widths = [found.alpha.high - found.alpha.low for found in (over_anchors, over_questions)]  # type: ignore
    assert widths[0] > 1.3 * widths[1]
    artists = {f"anchor {number}": number // 4 for number in range(20)}
    by_artist = audit_agreement(triplets, artists).agreement
    assert by_artist is not None and by_artist.groups == 5


def test_one_unit_has_an_alpha_and_no_interval() -> None:
    found = alpha_of([("a", 0, 1.0), ("b", 0, 2.0)], resamples=100)
    assert found.alpha is not None and (found.alpha.low, found.alpha.high) == (None, None)


def coins(rng: np.random.Generator, units: int, reliability: float) -> RaterAgreement:
    truth = rng.integers(2, size=units)
    right = rng.random((3, units)) < reliability
    values = np.where(right, truth, 1 - truth).reshape(-1)
    return krippendorff_alpha(
        np.repeat(list("abc"), units), np.tile(np.arange(units), 3), values, resamples=200
    )


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Raters who are right with probability p agree with probability p^2 + (1-p)^2, and alpha is twice that
    less 1.
    """
    rng, expected = np.random.default_rng(0), 2 * (0.8**2 + 0.2**2) - 1
    found = [coins(rng, 60, 0.8).alpha for _ in range(100)]
    held = [alpha is not None and alpha.low < expected < alpha.high for alpha in found]
    assert 0.88 <= np.mean(held) <= 0.99


def test_the_unit_of_triplets_is_the_question_in_either_order() -> None:
    columns = ["anchor_id", "closer_id", "farther_id", "annotator_id"]
    answers = [
        ("a", "b", "c", "x"),
        ("a", "c", "b", "y"),
        ("b", "c", "a", "x"),
        ("b", "c", "a", "y"),
        ("c", "a", "b", "x"),
    ]
    found = audit_agreement(pd.DataFrame(answers, columns=columns)).agreement
    same = alpha_of([("x", 0, 1.0), ("y", 0, 2.0), ("x", 1, 2.0), ("y", 1, 2.0)])
    assert found is not None and found.alpha is not None and same.alpha is not None
    assert found.alpha.mean == pytest.approx(same.alpha.mean)
    assert (found.units, found.raters, found.alike) == (2, 2, 0.5)
    assert audit_agreement(pd.DataFrame(columns=columns)).agreement is None


def test_words_for_alpha() -> None:
    counts = {"alike": 0.5, "units": 9, "raters": 2, "values": 18, "groups": 9}
    words = [
        RaterAgreement(alpha=Interval(system="people", mean=alpha), **counts).in_words("units")
        for alpha in (0.9, 0.7, 0.3, -0.1)
    ]
    assert [word[:12] for word in words] == ["single value"] * 3 + ["no more than"]
    assert len(set(words)) == 4


def test_a_hundred_thousand_values_take_a_moment() -> None:
    rng = np.random.default_rng(0)
    start = time.perf_counter()
    krippendorff_alpha(
        np.tile(np.arange(5), 20_000), np.repeat(np.arange(20_000), 5), rng.integers(5, size=100_000)
    )
    assert time.perf_counter() - start < 2.0


def test_the_section_tells_agreement_in_words_people_use() -> None:
    section = audit_agreement(judgements())
    found = section.agreement
    assert found is not None and found.alike is not None
    chances = (0.95, 0.9, 0.5, 0.1)
    expected = np.mean([one * other + (1 - one) * (1 - other) for one, other in combinations(chances, 2)])
    assert abs(found.alike - expected) < 0.03
    assert f"same answer in {found.alike:.0%} of cases" in section.verdict
    assert "no more than chance would bring" in section.verdict and section.table()[0]["questions"] == "201"
    assert section.notes and type(section).model_validate(section.model_dump()) == section
    once = judgements().drop_duplicates("anchor_id")
    assert "Ask several people the same questions" in audit_agreement(once).verdict


def test_without_triplets_the_section_says_what_is_missing() -> None:
    for nothing in (None, judgements().iloc[:0]):
        section = audit_agreement(nothing)
        assert section.verdict == "No triplets were given." and section.table() == [] and section.notes == ()
