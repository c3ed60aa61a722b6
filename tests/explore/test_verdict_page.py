"""The judge page as text, and in a real browser that clicks, types, reloads and saves."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from soundkin.catalog.table import Catalog
from soundkin.catalog.verdicts import latest_verdicts, read_verdicts
from soundkin.explore.page_template import TrackCard
from soundkin.explore.snippets import data_uri, encode_mp3
from soundkin.explore.verdict_page import Candidate, JudgedQuery, JudgePage, Opinion, render_judge_page

SCRIPT = "<script>alert('x')</script>"
IDS = ('a "quoted", one', "b\nline", "c", "день", "e", "f")
TRACKS = Catalog(pd.DataFrame({"track_id": IDS, "path": "x.ogg"}), Path())


def candidate(track_id: str, audio: str | None = None, title: str = "Night Train") -> Candidate:
    card = TrackCard(
        title, "Ann", "jazz", audio=audio, silence="" if audio else "no sound: gone", shared=["genre"]
    )
    moment = "its 1:02 is most like the query's 0:17"
    return Candidate(track_id, card, [Opinion("ours", 1, 0.876, moment), Opinion("other", None, 0.1)])


def page(audio: str | None = None, verdicts: tuple[dict[str, str], ...] = (), **changes: object) -> str:
    card = TrackCard("Day Bus", "Bob", "jazz", audio=audio, silence="" if audio else "no sound: gone")
    queries = [
        JudgedQuery(IDS[0], card, [candidate(IDS[1], audio), candidate(IDS[2], audio)]),
        JudgedQuery(IDS[3], card, [candidate(IDS[4], audio), candidate(IDS[5], audio)]),
    ]
    everything = {
        "title": "Judge by ear: test",
        "collection": "0123",
        "systems": ["ours", "other"],
        "nearest": 5,
        "queries": queries,
        "verdicts": verdicts,
        "command": "soundkin evaluate model catalog.csv --verdicts verdicts.csv",
    }
    return render_judge_page(JudgePage(**everything | changes))  # type: ignore[arg-type]


def row(
    query: str, neighbour: str, verdict: str, annotator: str = "", timestamp: str = "1700000000"
) -> dict[str, str]:
    return {
        "query_id": query,
        "neighbour_id": neighbour,
        "verdict": verdict,
        "annotator_id": annotator,
        "timestamp": timestamp,
    }


def test_all_that_a_judge_may_ask_is_there() -> None:
    text = page()
    for words in (
        "1 of 2: Day Bus by Bob",
        "Night Train by Ann",
        "same genre",
        "ours: rank 1, similarity 0.876",
    ):
        assert words in text
    for words in ("its 1:02 is most like", "other: not among the 5 nearest", "no sound: gone", "--verdicts"):
        assert words in text


def test_it_loads_nothing_and_runs_no_script_but_its_own() -> None:
    text = page()
    assert "://" not in text
    assert "default-src 'none'" in text and "script-src 'sha256-" in text
    assert "script-src 'unsafe-inline'" not in text


@pytest.mark.parametrize("place", ["title", "track_id", "verdicts"])
def test_nobody_can_write_into_the_page(place: str) -> None:
    odd = candidate(
        SCRIPT if place == "track_id" else "c", title=SCRIPT if place == "title" else "Night Train"
    )
    queries = [JudgedQuery("d", TrackCard("Day Bus", "Bob", "jazz"), [odd])]
    given = (row("d", "c", "good", SCRIPT),) if place == "verdicts" else ()
    assert SCRIPT not in page(queries=queries, verdicts=given)


@pytest.fixture(scope="module")
def audio() -> str:
    tone = 0.1 * np.sin(np.arange(22_050, dtype=np.float32) / 8)
    return data_uri(encode_mp3(tone.astype(np.float32), 22_050), "audio/mpeg")


def opened(browser, folder: Path, text: str):  # type: ignore[no-untyped-def]
    """The page in a browser of its own, and whatever it complains of."""
    (folder / "judge.html").write_text(text, encoding="utf-8")
    tab = browser.new_context(accept_downloads=True).new_page()
    tab.complaints = []
    tab.on("pageerror", lambda error: tab.complaints.append(str(error)))
    tab.on("console", lambda said: tab.complaints.append(said.text) if said.type == "error" else None)
    tab.goto((folder / "judge.html").as_uri())
    return tab


def saved(tab, folder: Path) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """What the button saves, as the next evaluation reads it."""
    with tab.expect_download() as download:
        tab.click("#save")
    assert download.value.suggested_filename == "verdicts.csv"
    download.value.save_as(folder / "verdicts.csv")
    return read_verdicts(folder / "verdicts.csv", TRACKS)


def pressed(tab) -> list[str]:  # type: ignore[no-untyped-def]
    """The verdict that each candidate shows."""
    return [
        next((b.get_attribute("data-verdict") for b in item.query_selector_all("[aria-pressed=true]")), "")
        for item in tab.query_selector_all(".candidate")
    ]


def buttons(tab, verdict: str) -> list:  # type: ignore[no-untyped-def, type-arg]
    return tab.query_selector_all(f"[data-verdict={verdict}]")


@pytest.mark.slow
def test_marks_outlive_a_reload_and_are_read_by_the_next_evaluation(browser, tmp_path):
    tab = opened(browser, tmp_path, page())
    tab.fill("#annotator", 'Ann "the ear", jr.')
    buttons(tab, "good")[0].click()
    buttons(tab, "bad")[1].click()
    buttons(tab, "good")[3].click()
    buttons(tab, "bad")[3].click()  # a change of mind
    assert "3 of 4 judged" in tab.inner_text("#status")
    tab.wait_for_timeout(300)  # Chromium writes localStorage behind the page; a reload may overtake it
    tab.reload()
    assert pressed(tab) == ["good", "bad", "", "bad"]
    found = saved(tab, tmp_path)
    pairs = found[["query_id", "neighbour_id", "verdict"]].to_numpy().tolist()
    assert pairs == [[IDS[0], IDS[1], "good"], [IDS[0], IDS[2], "bad"], [IDS[3], IDS[5], "bad"]]
    assert set(found["annotator_id"]) == {'Ann "the ear", jr.'}
    assert found["timestamp"].between(1.7e9, 4e9).all()
    assert len(latest_verdicts(found)) == 3
    assert tab.complaints == []


@pytest.mark.slow
def test_a_mark_can_be_taken_off_for_good(browser, tmp_path):
    tab = opened(browser, tmp_path, page(verdicts=(row(IDS[0], IDS[1], "good"), row(IDS[0], IDS[2], "bad"))))
    assert pressed(tab)[:2] == ["good", "bad"]
    buttons(tab, "good")[0].click()
    tab.wait_for_timeout(300)  # Chromium writes localStorage behind the page; a reload may overtake it
    tab.reload()
    assert pressed(tab)[:2] == ["", "bad"]
    assert saved(tab, tmp_path)["neighbour_id"].tolist() == [IDS[2]]


@pytest.mark.slow
def test_the_keyboard_is_enough(browser, tmp_path, audio):
    tab = opened(browser, tmp_path, page(audio))
    for key in "jgjbjgujgkkk":
        tab.keyboard.press(key)
    assert pressed(tab) == ["good", "bad", "", "good"]
    tab.wait_for_function("document.querySelector('.candidate audio').readyState > 0")
    tab.keyboard.press("p")
    tab.wait_for_function("!document.querySelector('.candidate audio').paused")
    tab.keyboard.press("q")
    tab.wait_for_function("!document.querySelector('.query-player audio').paused")
    assert tab.evaluate("document.querySelector('.candidate audio').paused"), "one plays at a time"
    tab.focus("#annotator")
    tab.keyboard.type("bug")
    assert tab.input_value("#annotator") == "bug" and pressed(tab) == ["", "", "", ""], (
        "another person's page"
    )
    assert tab.complaints == []


@pytest.mark.slow
def test_what_was_judged_before_is_merged_and_the_last_word_counts(browser, tmp_path):
    before = (row(IDS[0], IDS[1], "good", timestamp="1700000000"), row("c", "e", "bad", "bob", ""))
    tab = opened(browser, tmp_path, page(verdicts=before))
    frame = pd.DataFrame([
        row(IDS[0], IDS[1], "bad", timestamp="1600000000"),  # older than what is known
        row(IDS[0], IDS[2], "bad", timestamp="1600000000"),
        row(IDS[0], IDS[1], "bad", "eve"),
    ])  # fmt: skip
    frame.to_csv(tmp_path / "more.csv", index=False)
    tab.set_input_files("#load", tmp_path / "more.csv")
    tab.wait_for_function("document.getElementById('status').textContent.includes('3 read from more.csv')")
    assert pressed(tab) == ["good", "bad", "", ""]
    buttons(tab, "good")[2].click()
    found = saved(tab, tmp_path).fillna({"annotator_id": ""})
    assert len(found) == 5 and {"bob", "eve", ""} == set(found["annotator_id"])
    verdicts = {
        tuple(key): verdict
        for *key, verdict in found[["query_id", "neighbour_id", "annotator_id", "verdict"]].to_numpy()
    }
    assert verdicts[IDS[0], IDS[1], ""] == "good" and verdicts[IDS[0], IDS[1], "eve"] == "bad"
    assert verdicts["c", "e", "bob"] == "bad" and verdicts[IDS[3], IDS[4], ""] == "good"


@pytest.mark.slow
def test_a_file_that_is_none_changes_nothing(browser, tmp_path):
    tab = opened(browser, tmp_path, page())
    (tmp_path / "odd.csv").write_text("what\nis this\n")
    tab.set_input_files("#load", tmp_path / "odd.csv")
    tab.wait_for_function("document.getElementById('status').textContent.includes('holds no verdicts')")
    assert pressed(tab) == [""] * 4 and tab.complaints == []


@pytest.mark.slow
def test_a_browser_that_keeps_nothing_says_so(browser, tmp_path):
    (tmp_path / "judge.html").write_text(page(), encoding="utf-8")
    tab = browser.new_context().new_page()
    tab.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('denied'); } })"
    )
    tab.goto((tmp_path / "judge.html").as_uri())
    buttons(tab, "good")[0].click()
    assert pressed(tab)[0] == "good"
    assert "keeps nothing: save before you leave" in tab.inner_text("#status")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 390])
def test_it_fits_a_wide_window_and_a_telephone(browser, tmp_path, audio, width):
    tab = opened(browser, tmp_path, page(audio))
    tab.set_viewport_size({"width": width, "height": 800})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    sizes = tab.evaluate(
        "[...document.querySelectorAll('button')].map((b) => b.getBoundingClientRect().height)"
    )
    assert min(sizes) >= 44, "a thumb can hit them"
