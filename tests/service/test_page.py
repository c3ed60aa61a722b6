"""The page in a real browser, on a real library with real audio: what a person types, hears, steers and keeps."""

from urllib.parse import unquote

import pytest

from served_library import ServedApp

pytestmark = pytest.mark.slow

HEAR = """
window.heard = [];
document.addEventListener("playing", ({ target }) => window.heard.push([target.currentSrc, target.currentTime]), true);
"""


def opened(page, served, address="/"):
    page.add_init_script(HEAR)
    page.goto(f"http://127.0.0.1:{served.port}{address}")
    page.wait_for_selector("#rows > li")
    return page


def shown(page, rows="#rows"):
    """Ids of the tracks in a list."""
    return page.eval_on_selector_all(f"{rows} > li", "rows => rows.map(row => row.dataset.id)")


def first_tracks(served: ServedApp, count=4):
    return served.get("tracks", limit=count).json()["tracks"]


def like(track_id, served, k=20):
    answers = served.get("tracks", track_id, "similar", k=k).json()["answers"]
    return [answer["track_id"] for answer in answers]


def settle(page):
    page.wait_for_selector("#rows:not([aria-busy])")


def time_of(page):
    return page.eval_on_selector("#audio", "audio => audio.currentTime")


def test_type_click_and_play(page, asked):
    track = first_tracks(asked, 9)[8]
    opened(page, asked)
    assert "32 tracks" in page.inner_text("#asked-more")
    page.fill("#words", track["title"])
    page.wait_for_selector(f'#rows > li[data-id="{track["track_id"]}"]')
    page.wait_for_selector("#found:has-text('track')")
    page.click(f'#rows > li[data-id="{track["track_id"]}"] .open')
    page.wait_for_selector("#asked:has-text('Sounds like')")
    settle(page)
    assert track["title"] in page.inner_text("#asked") and page.input_value("#words") == ""
    assert shown(page) == like(track["track_id"], asked)
    page.click("#rows > li:nth-child(2) .play")
    second = shown(page)[1]
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.3")
    assert f"/tracks/{second}/audio" in unquote(page.evaluate("document.getElementById('audio').currentSrc"))
    page.wait_for_selector("#rows > li:nth-child(2).sounding")
    page.click("#player-toggle")
    page.wait_for_function("() => document.getElementById('audio').paused")


def test_the_list_plays_on(page, asked):
    opened(page, asked, f"/?like={first_tracks(asked)[0]['track_id']}")
    page.click("#rows > li:nth-child(1) .play")
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0")
    page.eval_on_selector("#audio", "audio => { audio.currentTime = audio.duration - 0.2; }")
    page.wait_for_selector("#rows > li:nth-child(2).sounding")
    page.click("#player-previous")
    page.wait_for_selector("#rows > li:nth-child(1).sounding")
