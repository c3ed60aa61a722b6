"""`soundkin explore album` on indexes of a few tracks: selections, pictures, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sounding_index import make_sounding_index

from arc_index import arc, make_index
from soundkin.cli.main import main
from soundkin.errors import MissingExtraError, UsageError
from soundkin.extras import EXTRAS
from soundkin.pipelines.explore_album import explore_album


@pytest.mark.slow
def test_a_selection_is_shown_in_the_order_of_its_playlist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_index(tmp_path, arc(12), ["Ann"] * 8 + ["Bob"] * 4)
    playlist, picture = tmp_path / "list.txt", tmp_path / "album.png"
    playlist.write_text("07\n02\n11\n05\n")
    words = [str(tmp_path / "index"), f"playlist:{playlist}", "--where", "artist=Ann", "-o", str(picture)]
    with pytest.raises(SystemExit, match="0"):
        main(["explore", "album", *words, "--json"])
    assert json.loads(capsys.readouterr().out)["tracks"] == ["Title 07", "Title 02", "Title 05"]
    assert Image.open(picture).size == Image.open(tmp_path / "album-dark.png").size


def test_two_tracks_are_drawn_and_a_where_alone_selects(tmp_path: Path) -> None:
    index = make_index(tmp_path, arc(6), ["Ann"] * 2 + ["Bob"] * 4)
    shape = explore_album(index, where=["artist=Ann"], output=tmp_path / "two.svg")
    assert shape.names == ["Title 00", "Title 01"] and (tmp_path / "two.svg").exists()


def test_what_has_no_shape_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = make_index(tmp_path, arc(6), ["Ann"] + ["Bob"] * 5)
    monkeypatch.setattr("soundkin.pipelines.explore_album.MOST_TRACKS", 4)
    for seeds, where, said in (
        ((), (), "which tracks"),
        (("artist:Ann",), (), "takes two indexed tracks, not 1"),
        (("artist:Bob",), (), "5 tracks, and 4 is the most"),
        (("artist:Bop",), (), "Did you mean Bob"),
    ):
        with pytest.raises(UsageError, match=said):
            explore_album(index, seeds, where)
    with pytest.raises(UsageError, match=r"ends in .html, .png or .svg"):
        explore_album(index, ("artist:Bob",), output=tmp_path / "x.gif")


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_plays_what_is_clicked(tmp_path: Path, browser: Any, scheme: str) -> None:
    vectors = arc(12)
    vectors[5] = -vectors[5]
    vectors += np.random.default_rng(0).normal(0, 0.02, vectors.shape)
    index = make_sounding_index(tmp_path, vectors, ["<b>Ann"] * 12, silent=1)
    output = tmp_path / "album.html"
    shape = explore_album(index, where=["artist=<b>Ann"], output=output)
    assert set(shape.jarring_transitions) == {4, 5}
    context = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme=scheme, offline=True)
    page, problems = context.new_page(), []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto(output.as_uri())
    playing = "!document.getElementById('player').paused"
    now = page.locator("#now")

    page.get_by_role("button", name="Title 04 to Title 05").click()
    page.wait_for_function(playing)
    page.wait_for_function("document.getElementById('player').duration > 9.5")  # five seconds of each
    page.locator("#matrix").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert now.inner_text() == "Title 00, by <b>Ann, then Title 02, by <b>Ann"
    first = page.evaluate("document.getElementById('player').src")
    page.evaluate("document.getElementById('player').dispatchEvent(new Event('ended'))")
    page.wait_for_function("(first) => document.getElementById('player').src !== first", arg=first)
    page.get_by_role("button", name="by likeness").click()
    place = shape.by_group.tolist().index(5)
    box = page.locator("#matrix").bounding_box()
    at = 22 + (place + 0.5) * (box["width"] - 22) / 12
    page.locator("#matrix").hover(position={"x": at, "y": at})
    assert page.locator("#pointed").inner_text() == "Title 05, by <b>Ann"
    page.locator("#way").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert now.inner_text() == "Title 00, by <b>Ann"
    assert page.get_by_role("button", name="Title 11, by").is_disabled()
    assert "no sound: " in page.locator("#tracks + ol li").last.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    assert not problems
    context.close()


def test_of_many_tracks_some_are_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = make_sounding_index(tmp_path, arc(4), ["Ann"] * 4)
    monkeypatch.setattr("soundkin.pipelines.track_sounds.MOST_PLAYED", 2)
    output = tmp_path / "album.html"
    explore_album(index, where=["artist=Ann"], output=output)
    assert output.read_text().count("data:audio/mpeg") == 2


def test_the_plane_is_chosen_and_too_few_tracks_are_scaled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    index = make_index(tmp_path, arc(14), ["Ann"] * 10 + ["Bob"] * 4)
    assert explore_album(index, where=["artist=Ann"], plane="tsne").plane == "tsne"
    assert explore_album(index, where=["artist=Bob"], plane="tsne").plane == "scaling"
    assert "4 tracks are too few for --plane tsne" in caplog.text


def test_umap_without_its_extra_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = make_index(tmp_path, arc(12), ["Ann"] * 12)
    monkeypatch.setitem(EXTRAS, "umap", ("nowhere_to_be_found",))
    with pytest.raises(MissingExtraError, match=r"pip install 'soundkin\[umap\]'"):
        explore_album(index, where=["artist=Ann"], plane="umap")
