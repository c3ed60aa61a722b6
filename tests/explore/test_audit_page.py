"""The audit's page as text and in a browser: decided by mouse and keys, saved, read by `correct`."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from soundkin.catalog.corrections import read_review
from soundkin.explore.audit_page import Decision, Task, render_audit
from soundkin.explore.page_template import PageSection, Step
from soundkin.explore.snippets import data_uri, encode_mp3

SCRIPT = "<script>alert('x')</script>"
COLUMNS = (
    "track_id",
    "column",
    "given",
    "suggested",
    "decision",
    "value",
    "doubt",
    "belief",
    "reason",
    "title",
    "artist",
)
GIVEN = ('rock "n" roll, live', "line\nbreak", "джаз", "=1+1", "$oul$", "[b]x[/b]", SCRIPT, "a;b", "i", "j")


def decision(number: int, audio: str | None = None, **changes: str) -> Decision:
    row = dict.fromkeys(COLUMNS, "") | {"track_id": f"t{number}", "column": "genre", "given": GIVEN[number]}
    row |= {
        "suggested": "jazz" if number % 2 else "",
        "reason": "sounds unlike others",
        "title": f"Title {number}",
    }
    return Decision(row | changes, audio, "" if audio else "no sound: gone")


def page(audio: str | None = None, **changes: Any) -> str:
    everything = {
        "title": "soundkin audit: test",
        "collection": "0123",
        "facts": [("Tracks", "10")],
        "tasks": [
            Task("10 of 90 genre labels are doubted", "Decide below."),
            Task("2 copies", "Keep one.", ["a = b"]),
        ],
        "decisions": [decision(number, audio) for number in range(10)],
        "sections": [
            PageSection(
                "Coverage: genre", "all is known", [{"a": "1"} | {f"c{n}": "word " * 3 for n in range(20)}]
            )
        ],
        "steps": [Step("Then.", "soundkin correct catalog.csv review.csv -o corrections.csv")],
    }
    return render_audit(**everything | changes)


def test_what_to_do_comes_first_and_all_else_is_folded() -> None:
    text = page()
    places = [
        text.index(words)
        for words in ("10 of 90 genre labels", "What to do", "Decide</h2>", "All that was looked at")
    ]
    assert places == sorted(places)
    assert "wrong" not in text.lower().split("</style>")[1].split("<script")[0]
    assert (
        text.index("<table>") > text.index("All that was looked at")
        and "<details" in text[text.index("All that") :]
    )


def test_nothing_to_do_is_said() -> None:
    text = page(tasks=(), decisions=(), steps=())
    assert "Nothing stands out that needs doing." in text
    assert 'data-decision="' not in text and "Save review" not in text


def test_it_loads_nothing_and_nobody_can_write_into_it() -> None:
    text = page(
        tasks=[Task(SCRIPT, SCRIPT, [SCRIPT])], decisions=[decision(6, title=SCRIPT, suggested=SCRIPT)]
    )
    assert SCRIPT not in text and "://" not in text
    assert "default-src 'none'" in text and "script-src 'sha256-" in text


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Any:
    """Opens the text of a page in a tab of its own; its complaints are kept."""

    def open_(text: str, width: int = 1200, scheme: str = "light") -> Any:
        (tmp_path / "audit.html").write_text(text, encoding="utf-8")
        context = browser.new_context(
            accept_downloads=True, viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
        )
        tab = context.new_page()
        tab.complaints = []
        tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
        tab.on("console", lambda said: tab.complaints.append(said.text) if said.type == "error" else None)
        tab.goto((tmp_path / "audit.html").as_uri())
        return tab

    return open_


def saved(tab: Any, folder: Path) -> pd.DataFrame:
    with tab.expect_download() as download:
        tab.click("#save")
    assert download.value.suggested_filename == "review.csv"
    download.value.save_as(folder / "review.csv")
    return pd.read_csv(folder / "review.csv", dtype=str, keep_default_na=False)


def decided(tab: Any) -> list[str]:
    return [
        next(
            (
                button.get_attribute("data-decision")
                for button in item.query_selector_all("[aria-pressed=true]")
            ),
            "",
        )
        for item in tab.query_selector_all(".decision")
    ]


@pytest.mark.slow
def test_what_is_decided_by_mouse_outlives_a_reload_and_is_read_by_correct(
    opened: Any, tmp_path: Path
) -> None:
    tab = opened(page())
    items = tab.query_selector_all(".decision")
    items[0].query_selector("[data-decision=keep]").click()
    items[1].query_selector("[data-decision=accept]").click()
    items[2].query_selector("[data-decision=remove]").click()
    items[3].query_selector("input").fill('soul, "deep"')
    items[5].query_selector("[data-decision=remove]").click()
    items[5].query_selector("input").fill("blues")  # another label takes the decision's place
    items[4].query_selector("input").fill("blues")
    items[4].query_selector("[data-decision=keep]").click()  # and the other way round
    items[6].query_selector("[data-decision=keep]").click()
    items[6].query_selector("[data-decision=keep]").click()  # taken off again
    assert items[0].query_selector("[data-decision=accept]") is None, "nothing is offered there"
    tab.wait_for_timeout(300)  # Chromium writes localStorage behind the page; a reload may overtake it
    tab.reload()
    assert "6 of 10 decided; kept in this browser" in tab.inner_text("#status")
    assert decided(tab) == ["keep", "accept", "remove", "", "keep", "", "", "", "", ""]
    table = saved(tab, tmp_path)
    assert tuple(table.columns) == COLUMNS and tuple(table["given"]) == GIVEN
    review = read_review(tmp_path / "review.csv", "ann", "2026-01-02T03:04:05Z")
    assert {one.track_id: (one.was, one.value) for one in review.corrections} == {
        "t1": (GIVEN[1], "jazz"),
        "t2": (GIVEN[2], ""),
        "t3": (GIVEN[3], 'soul, "deep"'),
        "t5": (GIVEN[5], "blues"),
    }
    assert (review.kept, review.undecided) == (2, 4)
    assert tab.complaints == []


@pytest.mark.slow
def test_the_keyboard_is_enough_and_opens_what_is_folded(opened: Any, tmp_path: Path) -> None:
    tone = data_uri(
        encode_mp3((0.1 * np.sin(np.arange(22_050) / 8)).astype(np.float32), 22_050), "audio/mpeg"
    )
    tab = opened(page(tone))
    for key in ("j", "1", "j", "2", "j", "3", "j", "4"):
        tab.keyboard.press(key)
    tab.keyboard.type("jukebox 3")  # letters that are keys elsewhere
    tab.keyboard.press("Enter")
    for key in "jjjjj1u2":  # the ninth is folded away, and has no suggestion
        tab.keyboard.press(key)
    tab.keyboard.press("j")
    tab.keyboard.press("2")
    assert decided(tab) == ["keep", "accept", "remove", "", "", "", "", "", "", "accept"]
    table = saved(tab, tmp_path)
    assert table["value"].tolist()[3] == "jukebox 3" and table["decision"].tolist()[3] == ""
    tab.focus(".decision")
    tab.keyboard.press("p")
    tab.wait_for_function("!document.querySelector('.decision audio').paused")
    assert tab.complaints == []


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_and_its_tables_scroll(opened: Any, width: int, scheme: str) -> None:
    tab = opened(page(), width, scheme)
    tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    scroll = tab.query_selector(".scroll")
    assert scroll.evaluate(
        "(one) => one.scrollWidth > one.clientWidth && getComputedStyle(one).overflowX === 'auto'"
    )
    last = scroll.query_selector("td:last-child")
    last.scroll_into_view_if_needed()
    right = last.evaluate("(one) => one.getBoundingClientRect().right")
    assert 0 < right <= width + 1, "the last column can be reached"
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(22, 24, 28)")
    assert min(tab.evaluate("[...document.querySelectorAll('button')].map((b) => b.offsetHeight)")) >= 44
