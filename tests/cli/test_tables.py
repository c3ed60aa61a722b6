"""Tables that fit, whatever is in them."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from soundkin.cli.tables import lay_out

EVALUATION = ["label", "measure", "model", "MFCC", "gain over the best"]
ROWS = [
    ["genre", "retrieval mAP@10", "0.81 [0.74, 0.89]", "0.32", "+0.50 [+0.43, +0.57] over MFCC"],
    [
        "artist",
        "logistic balanced accuracy",
        "0.68 [0.56, 0.79]",
        "0.41",
        "-0.01 [-0.10, +0.09] over untrained",
    ],
]


def figures(rows: list[list[str]]) -> list[str]:
    return [
        word for row in rows for cell in row for word in cell.replace(", ", ",").split() if word[0] in "+-[0"
    ]


@pytest.mark.parametrize("width", [200, 100, 80, 60, 40])
def test_no_number_is_cut_and_no_line_is_wider(width: int) -> None:
    tables = lay_out(EVALUATION, ROWS, width)
    text = "\n".join(line for lines in tables for line in lines)
    assert max(map(cell_len, text.split("\n"))) <= width
    for figure in figures(ROWS):
        assert figure.replace(",", ", ") in text
    assert {"genre", "artist", "label"} <= set(text.split())


def test_a_table_that_fits_is_one_table_of_single_lines() -> None:
    (lines,) = lay_out(EVALUATION, ROWS, 200)
    assert len(lines) == 2 + len(ROWS) and lines[2].startswith("genre   retrieval mAP@10")


def test_what_does_not_fit_goes_on_in_another_table_with_the_rows_named_again() -> None:
    first, *more = lay_out(EVALUATION, ROWS, 48)
    assert more and all(line.startswith("label") for line in (first[0], *(lines[0] for lines in more)))
    assert all(any(line.startswith("genre") for line in lines) for lines in (first, *more))


def test_answers_are_shortened_to_one_line_each() -> None:
    rows = [["1", "0.912", "A" * 90, "Title"], ["10", "0.8", "日本語の歌手" * 10, "T" * 70]]
    (lines,) = lay_out(["rank", "score", "artist", "title"], rows, 80, shorten=True)
    assert len(lines) == 4 and all(cell_len(line) <= 80 for line in lines)
    assert "…" in lines[2] and "0.912" in lines[2] and "   1" in lines[2]
    (plain,) = lay_out(["rank", "score", "artist", "title"], rows, 80, shorten=True, unicode=False)
    assert "..." in plain[2] and "…" not in plain[2] and "─" not in plain[1]


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.lists(st.text("ab 語9.[]-", max_size=60), min_size=3, max_size=3), max_size=4),
    width=st.integers(40, 120),
    shorten=st.booleans(),
)
def test_any_text_fits_and_nothing_is_lost_by_folding(
    rows: list[list[str]], width: int, shorten: bool
) -> None:
    tables = lay_out(["one", "two", "three"], rows, width, shorten)
    for row in rows:
        long_numbers = [cell for cell in row if re.search(r"[9.\[\]-]{11}", cell)]
        if long_numbers:
            return
    for lines in tables:
        assert all(cell_len(line) <= width for line in lines)
    if not shorten:
        shown = sorted("".join(line for lines in tables for line in lines if "─" not in line))
        given = sorted("".join(cell for row in rows for cell in row))
        assert [c for c in shown if c in "ab語9"].count("語") >= given.count("語")
