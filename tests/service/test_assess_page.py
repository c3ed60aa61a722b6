"""The page in a real browser: what a person hears, presses and sees, and what is in the files afterwards."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundkin.assess.answer_files import CHECK_COLUMNS, COLUMNS
from soundkin.assess.assessment import Assessment

pytestmark = pytest.mark.slow

WATCH = """
window.seen = [];
document.addEventListener("DOMContentLoaded", () => {
  new MutationObserver(() => {
    const players = [...document.querySelectorAll("audio")];
    window.seen.push(players.map((player) => player.readyState));
  }).observe(document.getElementById("question"), { attributeFilter: ["data-question"] });
});
"""


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def truth(assessment: Assessment, name: str) -> str:
    """The side that is right; left where nobody knows."""
    asked = assessment._sessions.annotators[name].queue[0]
    return "right" if asked.gold and asked.right == asked.closer else "left"


def asked(page: Any) -> str:
    page.wait_for_selector("#question:not([hidden])")
    return str(page.get_attribute("#question", "data-question"))


def next_question(page: Any, last: str) -> None:
    page.wait_for_function("last => document.getElementById('question').dataset.question !== last", arg=last)


def start(page: Any, address: str, name: str) -> None:
    page.goto(address)
    page.fill("#annotator", name)
    page.keyboard.press("Enter")


def listen_by_keyboard(page: Any) -> None:
    for place in ("anchor", "left", "right"):
        page.keyboard.press("Space")
        page.wait_for_selector(f".clip.done[data-place={place}]")
        page.keyboard.press("Space")


def listen_by_mouse(page: Any) -> None:
    for place in ("right", "anchor", "left"):
        page.click(f".clip[data-place={place}] .play")
        page.wait_for_selector(f".clip.done[data-place={place}]")


def answer_by_mouse(page: Any, side: str) -> None:
    last = asked(page)
    listen_by_mouse(page)
    page.click(f"button[data-choice={side}]")
    next_question(page, last)


def test_all_the_way_by_keyboard_and_by_mouse(
    page: Any, opened: Callable[..., Assessment], serve: Any, tmp_path: Path
) -> None:
    assessment = opened()
    page.add_init_script(WATCH)
    start(page, serve(assessment).address, "anna")

    page.wait_for_selector("#between:not([hidden])")
    assert "examples" in page.inner_text("#between-title")
    page.keyboard.press("Enter")
    for number in range(2):  # the tutorial, by keyboard
        asked(page)
        assert f"{number + 1} of 2" in page.inner_text("#count")
        right = truth(assessment, "anna")
        wrong_this_time = number == 1
        page.keyboard.press("b")
        assert "Listen first to this one, A, B" in page.inner_text("#status")
        listen_by_keyboard(page)
        page.keyboard.press("ArrowLeft" if (right == "left") != wrong_this_time else "ArrowRight")
        page.wait_for_selector("#feedback:not([hidden])")
        said = page.inner_text("#feedback")
        assert (
            ("Most people would say" in said) == wrong_this_time
            and ("Yes, " in said) != wrong_this_time
            and "same recording" in said
        )
        page.keyboard.press("Enter")

    page.wait_for_selector("#between:not([hidden])")
    assert "test" in page.inner_text("#between-title")
    page.click("#go-on")
    for _ in range(3):  # the qualifier, by mouse
        last = asked(page)
        right = truth(assessment, "anna")
        listen_by_mouse(page)
        page.click(f"button[data-choice={right}]")
        page.wait_for_function(
            "last => document.getElementById('question').hidden"
            " || document.getElementById('question').dataset.question !== last",
            arg=last,
        )
    page.wait_for_selector("#between:not([hidden])")
    assert "count" in page.inner_text("#between-title")
    page.keyboard.press("Enter")
    for number in range(6):
        last = asked(page)
        if number == 2:
            page.keyboard.press("s")
        else:
            right = truth(assessment, "anna")
            (listen_by_keyboard if number % 2 else listen_by_mouse)(page)
            page.keyboard.press({"left": "a", "right": "b"}[right])
        next_question(page, last)

    main, checks = rows(tmp_path / "triplets.csv"), rows(tmp_path / "triplets.checks.csv")
    assert tuple(main[0]) == COLUMNS and tuple(checks[0]) == CHECK_COLUMNS
    kinds = [row["kind"] for row in checks]
    assert kinds.count("tutorial") == 2 and kinds.count("qualifier") == 3 and kinds.count("gold") == 2
    assert [row["right"] for row in checks if row["kind"] == "tutorial"] == ["1", "0"]
    assert len(main) + kinds.count("skipped") == 4 and len(main) >= 3
    for row in main:
        assert len({row["anchor_id"], row["closer_id"], row["farther_id"]}) == 3
        assert row["annotator_id"] == "anna" and row["session_id"] and float(row["timestamp"]) > 1.6e9
        assert 0.9 <= float(row["seconds_taken"]) < 60, "three times 0.3 s were heard"

    states = page.evaluate("window.seen")
    assert len(states) >= 11 and all(state == 4 for three in states for state in three), (
        "loaded before it showed"
    )
    assert "Secret" not in page.content() and "track-" not in page.content()


def test_audio_plays_one_at_a_time_and_the_next_is_there_before_the_answer(
    page: Any, opened: Callable[..., Assessment], serve: Any
) -> None:
    assessment = opened(tutorial=0, qualifier=0)
    fetched: list[str] = []
    page.on(
        "requestfinished", lambda request: fetched.append(request.url) if "/audio/" in request.url else None
    )
    start(page, serve(assessment).address, "ben")
    page.click("#go-on")
    asked(page)
    page.keyboard.press("2")
    page.wait_for_function("() => document.querySelectorAll('audio')[1].currentTime > 0.5")
    first = page.evaluate("document.querySelectorAll('audio')[1].currentTime")
    page.wait_for_timeout(300)
    assert page.evaluate("document.querySelectorAll('audio')[1].currentTime") > first
    page.keyboard.press("3")
    page.wait_for_function("() => document.querySelectorAll('audio')[2].currentTime > 0.1")
    assert page.evaluate("[...document.querySelectorAll('audio')].map((player) => player.paused)") == [
        True,
        True,
        False,
    ]
    page.keyboard.press("Space")
    assert page.evaluate("[...document.querySelectorAll('audio')].every((player) => player.paused)")
    following = assessment._sessions.annotators["ben"].queue[1]
    wanted = {assessment._clips.token(clip) for clip in following.clips}
    page.wait_for_timeout(300)
    assert wanted <= {url.split("/")[-1] for url in fetched}


def test_a_random_clicker_is_stopped_and_leaves_nothing_to_learn_from(
    page: Any, opened: Callable[..., Assessment], serve: Any, tmp_path: Path
) -> None:
    assessment = opened(tutorial=0, qualifier=0, gold_every=2, listen_seconds=0.05)
    start(page, serve(assessment).address, "carl")
    page.click("#go-on")
    random = np.random.default_rng(4)
    for _ in range(60):
        last = asked(page)
        listen_by_keyboard(page)
        page.keyboard.press("ArrowLeft" if random.random() < 0.5 else "ArrowRight")
        page.wait_for_function(
            "last => !document.getElementById('end').hidden"
            " || document.getElementById('question').dataset.question !== last",
            arg=last,
        )
        if page.is_visible("#end"):
            break
    assert "We stop here" in page.inner_text("#end-title")
    assert rows(tmp_path / "triplets.csv") == []
    assert "suspended" in {row["kind"] for row in rows(tmp_path / "triplets.checks.csv")}
    page.reload()
    page.wait_for_selector("#end:not([hidden])")
    page.click("#end .leave")
    page.fill("#annotator", "somebody else")
    page.keyboard.press("Enter")
    page.wait_for_selector("#between:not([hidden])")


def test_a_reload_and_a_restart_of_the_server_go_on_with_the_same_question(
    page: Any, opened: Callable[..., Assessment], serve: Any, tmp_path: Path
) -> None:
    served = serve(opened(tutorial=0, qualifier=0))
    start(page, served.address, "dora")
    page.click("#go-on")
    for _ in range(3):
        answer_by_mouse(page, "left")
    last = asked(page)
    page.reload()
    assert asked(page) == last and page.is_hidden("#welcome")
    listen_by_mouse(page)
    served.stop()
    page.click("button[data-choice=left]")
    page.wait_for_selector("#problem:not([hidden])")
    assert "cannot be reached" in page.inner_text("#problem")
    serve(opened(tutorial=0, qualifier=0), served.port)
    page.click("#retry")
    next_question(page, last)
    page.wait_for_selector("#question:not([hidden])")
    answer_by_mouse(page, "right")
    saved = [*rows(tmp_path / "triplets.csv"), *rows(tmp_path / "triplets.checks.csv")]
    assert len(saved) == 5 and {row["annotator_id"] for row in saved} == {"dora"}


def test_what_a_screen_reader_and_a_narrow_screen_get(
    page: Any, opened: Callable[..., Assessment], serve: Any
) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    start(page, serve(opened(tutorial=0, qualifier=0)).address, "eve")
    page.click("#go-on")
    asked(page)
    assert page.evaluate("document.activeElement.id") == "asking"
    for name in ("Play this one", "Play A", "Play B", "I can't tell"):
        assert page.get_by_role("button", name=name).count() == 1
    choices = page.locator(".clip .choose")
    assert [choices.nth(place).get_attribute("aria-disabled") for place in (0, 1)] == ["true", "true"]
    listen_by_mouse(page)
    assert [choices.nth(place).get_attribute("aria-disabled") for place in (0, 1)] == ["false", "false"]
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    for button in page.locator("#question button:visible").all():
        box = button.bounding_box()
        assert box["height"] >= 44 and box["width"] >= 44
