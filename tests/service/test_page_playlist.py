"""The playlist of the page: built, put into another order, made longer, kept and saved."""

import json

import pytest
from opened_page import line, open_page, shown, track_ids

from soundkin.catalog.playlist_files import read_entries
from soundkin.pipelines.seeds import resolve_seeds
from soundkin.search.vector_index import open_index

pytestmark = pytest.mark.slow
LIST = "#playlist-rows"


def added(page, served, count=4):
    """The page with a playlist of the first answers."""
    open_page(page, served, like=track_ids(served, 1))
    ids = shown(page)[:count]
    for each in ids:
        page.click(f"{line(each)} [data-act=add]")
    page.wait_for_selector(f"{LIST} > li:nth-child({count})")
    assert shown(page, LIST) == ids
    return ids


def saved(page, kind, tmp_path):
    with page.expect_download() as download:
        page.click(f"[data-list={kind}]")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    return file


def test_tracks_go_in_and_out_and_back(page, asked):
    ids = added(page, asked, 3)
    assert page.inner_text("#playlist-sum") == "3 tracks, 0:12"
    page.click(f"{line(ids[1])} [data-act=add][aria-pressed=true]")
    assert shown(page, LIST) == [ids[0], ids[2]]
    page.click("#notice button:has-text('Undo')")
    assert shown(page, LIST) == ids
    page.click(f"{line(ids[0], LIST)} [data-act=drop]")
    assert shown(page, LIST) == ids[1:]
    page.click("[data-list=clear]")
    assert shown(page, LIST) == [] and page.is_visible("#playlist-empty")
    page.click("#notice button:has-text('Undo')")
    assert shown(page, LIST) == ids[1:]


def test_another_order_by_mouse(page, asked):
    ids = added(page, asked)
    grip = page.locator(f"{line(ids[0], LIST)} [data-act=grip]").bounding_box()
    end = page.locator(line(ids[2], LIST)).bounding_box()
    page.mouse.move(grip["x"] + 10, grip["y"] + 10)
    page.mouse.down()
    page.mouse.move(grip["x"] + 10, end["y"] + end["height"] * 0.5, steps=8)
    page.mouse.move(grip["x"] + 10, end["y"] + end["height"] * 0.9, steps=3)
    page.mouse.up()
    wanted = [ids[1], ids[2], ids[0], ids[3]]
    assert shown(page, LIST) == wanted
    page.reload()
    page.wait_for_selector(f"{LIST} > li")
    assert shown(page, LIST) == wanted


def test_another_order_by_keys(page, asked):
    ids = added(page, asked)
    page.focus(f"{line(ids[0], LIST)} [data-act=grip]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert shown(page, LIST) == [ids[1], ids[2], ids[0], ids[3]]
    page.wait_for_selector("#said:has-text('is 3 of 4')", state="attached")
    page.keyboard.press("ArrowUp")
    assert shown(page, LIST) == [ids[1], ids[0], ids[2], ids[3]]
    page.focus(f"{line(ids[3], LIST)} .open")
    page.keyboard.press("Alt+ArrowUp")
    assert shown(page, LIST) == [ids[1], ids[0], ids[3], ids[2]]
    for _ in range(5):
        page.keyboard.press("Alt+ArrowUp")
    assert shown(page, LIST)[0] == ids[3]


def test_more_of_these(page, asked):
    ids = added(page, asked, 2)
    page.click("[data-list=more]")
    page.wait_for_selector(f"{LIST} > li:nth-child(12)")
    longer = shown(page, LIST)
    like = [{"name": each, "kind": "track"} for each in ids]
    more = asked.post("/playlists", {"like": like, "length": 10}).json()["tracks"]
    assert longer == [*ids, *(track["track_id"] for track in more)]
    page.click("#notice button:has-text('Undo')")
    assert shown(page, LIST) == ids


def test_it_is_heard_in_its_order(page, asked):
    ids = added(page, asked, 2)
    page.click("[data-list=play]")
    page.wait_for_selector(f"{line(ids[0], LIST)}.sounding")
    page.click("#player-next")
    page.wait_for_selector(f"{line(ids[1], LIST)}.sounding")
    assert page.is_disabled("#player-next")


@pytest.mark.parametrize("kind", ["m3u8", "jspf"])
def test_what_is_saved_names_the_same_tracks(page, asked, library, tmp_path, kind):
    ids = added(page, asked, 3)
    page.fill("#playlist-name", 'Rain: "live" / ночь')
    page.keyboard.press("Tab")
    file = saved(page, kind, tmp_path)
    assert file.name == f"Rain live ночь.{kind}"
    known = {track["track_id"]: track for track in asked.get("tracks", limit=32).json()["tracks"]}
    entries = read_entries(file)
    assert [(each.title, each.artist) for each in entries] == [
        (known[each]["title"], known[each]["artist"]) for each in ids
    ]
    for entry in entries:
        answer = asked.ask("GET", entry.location.removeprefix(f"http://127.0.0.1:{asked.port}"))
        assert answer.status == 200 and answer.type.startswith("audio/")
    index = open_index(library / "index")
    [seed] = resolve_seeds(index, [f"playlist:{file}"])
    assert [index.tracks.label(row).track_id for row in seed.rows] == ids
    text = file.read_text(encoding="utf-8")
    assert 'Rain: "live" / ночь' in (json.loads(text)["playlist"]["title"] if kind == "jspf" else text)


def test_reload_and_other_tabs_have_it(page, asked):
    ids = added(page, asked, 3)
    page.fill("#playlist-name", "Evening")
    page.keyboard.press("Tab")
    page.reload()
    page.wait_for_selector(f"{LIST} > li")
    assert shown(page, LIST) == ids and page.input_value("#playlist-name") == "Evening"
    other = page.context.new_page()
    open_page(other, asked)
    assert shown(other, LIST) == ids
    other.click(f"{line(ids[0], LIST)} [data-act=drop]")
    page.wait_for_selector(f"{LIST}:not(:has(li:nth-child(3)))")
    assert shown(page, LIST) == ids[1:]


def test_what_was_heard_is_there_after_a_reload(page, asked):
    ids = added(page, asked, 2)
    page.click(f"{line(ids[1])} .play")
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.3")
    name = page.inner_text("#player-name")
    page.reload()
    page.wait_for_selector("#player-name")
    assert page.inner_text("#player-name") == name
    page.wait_for_function("() => document.getElementById('audio').currentTime > 0.2")
    assert page.evaluate("document.getElementById('audio').paused")


def test_tracks_that_have_gone_are_told_apart_and_not_saved(page, asked, tmp_path):
    [there] = track_ids(asked, 1)
    open_page(page, asked)
    tracks = [{"id": each, "name": each, "artist": "", "seconds": 4} for each in (there, "gone")]
    page.evaluate(
        "kept => localStorage.setItem('soundkin-playlist', kept)",
        json.dumps({"name": "Old", "tracks": tracks}),
    )
    page.reload()
    page.wait_for_selector(f'{line("gone", LIST)}.gone:has-text("no longer")')
    assert len(read_entries(saved(page, "m3u8", tmp_path))) == 1
