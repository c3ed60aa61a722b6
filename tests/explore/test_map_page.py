"""The page with a dot a track: what it says, and what a reader can do with it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundkin.explore.map_page import render_map_page


def page(names: list[str]) -> str:
    points = np.random.default_rng(0).normal(size=(len(names), 2))
    return render_map_page("3 tracks", points, names, ["Jazz", None, "Jazz"], "genre")


def test_names_are_escaped_and_nothing_is_loaded() -> None:
    text = page(["<script>x</script>", "Öl & Co", 'say "hi"'])
    assert "<script>x" not in text and "http" not in text.replace("http-equiv", "")
    assert "Jazz (2)" in text and "unknown (1)" in text


def test_dots_are_found_by_typing_and_pointing(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "map.html"
    path.write_text(page(["Sinnerman, by Nina", "Roygbiv, by Boards", "Feeling Good, by Nina"]), "utf-8")
    tab = browser.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(path.as_uri())
    assert tab.text_content("#said") == "3 tracks"
    tab.fill("#find", "nina")
    assert tab.text_content("#said") == "2 of 3 tracks"
    tab.fill("#find", "")
    tab.click("[data-group='1']")
    assert tab.text_content("#said") == "1 of 3 tracks"
    box = tab.locator("#map").bounding_box()
    lone = render_map_page("one", np.zeros((1, 2)), ["Alone"], [None], "genre")
    path.write_text(lone, "utf-8")
    tab.reload()
    tab.mouse.move(box["x"] + 12, box["y"] + box["height"] - 12)  # where the only dot is
    assert tab.text_content("#said") == "Alone" and problems == []
    tab.close()


@pytest.mark.parametrize("count", [1, 2])
def test_few_dots(count: int) -> None:
    text = render_map_page("few", np.zeros((count, 2)), ["a"] * count, [None] * count, "genre")
    assert f"unknown ({count})" in text
