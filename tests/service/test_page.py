"""The page in a real browser, on a real library with real audio: found, heard, steered, explained."""

from urllib.parse import unquote

import pytest
from opened_page import answers, line, open_page, settle, shown, track_ids

pytestmark = pytest.mark.slow


def focus(page):
    """The id of the line that has the focus, and which of its buttons."""
    return page.evaluate(
        "() => [document.activeElement.closest('[data-id]')?.dataset.id,"
        " document.activeElement.dataset.act || document.activeElement.id]"
    )


def wait_for_sound(page, track_id):
    page.wait_for_function(
        "path => window.heard.some(([heard]) => heard === path)"
        " && document.getElementById('audio').currentTime > 0.2",
        arg=f"/tracks/{track_id}/audio",
    )


def test_type_click_and_play(page, asked):
    track = asked.get("tracks", limit=9).json()["tracks"][8]
    open_page(page, asked)
    assert "32 tracks" in page.inner_text("#asked-more") and len(shown(page)) == 12
    page.fill("#words", track["title"])
    page.wait_for_selector("#found:has-text('track')")
    page.click(f"{line(track['track_id'])} .open")
    page.wait_for_selector("#asked:has-text('Sounds like')")
    settle(page)
    assert track["title"] in page.inner_text("#asked") and page.input_value("#words") == ""
    assert shown(page) == answers(asked, [track["track_id"]])
    second = shown(page)[1]
    page.click(f"{line(second)} .play")
    wait_for_sound(page, second)
    page.wait_for_selector(f"{line(second)}.sounding")
    page.wait_for_selector("#player-place .wave path >> nth=0", state="attached")
    page.click("#player-toggle")
    page.wait_for_function("() => document.getElementById('audio').paused")
    page.wait_for_selector(f"{line(second)}:not(.sounding)")


def test_the_list_plays_on(page, asked):
    open_page(page, asked, like=track_ids(asked, 1))
    first, second = shown(page)[:2]
    page.click(f"{line(first)} .play")
    wait_for_sound(page, first)
    page.eval_on_selector("#audio", "audio => { audio.currentTime = audio.duration - 0.2; }")
    page.wait_for_selector(f"{line(second)}.sounding")
    page.click("#player-previous")
    page.wait_for_selector(f"{line(first)}.sounding")


def test_more_and_less_steer_and_each_can_be_taken_back(page, asked):
    [seed] = track_ids(asked, 1)
    open_page(page, asked, like=[seed])
    before = shown(page)
    assert before == answers(asked, [seed])
    more, less = before[5], before[0]
    page.click(f"{line(more)} [data-act=more]")
    page.wait_for_selector(f'#seeds .like[data-id="{more}"]')
    settle(page)
    assert shown(page) == answers(asked, [seed, more]) != before
    assert page.locator("#rows .moved").count() > 0
    page.click(f"{line(less)} [data-act=less]")
    page.wait_for_selector(f'#seeds .unlike[data-id="{less}"]')
    settle(page)
    steered = shown(page)
    assert steered == answers(asked, [seed, more], [less]) and less not in steered
    page.click(f'#seeds [data-id="{more}"] .weight')
    page.wait_for_selector(f'#seeds [data-id="{more}"] .weight:has-text("×2")')
    assert f"like=2*{more}" in unquote(page.url)
    page.click(f'#seeds [data-id="{less}"] .remove')
    page.wait_for_selector(f'#seeds:not(:has([data-id="{less}"]))')
    page.click(f'#seeds [data-id="{more}"] .remove')
    page.wait_for_selector(f'#seeds:not(:has([data-id="{more}"]))')
    settle(page)
    assert shown(page) == before
    page.go_back()
    page.wait_for_selector(f'#seeds [data-id="{more}"]')


def test_why_plays_both_moments_one_after_the_other(page, asked):
    [seed] = track_ids(asked, 1)
    open_page(page, asked, like=[seed])
    answer = shown(page)[0]
    moment = asked.get("tracks", seed, "why", answer).json()["moment"]
    page.click(f"{line(answer)} [data-act=why]")
    page.wait_for_selector(".why .side:nth-child(2) .wave svg >> nth=0")
    assert f"why={answer}" in unquote(page.url)
    page.click(".why button:has-text('Play both')")
    page.wait_for_selector(".why .side:nth-child(1).sounding")
    page.wait_for_selector(".why .side:nth-child(2).sounding")
    page.wait_for_selector(".why:not(:has(.sounding))")
    page.wait_for_selector(".why button:has-text('Play both')")
    heard = page.evaluate("window.heard")
    assert [path for path, _ in heard] == [f"/tracks/{each}/audio" for each in (seed, answer)]
    for (_, seconds), start in zip(heard, ("here_seconds", "there_seconds"), strict=True):
        assert moment[start] - 0.01 <= seconds < moment[start] + 0.5
    stopped = page.eval_on_selector("#audio", "audio => audio.currentTime")
    end = min(moment["there_seconds"] + moment["seconds"], 4.0)
    assert end - 0.1 <= stopped < end + 0.5
    page.click(f"{line(answer)} [data-act=why]")
    assert page.locator(".why").count() == 0 and "why=" not in page.url


def test_a_link_opens_what_it_was_made_of(page, asked):
    ids = track_ids(asked, 4)
    why = answers(asked, ids[:2], ids[3:4])[2]
    open_page(page, asked, like=[ids[0], f"2*{ids[1]}"], unlike=[ids[3]], why=why)
    page.wait_for_selector(f"{line(why)} .side")
    page.wait_for_selector(f'#seeds [data-id="{ids[1]}"] .weight:has-text("×2")')
    titles = {track["track_id"]: track["title"] for track in asked.get("tracks").json()["tracks"]}
    assert [page.inner_text(f"#seeds li:nth-child({n}) .open") for n in (1, 2, 3)] == [
        titles[each] for each in (ids[0], ids[1], ids[3])
    ]
    before = shown(page), page.url
    page.reload()
    page.wait_for_selector(f"{line(why)} .side")
    assert (shown(page), page.url) == before


def test_the_way_between_two_tracks(page, asked):
    start, end = track_ids(asked, 6)[::5]
    open_page(page, asked, like=[start, end])
    page.click("#query-actions button:has-text('The way between')")
    page.wait_for_selector("#asked:has-text('On the way')")
    settle(page)
    way = asked.get("paths", start=start, end=end, length=10).json()["tracks"]
    assert shown(page) == [track["track_id"] for track in way]
    assert f"from={start}&to={end}" in unquote(page.url)
    page.click("#query-actions button:has-text('Into the playlist')")
    assert shown(page, "#playlist-rows") == shown(page)


def test_all_by_keyboard(page, asked):
    track = asked.get("tracks", limit=3).json()["tracks"][2]
    open_page(page, asked)
    page.keyboard.press("/")
    page.keyboard.type(track["title"])
    page.wait_for_selector("#found:has-text('track')")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.matches('#rows .open')")
    while focus(page)[0] != track["track_id"]:
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("#asked:has-text('Sounds like')")
    settle(page)
    assert focus(page)[1] == "asked"
    before = shown(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert focus(page) == [before[1], "open"]
    page.keyboard.press("k")
    page.keyboard.press("Space")
    wait_for_sound(page, before[0])
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("n")
    wait_for_sound(page, before[1])
    page.keyboard.press("a")
    assert shown(page, "#playlist-rows") == [before[0]]
    page.keyboard.press("w")
    page.wait_for_selector(f"{line(before[0])} .side")
    page.keyboard.press("m")
    page.wait_for_selector(f'#seeds [data-id="{before[0]}"]')
    settle(page)
    assert focus(page) == [shown(page)[0], "open"], "where the line was"
    page.keyboard.press("l")
    page.wait_for_selector("#seeds .unlike")
    settle(page)
    page.focus("#seeds .unlike .remove")
    page.keyboard.press("Enter")
    page.wait_for_selector("#seeds:not(:has(.unlike))")
    settle(page)
    assert focus(page)[1] == "asked"
    page.keyboard.press("?")
    page.wait_for_selector("#help[open]")
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    page.wait_for_selector("#help", state="hidden")


def test_single_letters_can_be_switched_off(page, asked):
    open_page(page, asked)
    page.click("#open-help")
    page.uncheck("#letters")
    page.click("#help button")
    page.reload()
    page.wait_for_selector("#rows > li")
    page.keyboard.press("j")
    assert focus(page)[0] is None
    page.keyboard.press("ArrowDown")
    assert focus(page)[0] == shown(page)[0]


def test_more_answers_and_more_that_are_found(page, asked):
    open_page(page, asked, like=track_ids(asked, 1))
    page.click("#further")
    page.wait_for_selector("#rows > li:nth-child(30)")
    assert shown(page) == answers(asked, track_ids(asked, 1), k=40)
    page.fill("#words", asked.get("tracks").json()["tracks"][0]["artist"].split()[0][0])
    page.wait_for_selector("#asked:has-text('Search')")


def test_nothing_leaves_the_server_and_nothing_is_missing(page, asked):
    said = []
    page.context.on("request", lambda request: said.append(request.url))
    page.on("response", lambda response: said.append(response.url) if response.status >= 400 else None)
    [seed] = track_ids(asked, 1)
    open_page(page, asked, like=[seed])
    page.click("#rows > li:nth-child(1) .play")
    wait_for_sound(page, shown(page)[0])
    home = f"http://127.0.0.1:{asked.port}/"
    assert len(said) > 15 and {url for url in said if not url.startswith((home, "blob:"))} == set()


def test_lines_do_not_move_for_those_who_want_no_motion(browser, asked):
    for reduced, moves in (("reduce", False), ("no-preference", True)):
        context = browser.new_context(reduced_motion=reduced)
        page = context.new_page()
        open_page(page, asked, like=track_ids(asked, 1))
        page.evaluate("() => { Element.prototype.animate = () => { window.moved = true; }; }")
        page.click("#rows > li:nth-child(4) [data-act=more]")
        page.wait_for_selector("#rows .moved")
        settle(page)
        assert bool(page.evaluate("window.moved")) == moves
        context.close()
