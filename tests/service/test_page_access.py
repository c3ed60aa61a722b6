"""The page for everybody: axe-core looks at each of its states, light and dark, wide and narrow."""

import pytest
from opened_page import line, open_page, shown, track_ids

pytestmark = pytest.mark.slow
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")


def complaints(page):
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        (each["impact"], each["id"], [node["target"] for node in each["nodes"]][:3], each["nodes"][0]["any"])
        for each in found
        if each["impact"] in ("serious", "critical", "moderate")
    ]


@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1280])
def test_nothing_shuts_people_out(browser, asked, colours, width):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=colours, reduced_motion="reduce"
    )
    page = context.new_page()
    ids = track_ids(asked, 4)
    open_page(page, asked)
    assert complaints(page) == []
    open_page(page, asked, like=ids[:2], unlike=[ids[3]])
    first = shown(page)[0]
    for each in shown(page)[:3]:
        page.click(f"{line(each)} [data-act=add]")
    page.click(f"{line(first)} .play")
    page.click(f"{line(first)} [data-act=why]")
    page.wait_for_selector(".why .side")
    page.click(f"{line(shown(page)[5])} [data-act=more]")
    page.wait_for_selector("#rows .moved")
    page.click("#rows > li:nth-child(2) [data-act=why]")
    page.wait_for_selector(".why .side")
    assert complaints(page) == []
    page.goto(f"{page.url}&view=playlist")
    page.wait_for_selector("#playlist-rows > li", state="visible")
    assert complaints(page) == []
    page.click("#open-help")
    assert complaints(page) == []
    page.click("#help button")
    page.context.set_offline(True)
    page.fill("#words", "a")
    page.wait_for_selector("#problem:not([hidden])", state="attached")
    assert complaints(page) == []
    context.close()


@pytest.mark.parametrize(("colours", "width"), [("light", 1280), ("dark", 400)])
def test_nor_does_the_map(browser, asked, colours, width):
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=colours, reduced_motion="reduce"
    )  # else colours are looked at half-way from one to the next
    page = context.new_page()
    open_page(page, asked, like=track_ids(asked, 1), view="map", ready=".map-ground[data-titles]")
    page.locator(".map-ground").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".map-name:not([hidden])")
    assert complaints(page) == []
    page.select_option(".map-bar select", "duration")
    page.wait_for_selector(".map-legend .bar")
    page.click("[data-act=lasso]")
    assert complaints(page) == []
    page.route("**/map?**", lambda route: route.fulfill(status=404, json={"detail": "there is no map."}))
    page.select_option(".map-bar select", "artist")
    page.wait_for_selector(".map-note:has-text('There is no map.')")
    assert complaints(page) == []
    context.close()


def test_where_the_focus_goes_in_order(page, asked):
    open_page(page, asked, like=track_ids(asked, 1))
    passed = []
    for _ in range(9):
        page.keyboard.press("Tab")
        passed.append(
            page.evaluate(
                "() => document.activeElement.id || document.activeElement.dataset.act"
                " || document.activeElement.dataset.view || document.activeElement.className"
            )
        )
    assert passed == ["skip", "home", "words", "tracks", "map", "open-help", "play", "open", "remove-seed"]
