"""The sections that people read, and the file of weights."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundkin.audit.raters import (
    ANNOTATOR_COLUMNS,
    VerdictAgreement,
    annotator_table,
    audit_annotators,
    audit_raters,
    write_annotators,
)
from soundkin.catalog.annotators import TRACKS
from soundkin.errors import CatalogError


def judgements(random_seed: int = 0, questions: int = 200) -> pd.DataFrame:
    """Two careful annotators, one who clicks at random and one who reads the question the other way round."""
    rng, chances = np.random.default_rng(random_seed), {"anna": 0.95, "ben": 0.9, "cleo": 0.5, "dan": 0.1}
    rows = []
    for question in range(questions):
        for name, chance in chances.items():
            truth = ("x", "y") if question % 2 else ("y", "x")
            rows.append((f"a{question}", *(truth if rng.random() < chance else truth[::-1]), name))
    for name in ("eve", "anna", "ben"):
        rows.append(("a-last", "x", "y", name))
    return pd.DataFrame(rows, columns=[*TRACKS, "annotator_id"])


STARS = pd.DataFrame(
    [(f"u{user}", f"t{track}", float(1 + (user + track * 2) % 5)) for user in range(5) for track in range(6)]
    + [("u0", "t9", 3.0), ("u1", "t9", 3.0), ("u2", "t9", 4.0)],
    columns=["user_id", "track_id", "rating"],
)


def test_every_section_has_a_title_a_verdict_rows_and_notes() -> None:
    for section in audit_raters(judgements(), STARS, resamples=50):
        assert section.title and section.verdict.endswith(".") and "\n" not in section.verdict
        rows = section.table()
        assert rows and all(list(row) == list(rows[0]) for row in rows)
        assert all(isinstance(cell, str) for row in rows for cell in row.values())
        assert section.notes and type(section).model_validate(section.model_dump()) == section


def test_sections_without_anything_to_audit_say_what_is_missing() -> None:
    sections = audit_raters(None, None)
    assert [section.verdict for section in sections] == ["No triplets were given."] * 2 + [
        "No ratings were given."
    ]
    assert all(section.table() == [] and section.notes == () for section in sections)
    again = audit_raters(judgements().iloc[:0], STARS.iloc[:0])
    assert again == sections


def test_the_least_reliable_come_first_with_what_is_odd_about_them() -> None:
    audit = audit_annotators(judgements())
    rows = audit.table()
    assert [row["annotator_id"] for row in rows[:2]] == ["dan", "cleo"]
    assert [row["flags"] for row in rows[:2]] == ["below chance", "not above chance"]
    assert {row["annotator_id"]: row["flags"] for row in rows}["eve"] == "few shared answers"
    told = r"5 annotators: reliability from 0\.[01]\d to 0\.9\d; 2 to look at, 1 answered too little that others did\."
    assert re.fullmatch(told, audit.verdict)


def test_agreement_is_told_in_words_people_use() -> None:
    found = audit_raters(judgements(), None, resamples=50)[0]
    assert (
        isinstance(found, VerdictAgreement)
        and found.agreement is not None
        and found.agreement.alike is not None
    )
    chances = (0.95, 0.9, 0.5, 0.1)
    expected = np.mean([one * other + (1 - one) * (1 - other) for one, other in combinations(chances, 2)])
    assert abs(found.agreement.alike - expected) < 0.03
    assert f"same answer in {found.agreement.alike:.0%} of cases" in found.verdict
    assert "no more than chance would bring" in found.verdict and found.table()[0]["questions"] == "201"


def test_judgements_of_nobody_and_questions_asked_once_are_explained() -> None:
    unnamed = audit_annotators(judgements().drop(columns="annotator_id"))
    assert "Fill in annotator_id" in unnamed.verdict and unnamed.unnamed == unnamed.judgements == 803
    once = judgements().drop_duplicates("anchor_id")
    assert "Ask several people the same" in audit_annotators(once).verdict
    assert "Ask several people the same questions" in audit_raters(once, None)[0].verdict
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
    pd.testing.assert_frame_equal(read, annotator_table(audit).round(4), check_dtype=False)
    assert (read["low"] <= read["reliability"]).all() and (read["reliability"] <= read["high"]).all()
    assert read["flags"].tolist() == ["", "", "not above chance", "below chance", "few shared answers"]
    write_annotators(audit_annotators(None), tmp_path / "nobody.csv")
    assert (tmp_path / "nobody.csv").read_text() == ",".join(ANNOTATOR_COLUMNS) + "\n"


def test_gold_questions_that_contradict_each_other_are_refused() -> None:
    gold = pd.DataFrame([("a1", "x", "y"), ("a1", "y", "x")], columns=TRACKS)
    with pytest.raises(CatalogError, match="of a1, both x and y"):
        audit_raters(judgements(), None, gold=gold)
