"""The page where things go wrong: it says what, and what to do."""

import pyarrow as pa
import pytest
from opened_page import line, open_page, settle, shown, track_ids

import edited_index
from served_library import ServedApp
from soundkin.search.edits import remove_tracks
from soundkin.search.vector_index import build_index
from soundkin.service.problems import BusyError
from soundkin.service.workload import Workload

pytestmark = pytest.mark.slow
TOKEN = "correct-horse-battery"
ODD = {
    "plain": "Plain",
    "markup": "<img src=x onerror=alert(1)><b>bold</b>",
    "arabic": "ليالي الصيف في القاهرة",
    "japanese": "夜の電車",
    "long": "Concerto for " + "Donaudampfschifffahrtsgesellschaft" * 8,
    "a/b ?#%&+2*x^2": "An odd id",
    "untitled": "",
}


@pytest.fixture(scope="module")
def index_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("silent") / "index"
    edited_index.build(folder, range(30))
    return folder


@pytest.fixture(scope="module")
def odd_index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd") / "index"
    numbers, ids = range(len(ODD)), list(ODD)
    table = edited_index.table_of(numbers).to_pydict() | {"track_id": ids, "title": list(ODD.values())}
    vectors = edited_index.sounds_of(numbers)
    build_index(edited_index.embeddings_of(ids, vectors), pa.table(table), folder, folder, "exact")
    return folder


def test_a_server_that_has_gone_and_comes_back(page, library):
    served = ServedApp(library)
    try:
        open_page(page, served)
        [track] = shown(page)[:1]
    finally:
        served.stop()
    page.click(f"{line(track)} .open")
    page.wait_for_selector("#problem:has-text('does not answer')")
    assert "soundkin serve" in page.inner_text("#problem")


def test_try_again_goes_on(page, asked, monkeypatch):
    open_page(page, asked)
    page.context.set_offline(True)
    page.fill("#words", "a")
    page.wait_for_selector("#problem:has-text('does not answer')")
    page.context.set_offline(False)
    page.click("#problem button")
    page.wait_for_selector("#found:has-text('track')")
    assert page.is_hidden("#problem")


def test_a_busy_server_is_asked_again(page, asked, monkeypatch):
    open_page(page, asked)
    run, refused = Workload.run, []

    async def busy_at_first(self, work):
        if not refused:
            refused.append(1)
            raise BusyError("too many requests wait for an answer.")
        return await run(self, work)

    monkeypatch.setattr(Workload, "run", busy_at_first)
    page.fill("#words", "a")
    page.wait_for_selector("#said:has-text('busy')", state="attached")
    page.wait_for_selector("#found:has-text('track')")
    assert refused and page.is_hidden("#problem")


def test_the_token_is_asked_for_by_the_browser(browser, serve_library, library):
    served = serve_library(library, token=TOKEN)
    context = browser.new_context(http_credentials={"username": "anna", "password": TOKEN})
    page = context.new_page()
    open_page(page, served)
    page.click("#rows > li:nth-child(1) .play")
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0")
    context.close()


def test_a_token_that_holds_no_more(page, asked):
    open_page(page, asked)
    page.route("**/tracks?*", lambda route: route.fulfill(status=401, json={"detail": "no"}))
    page.fill("#words", "a")
    page.wait_for_selector("#problem:has-text('token')")
    assert "Reload" in page.inner_text("#problem")


def test_a_track_that_is_gone(page, asked):
    open_page(page, asked, like=["no-such-track"], ready="#problem:not([hidden])")
    assert "no-such-track" in page.inner_text("#problem")
    [there] = track_ids(asked, 1)
    page.fill("#words", "a")
    page.wait_for_selector("#found:has-text('track')")
    assert page.is_hidden("#problem") and there


def test_audio_that_is_not_there(page, serve_library, index_folder):
    open_page(page, serve_library(index_folder))
    page.click("#rows > li:nth-child(1) .play")
    page.wait_for_selector("#notice:has-text('cannot be heard')")
    assert "sync" in page.inner_text("#notice")


def test_why_without_audio(page, serve_library, index_folder):
    open_page(page, serve_library(index_folder), like=["track-00001"])
    page.click("#rows > li:nth-child(1) [data-act=why]")
    page.wait_for_selector(".why > p:not([role=status])")


def test_an_empty_library(page, serve_library, tmp_path):
    edited_index.build(tmp_path / "index", range(3))
    remove_tracks(tmp_path / "index", edited_index.ids_of(range(3)))
    open_page(page, serve_library(tmp_path / "index"), ready="#asked-more:has-text('no track yet')")
    assert "soundkin sync" in page.inner_text("#asked-more") and page.is_hidden("#further")


def test_words_that_are_nowhere(page, asked):
    open_page(page, asked)
    page.fill("#words", "xylophonographically")
    page.wait_for_selector("#found:has-text('Try fewer')")
    assert shown(page) == []


def test_titles_in_any_script_are_text(page, serve_library, odd_index):
    served = serve_library(odd_index)
    open_page(page, served)
    assert page.locator("#rows img, #rows b").count() == 0
    names = page.eval_on_selector_all("#rows .open", "links => links.map(link => link.textContent)")
    assert sorted(names) == sorted(title or track_id for track_id, title in ODD.items())
    odd_id = "a/b ?#%&+2*x^2"
    page.click("#rows .open:has-text('An odd id')")
    page.wait_for_selector("#asked:has-text('Sounds like An odd id')")
    settle(page)
    assert len(shown(page)) == len(ODD) - 1
    page.reload()
    page.wait_for_selector("#asked:has-text('Sounds like An odd id')")
    page.click("#rows .open:has-text('القاهرة')")
    page.wait_for_selector("#asked:has-text('القاهرة')")
    settle(page)
    assert odd_id in shown(page)
    for width in (400, 1280):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
