"""The page of a library: what it says, what a reader can do with it, and what it must not let in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soundkin.explore.library_page import heard_rows, render_library_page
from soundkin.explore.library_shape import LibraryShape, library_shape
from soundkin.explore.page_template import TrackCard

SILENCE = "data:audio/wav;base64,UklGRiQAAABXQVZFZm10IBAAAAABAAEAESsAACJWAAACABAAZGF0YQAAAAA="


def shape_of(tracks: int = 60, name: str = "Title") -> LibraryShape:
    """Jazz (even rows, of 1990 to 1999) and rock (of 2010 to 2019), and a few plays."""
    vectors = np.eye(2, 16)[np.arange(tracks) % 2]
    vectors += 0.1 * np.random.default_rng(0).normal(size=vectors.shape)
    rows = np.arange(tracks)
    genres = [("rock",) if row % 2 else ("jazz",) for row in rows]
    years = np.where(rows % 2, 2010, 1990) + rows % 10 - rows % 2.0
    years[::9] = np.nan
    names = [f"{name} {row}" for row in rows]
    return library_shape(
        "lib", [str(row) for row in rows], names, vectors, vectors[:, :2], {"genre": genres}, years,
        (rows < 5).astype(float),
    )  # fmt: skip


def page(found: LibraryShape, audio: str | None = SILENCE) -> str:
    card = TrackCard("A title", "", "", audio, "" if audio else "no sound: there is no file")
    return render_library_page(found, dict.fromkeys(heard_rows(found), card))


def test_names_are_escaped_and_nothing_is_loaded() -> None:
    text = page(shape_of(name="<script>x</script> & " + "so very long " * 40))
    assert "<script>x" not in text and "http" not in text.replace("http-equiv", "")
    assert "2 clusters, the largest (50%)" in text and "jazz 100% (elsewhere 0%)" in text


@pytest.mark.parametrize("tracks", [1, 2, 5])
def test_few_tracks_and_no_sound(tracks: int) -> None:
    text = page(shape_of(tracks), audio=None)
    assert "no clear clusters" in text and "no sound: there is no file" in text and "<audio" not in text


def test_dots_are_coloured_by_values_and_ringed_ones_play(browser: Any, tmp_path: Path) -> None:
    path, found = tmp_path / "library.html", shape_of()
    path.write_text(page(found), "utf-8")
    tab = browser.new_page(viewport={"width": 400, "height": 800})
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(str(error)))
    tab.goto(path.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") == 400
    tab.select_option("#view", label="plays")
    assert tab.text_content("#said") == "60 tracks; plays from 0 (dark) to 1 (bright)"
    tab.select_option("#view", label="cluster")
    tab.click("[data-group='1']")
    assert tab.text_content("#said") == "30 of 60 tracks"
    tab.click("[data-group='1']")
    tab.evaluate(
        "window.played = null; HTMLMediaElement.prototype.play = async function () { played = this }"
    )
    row = found.parts[0].centre
    x, y, *_ = tab.evaluate("JSON.parse(document.getElementById('dots').textContent)")[row]
    box = tab.locator("#map").bounding_box()
    place = {"x": 12 + x * (box["width"] - 24), "y": 12 + (1 - y) * (box["height"] - 24)}
    tab.click("#map", position=place)
    assert tab.text_content("#said") == f"Title {row}, in {found.title_of(0)}"
    assert tab.evaluate("Number(played.closest('[data-dot]').dataset.dot)") == row and problems == []
    tab.close()


def test_bars_of_years_add_up_to_the_tracks_that_have_one() -> None:
    found = shape_of()
    text = page(found)
    counts = [int(part.split(" of ")[0].rpartition(" ")[2]) for part in text.split("<title>")[2:]]
    assert sum(counts) == np.isfinite(found.years).sum()
    assert "years: 1990 to " in text and "rock grew most" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_shuts_people_out(browser: Any, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    path = tmp_path / "library.html"
    path.write_text(page(shape_of()), "utf-8")
    tab = browser.new_page(color_scheme=scheme, bypass_csp=True)
    tab.goto(path.as_uri())
    found = axe.Axe().run(tab, options={"resultTypes": ["violations"]}).response["violations"]
    tab.close()
    assert [each["id"] for each in found] == []
