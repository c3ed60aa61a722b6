"""`soundkin explore compare` on indexes of a few tracks: sides, pictures, and what is refused."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sounding_index import make_sounding_index

from arc_index import arc, make_index
from soundkin.cli.main import main
from soundkin.errors import UsageError
from soundkin.pipelines.explore_compare import explore_compare


@pytest.mark.slow
def test_two_artists_are_told_apart_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_index(tmp_path, arc(24), ["Ann"] * 12 + ["Bob"] * 12)
    picture = tmp_path / "two.png"
    words = ["artist:Ann", "artist:Bob", "-o", str(picture)]
    with pytest.raises(SystemExit, match="0"):
        main(["explore", "compare", str(tmp_path / "index"), *words])
    printed = capsys.readouterr().out
    assert "12 and 12 tracks): told apart" in printed and "chance gives" in printed
    assert "of artist:Ann most like artist:Bob: Title 11" in printed
    assert Image.open(picture).size == Image.open(tmp_path / "two-dark.png").size


def test_one_song_a_side_is_too_few_and_still_drawn(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(2), ["Ann", "Bob"])
    found = explore_compare(index, "artist:Ann", "artist:Bob", tmp_path / "two.svg")
    assert found.separability is None and "too few" in found.finding
    assert (tmp_path / "two.svg").exists()


@pytest.mark.slow
def test_what_differs_in_sound_is_heard_and_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    index = make_sounding_index(tmp_path, arc(20), ["Ann"] * 10 + ["Bob"] * 10, silent=1)
    sound = explore_compare(index, "artist:Ann", "artist:Bob").sound
    assert sound is not None and sound.tracks == (10, 9) and sound.left_out == 1
    found = {each.quality: each for each in sound.differences}
    assert found["loudness"].is_found and found["loudness"].verdict("Bob") == "Bob is louder"
    assert found["loudness"].medians[1] - found["loudness"].medians[0] == pytest.approx(20, abs=3)
    assert not found["brightness"].is_found
    assert explore_compare(index, "artist:Ann", "artist:Bob", without_sound=True).sound is None


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(4), ["Ann", "Ann", "Bob", "Bob"])
    with pytest.raises(UsageError, match="lacks"):
        explore_compare(index, "artist:Ann", "artist:Ann")
    with pytest.raises(UsageError, match="Did you mean Ann"):
        explore_compare(index, "artist:Anne", "artist:Bob")
    with pytest.raises(UsageError, match=r"ends in .html, .png or .svg"):
        explore_compare(index, "artist:Ann", "artist:Bob", tmp_path / "two.gif")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_says_what_differs_and_plays(tmp_path: Path, browser: Any, scheme: str) -> None:
    index = make_sounding_index(tmp_path, arc(20), ["<b>Ann"] * 10 + ["Bob"] * 10, silent=1)
    output = tmp_path / "two.html"
    explore_compare(index, "artist:<b>Ann", "artist:Bob", output)
    context = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme=scheme, offline=True)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(output.as_uri())
    assert page.locator("h1").inner_text() == "artist:<b>Ann and artist:Bob"
    loudness, brightness = (page.locator(".effects li", has_text=name) for name in ("loudness", "brightness"))
    assert "artist:Bob is louder" in loudness.inner_text() and loudness.locator(".at").inner_text() == "▲"
    assert "no clear difference" in brightness.inner_text()
    assert brightness.locator(".at").inner_text() in "○△"
    assert "1 left out whose audio cannot be read" in page.locator("#differs + p").inner_text()
    page.get_by_role("button", name="Title 09, by <b>Ann").click()
    assert page.locator("#now").inner_text() == "Title 09, by <b>Ann, then Title 10, by Bob"
    page.wait_for_function("!document.getElementById('player').paused")
    page.locator("#plane").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator("#near").inner_text() == "Title 00, by <b>Ann (artist:<b>Ann)"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    assert "Title 19, by Bob: no sound: " in page.locator("#now").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert not problems
    context.close()


def test_a_page_without_sound_reads_none(tmp_path: Path) -> None:
    index = make_sounding_index(tmp_path, arc(4), ["Ann"] * 2 + ["Bob"] * 2)
    output = tmp_path / "two.html"
    explore_compare(index, "artist:Ann", "artist:Bob", output, without_sound=True)
    text = output.read_text()
    assert "data:audio" not in text and "What differs in sound" not in text
