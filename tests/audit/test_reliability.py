"""Intervals against planted truth and the exact posterior; drift, haste, consistency; the section."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judged_triplets import judgements
from scipy.stats import beta

from soundkin.audit.reliability import ANNOTATOR_COLUMNS, audit_annotators, write_annotators
from soundkin.catalog.annotators import PRIOR_HITS, PRIOR_MISSES, TRACKS
from soundkin.errors import CatalogError


def judged(
    rng: np.random.Generator, people: dict[str, list[float]], questions: int, each: int
) -> pd.DataFrame:
    """`each` of `people` answer a question; their chances of being right go through their list as time
    passes.
    """
    names, rows = list(people), []
    for question in range(questions):
        for name in rng.choice(names, each, replace=False):
            chances = people[name]
            right = rng.random() < chances[question * len(chances) // questions]
            truth = ("x", "y") if question % 2 else ("y", "x")
            rows.append((f"a{question}", *(truth if right else truth[::-1]), name, 60.0 * question))
    return pd.DataFrame(rows, columns=[*TRACKS, "annotator_id", "timestamp"])


PEOPLE = {f"{chance}-{number}": [chance] for chance in (0.95, 0.85, 0.7, 0.5, 0.2) for number in range(3)}


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = [
        one.reliability.low <= PEOPLE[one.annotator_id][0] <= one.reliability.high
        for seed in range(12)
        for one in audit_annotators(judged(np.random.default_rng(seed), PEOPLE, 200, 5)).annotators
    ]
    assert 0.9 <= np.mean(held) <= 0.99


def test_annotators_rank_right_and_those_below_chance_weigh_nothing() -> None:
    found = {
        one.annotator_id: one
        for one in audit_annotators(judged(np.random.default_rng(0), PEOPLE, 500, 5)).annotators
    }
    means = [
        np.mean([found[f"{chance}-{n}"].reliability.mean for n in range(3)])
        for chance in (0.95, 0.85, 0.7, 0.5)
    ]
    assert means == sorted(means, reverse=True)
    for number in range(3):
        assert "below chance" in found[f"0.2-{number}"].flags and found[f"0.2-{number}"].weight == 0.0
        assert "not above chance" in found[f"0.5-{number}"].flags and found[f"0.5-{number}"].weight < 0.3
        assert found[f"0.95-{number}"].flags == () and found[f"0.95-{number}"].weight > 1.5


def test_with_gold_alone_the_interval_is_that_of_the_beta_distribution() -> None:
    questions = [f"a{number}" for number in range(30)]
    triplets = pd.DataFrame(
        {"anchor_id": questions, "closer_id": "x", "farther_id": "y", "annotator_id": "anna"}
    )
    gold = triplets[TRACKS].copy()
    gold.loc[24:, ["closer_id", "farther_id"]] = ["y", "x"]
    [anna] = audit_annotators(triplets, gold=gold).annotators
    exact = beta(PRIOR_HITS + 24, PRIOR_MISSES + 6)
    assert anna.reliability.mean == pytest.approx(exact.mean())
    assert (anna.reliability.low, anna.reliability.high) == pytest.approx(
        (exact.ppf(0.025), exact.ppf(0.975)), abs=2e-3
    )
    assert (anna.answers, anna.shared) == (30, 30)


def test_answers_that_nobody_else_gave_leave_the_prior_however_many() -> None:
    questions = [f"a{number}" for number in range(1000)]
    triplets = pd.DataFrame(
        {"anchor_id": questions, "closer_id": "x", "farther_id": "y", "annotator_id": "anna"}
    )
    [anna] = audit_annotators(triplets).annotators
    prior = beta(PRIOR_HITS, PRIOR_MISSES)
    assert (anna.reliability.low, anna.reliability.high) == pytest.approx(
        tuple(prior.ppf([0.025, 0.975])), abs=2e-3
    )
    assert anna.shared == 0 and anna.flags == ("few shared answers",)


ROWS = st.lists(
    st.tuples(st.sampled_from(["abc", "acb", "bac", "bca"]), st.sampled_from("xyz")), min_size=1, max_size=15
)


@pytest.mark.slow
@given(rows=ROWS)
@settings(max_examples=50, deadline=None)
def test_the_estimate_is_within_its_interval(rows: list[tuple[str, str]]) -> None:
    triplets = pd.DataFrame([(*tracks, name) for tracks, name in rows], columns=[*TRACKS, "annotator_id"])
    for one in audit_annotators(triplets).annotators:
        assert one.reliability.low is not None and one.reliability.high is not None
        assert 0 <= one.reliability.low < one.reliability.mean < one.reliability.high <= 1


def test_who_tires_is_found_and_who_does_not_is_not() -> None:
    people = {"tiring": [0.95, 0.8, 0.55], "learning": [0.55, 0.8, 0.95], "a": [0.9], "b": [0.9], "c": [0.9]}
    found = {
        one.annotator_id: one
        for one in audit_annotators(judged(np.random.default_rng(3), people, 400, 4)).annotators
    }
    assert "became worse" in found["tiring"].flags and "became better" in found["learning"].flags
    change = found["tiring"].change
    assert change is not None and change.low is not None and change.high is not None
    assert change.low < -0.4 < change.high < 0
    thirds = [third.mean for third in found["tiring"].thirds]
    assert thirds == sorted(thirds, reverse=True) and len(thirds) == 3
    assert not {"became worse", "became better"} & {flag for name in "abc" for flag in found[name].flags}


def test_drift_goes_by_time_and_not_by_the_order_of_rows() -> None:
    triplets = judged(np.random.default_rng(3), {"tiring": [0.95, 0.55], "a": [0.9], "b": [0.9]}, 200, 3)
    shuffled = triplets.sample(frac=1.0, random_state=0)
    changes = [audit_annotators(table).annotators[2].change for table in (triplets, shuffled)]
    assert changes[0] is not None and changes[1] is not None
    assert changes[1].mean == pytest.approx(changes[0].mean, abs=1e-9)


def test_without_times_or_with_few_there_is_no_drift() -> None:
    triplets = judged(np.random.default_rng(0), PEOPLE, 30, 5)
    assert all(one.change is None for one in audit_annotators(triplets.drop(columns="timestamp")).annotators)
    assert all(
        one.change is None and one.thirds == () for one in audit_annotators(triplets).annotators
    )  # ten each


def test_who_clicks_faster_than_anyone_can_listen_is_flagged() -> None:
    rng = np.random.default_rng(0)
    triplets = judged(rng, {name: [0.9] for name in "abcdef"}, 100, 4)
    seconds = np.exp(rng.normal(np.log(12), 0.4, len(triplets)))
    hasty = triplets["annotator_id"] == "a"
    triplets["seconds_taken"] = np.where(hasty, 0.5, seconds)
    triplets.loc[triplets.index[::7], "seconds_taken"] = np.nan
    found = {one.annotator_id: one for one in audit_annotators(triplets).annotators}
    assert found["a"].fast == 1.0 and "too fast" in found["a"].flags
    assert all(found[name].fast < 0.05 and "too fast" not in found[name].flags for name in "bcdef")
    same = audit_annotators(triplets.assign(seconds_taken=3.0)).annotators
    assert all(one.fast is None and one.slow is None for one in same)


def test_consistency_counts_pairs_by_hand() -> None:
    """Thrice the same question, once otherwise: of three pairs, one is the same; then a pair that is."""
    cells = ["abcx", "abcx", "acbx", "bacx", "bacx", "cabx", "abcy"]
    found = audit_annotators(
        pd.DataFrame([tuple(cell) for cell in cells], columns=[*TRACKS, "annotator_id"])
    ).annotators
    assert (found[0].repeated, found[0].consistency) == (4, 0.5)
    assert (found[1].repeated, found[1].consistency) == (0, None)


def test_who_answers_the_same_question_otherwise_each_time_is_inconsistent() -> None:
    cells = [
        cell
        for anchor in "abcdefghij"
        for cell in (f"{anchor}xyp", f"{anchor}yxp", f"{anchor}xyq", f"{anchor}xyq")
    ]
    found = audit_annotators(
        pd.DataFrame([tuple(cell) for cell in cells], columns=[*TRACKS, "annotator_id"])
    ).annotators
    assert "inconsistent" in found[0].flags and "inconsistent" not in found[1].flags


def test_nobody_is_nobody() -> None:
    assert audit_annotators(pd.DataFrame(columns=[*TRACKS, "annotator_id"])).annotators == ()
    assert audit_annotators(pd.DataFrame([("a", "b", "c")], columns=TRACKS)).annotators == ()


def test_the_least_reliable_come_first_with_what_is_odd_about_them() -> None:
    audit = audit_annotators(judgements())
    rows = audit.table()
    assert [row["annotator_id"] for row in rows[:2]] == ["dan", "cleo"]
    assert [row["flags"] for row in rows[:2]] == ["below chance", "not above chance"]
    assert {row["annotator_id"]: row["flags"] for row in rows}["eve"] == "few shared answers"
    verdict = r"5 annotators: reliability from 0\.[01]\d to 0\.9\d; 2 to look at, 1 answered too little .*"
    assert re.fullmatch(verdict, audit.verdict)
    assert all(isinstance(cell, str) for row in rows for cell in row.values())
    assert audit.notes and type(audit).model_validate(audit.model_dump()) == audit


def test_without_triplets_the_section_says_what_is_missing() -> None:
    for nothing in (None, judgements().iloc[:0]):
        audit = audit_annotators(nothing)
        assert audit.verdict == "No triplets were given." and audit.table() == [] and audit.notes == ()


def test_judgements_of_nobody_and_questions_asked_once_are_explained() -> None:
    unnamed = audit_annotators(judgements().drop(columns="annotator_id"))
    assert "Fill in annotator_id" in unnamed.verdict and unnamed.unnamed == unnamed.judgements == 803
    once = judgements().drop_duplicates("anchor_id")
    assert "Ask several people the same" in audit_annotators(once).verdict
    half = judgements()
    half.loc[::2, "annotator_id"] = None
    assert any("name nobody" in note for note in audit_annotators(half).notes)


def test_weights_are_nothing_below_chance_and_more_for_the_careful() -> None:
    weights = {one.annotator_id: one.weight for one in audit_annotators(judgements()).annotators}
    assert weights["dan"] == 0.0 and weights["cleo"] < 0.3 < 1.0 < weights["ben"] and weights["anna"] > 1.0
    assert weights["eve"] == pytest.approx(1.0, abs=0.35)  # one answer: still nearly a stranger


def test_the_file_of_annotators_reads_as_it_was_written(tmp_path: Path) -> None:
    audit = audit_annotators(judgements())
    write_annotators(audit, tmp_path / "annotators.csv")
    read = pd.read_csv(tmp_path / "annotators.csv", keep_default_na=False)
    assert list(read.columns) == ANNOTATOR_COLUMNS
    assert read["annotator_id"].tolist() == [one.annotator_id for one in audit.annotators]
    assert read["weight"].tolist() == [round(one.weight, 4) for one in audit.annotators]
    assert read["low"].tolist() == [round(one.reliability.low or 0.0, 4) for one in audit.annotators]
    assert (read["low"] <= read["reliability"]).all() and (read["reliability"] <= read["high"]).all()
    assert read["flags"].tolist() == ["", "", "not above chance", "below chance", "few shared answers"]
    write_annotators(audit_annotators(None), tmp_path / "nobody.csv")
    assert (tmp_path / "nobody.csv").read_text() == ",".join(ANNOTATOR_COLUMNS) + "\n"


def test_gold_questions_that_contradict_each_other_are_refused() -> None:
    gold = pd.DataFrame([("a1", "x", "y"), ("a1", "y", "x")], columns=TRACKS)
    with pytest.raises(CatalogError, match="of a1, both x and y"):
        audit_annotators(judgements(), gold)
