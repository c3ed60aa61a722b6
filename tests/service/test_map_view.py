"""The map in a real browser: what is drawn where, and what pressing, drawing, zooming and keys do."""

import io
from collections import Counter
from itertools import combinations, pairwise

import numpy as np
import pytest
from PIL import Image

import edited_index
from soundkin.embedding.library import Library

pytestmark = pytest.mark.slow

GRID = 40  # tracks in a row of the map
EDGE = 24  # pixels around it
LIGHT, DARK, INK = (0, 114, 178), (79, 163, 224), (28, 28, 30)
WATCH_CLOSENESS = """() => {
  const ground = document.querySelector(".map-ground");
  window.closeness = [];
  new MutationObserver(() => window.closeness.push(ground.dataset.closeness))
    .observe(ground, { attributeFilter: ["data-closeness"] });
}"""
NO_WEBGL = """
const getContext = HTMLCanvasElement.prototype.getContext;
HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
  return kind.startsWith("webgl") ? null : getContext.call(this, kind, ...more);
};
"""
WATCH_TITLES = """
const { clearRect, fillText } = CanvasRenderingContext2D.prototype;
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  window.titles = [];
  return clearRect.apply(this, box);
};
CanvasRenderingContext2D.prototype.fillText = function (text, left, middle) {
  window.titles.push([left, middle - 6, left + this.measureText(text).width, middle + 6]);
  return fillText.call(this, text, left, middle);
};
"""
LOSE_CONTEXT = """() => {
  window.graphics = document.querySelector("canvas").getContext("webgl2").getExtension("WEBGL_lose_context");
  window.graphics.loseContext();
}"""


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """A library whose map is a grid: 40 tracks in a row, 27 rows and a half."""
    library = Library(tmp_path_factory.mktemp("grids") / "library")
    numbers = range(edited_index.TRACKS)
    edited_index.build(library.index, numbers)
    library.catalog.touch()
    ids = zip(edited_index.ids_of(numbers), numbers, strict=True)
    places = [f"{track_id},{number % GRID},{number // GRID}" for track_id, number in ids]
    library.map_places.write_text("\n".join(["track_id,x,y", *places]) + "\n")
    return library.folder


class MapPage:
    """The map on a page, and where tracks are on it while all of it is seen."""

    def __init__(self, page, served, more=""):
        self.page, self.served = page, served
        page.goto(f"http://127.0.0.1:{served.port}/?view=map{more}")
        page.wait_for_selector(".map-ground[data-titles]")
        told = served.get("map", columns=["genre"]).json()
        self.ids, self.genres = told["track_id"], told["columns"]["genre"]
        places = np.array([told["x"], told["y"]]).T
        low, high = places.min(axis=0), places.max(axis=0)
        box = page.locator(".map-ground").bounding_box()
        size = np.array([box["width"], box["height"]])
        scale = min((size - 2 * EDGE) / (high - low))
        self.middle = np.array([box["x"], box["y"]]) + size / 2
        self.points = self.middle + (places - (low + high) / 2) * scale * [1, -1]

    def at(self, track_id):
        return self.points[self.ids.index(track_id)]

    def colour_at(self, point):
        self.page.mouse.move(0, 0)
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        across, down = (
            (np.array(point) * picture.width / self.page.viewport_size["width"]).round().astype(int)
        )
        return picture.getpixel((int(across), int(down)))

    def wait_for_colour(self, point, colour):
        """Until a place has a colour, or one that is a little translucent."""
        self.wait_until(lambda seen: np.abs(np.subtract(seen, colour)).max() < 50, point)

    def wait_until(self, holds, *points):
        """Until the colour of one of the places is right: a picture may be taken before a frame is shown."""
        for _ in range(100):
            seen = [self.colour_at(point) for point in points]
            if any(map(holds, seen)):
                return
            self.page.evaluate("() => new Promise(requestAnimationFrame)")
        raise AssertionError(f"{seen} at {points}")

    @property
    def said(self):
        return self.page.inner_text(".map-said")

    def press(self, *keys):
        self.page.locator(".map-ground").focus()
        for key in keys:
            self.page.keyboard.press(key)

    def draw(self, *points):
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=3)
        self.page.mouse.up()


@pytest.fixture
def map_of(page, serve_library):
    return lambda folder, more="": MapPage(page, serve_library(folder), more)


def shifted(point, across, down):
    return point[0] + across, point[1] + down


def waited(page, what, told):
    page.wait_for_function(f"told => {what} === told", arg=told)


def test_each_track_is_drawn_in_its_place_in_the_colour_of_its_genre(map_of, grid):
    shown = map_of(grid)
    first = min(filter(None, shown.genres))  # of genres as common as each other, the first in the alphabet
    for row in [row for row, genre in enumerate(shown.genres) if genre == first][:220:40]:
        shown.wait_for_colour(shown.points[row], LIGHT)
    between = (shown.points[0] + shown.points[GRID + 1]) / 2
    shown.wait_until(lambda seen: min(seen) > 235, between)


def test_the_legend_counts_and_follows_the_column(map_of, grid):
    shown = map_of(grid)
    legend = shown.page.locator(".map-legend button")
    genres = Counter(genre.split(";")[0] if genre else "not known" for genre in shown.genres)
    told = dict(text.rsplit("\n", 1) for text in legend.all_inner_texts())
    assert told == {name: str(count) for name, count in genres.items()}
    assert shown.page.input_value(".map-bar select") == "genre"
    shown.page.select_option(".map-bar select", "artist")
    shown.page.wait_for_selector("[aria-label='Colours: artist']")
    names = [text.split("\n")[0] for text in legend.all_inner_texts()]
    assert len(names) == 8 and names[-1] == "33 others" and names[0].startswith("Artist ")
    shown.page.select_option(".map-bar select", "year")
    shown.page.wait_for_selector(".map-legend .bar")
    assert shown.page.inner_text(".map-legend .ends").split() == ["1950", "1985", "2019"]
    assert "not known" in shown.page.inner_text(".map-legend")
    shown.page.reload()
    shown.page.wait_for_selector(".map-legend .bar")


def test_a_group_that_is_pressed_makes_the_others_step_back(map_of, grid):
    shown = map_of(grid)
    first = min(set(filter(None, shown.genres)))
    own, other = shown.genres.index(first, 300), shown.genres.index("pop; rock", 300)
    shown.wait_until(lambda seen: max(seen) - min(seen) > 60, shown.points[other])
    shown.page.click(f".map-legend button:has-text('{first}')")
    shown.page.wait_for_selector(".map-legend button[aria-pressed=true]")
    shown.wait_for_colour(shown.points[other], (232, 233, 235))
    shown.wait_for_colour(shown.points[own], LIGHT)


def test_a_click_plays_the_track_that_is_there(page, asked):
    shown = MapPage(page, asked)
    for track_id in shown.ids[3:5]:
        page.mouse.click(*shown.at(track_id))
        page.wait_for_function("id => new URLSearchParams(location.search).get('like') === id", arg=track_id)
        page.wait_for_selector("#rows:not([aria-busy])")
        source = f"encodeURIComponent({track_id!r})"
        page.wait_for_function(f"() => document.getElementById('audio').currentSrc.includes({source})")
        title = asked.get("tracks", track_id).json()["title"]
        assert shown.said.startswith(f"Chosen: {title}")


def test_its_name_shows_where_the_pointer_is(map_of, grid):
    shown = map_of(grid)
    shown.page.mouse.move(*shown.at("track-00503"))
    shown.page.wait_for_selector(".map-name:has-text('Title 503')")
    assert shown.page.inner_text(".map-name").split("\n") == ["Title 503", "Artist 23"]
    shown.page.mouse.move(0, 0)
    shown.page.wait_for_selector(".map-name", state="hidden")


def test_what_is_drawn_around_goes_into_the_playlist(map_of, grid):
    shown = map_of(grid)
    shown.page.click("[data-act=lasso]")
    step = shown.points[1][0] - shown.points[0][0]
    left, low = shifted(shown.at("track-00085"), -step / 2, step / 2)
    right, top = shifted(shown.at("track-00209"), step / 2, -step / 2)
    shown.draw((left, low), (right, low), (right, top), (left, top))
    inside = [
        track_id
        for track_id, (across, down) in zip(shown.ids, shown.points, strict=True)
        if left < across < right and top < down < low
    ]
    assert len(inside) == 5 * 4
    shown.page.wait_for_selector("#playlist-rows > li >> nth=19")
    rows = "rows => rows.map(row => row.dataset.id)"
    assert sorted(shown.page.eval_on_selector_all("#playlist-rows > li", rows)) == sorted(inside)
    assert shown.page.get_attribute("[data-act=lasso]", "aria-pressed") == "false"


def test_a_lasso_is_drawn_by_keys_too(map_of, grid):
    shown = map_of(grid)
    shown.page.click("[data-act=lasso]")
    shown.press("ArrowRight", "Space", "ArrowRight", "Space", "ArrowUp", "Space", "Space")
    assert "left out: 2 tracks" in shown.said
    shown.press("Enter")
    shown.page.wait_for_selector("#playlist-rows > li >> nth=1")
    assert shown.page.locator("#playlist-rows > li").count() == 2


def test_a_line_from_track_to_track_is_the_path_that_the_server_finds(map_of, grid):
    shown = map_of(grid)
    start, end = "track-00126", "track-00900"
    shown.page.click("[data-act=path]")
    shown.draw(shown.at(start), shown.middle, shown.at(end))
    found = [track["track_id"] for track in shown.served.get("paths", start=start, end=end).json()["tracks"]]
    shown.page.wait_for_function(
        "ids => ids.join() === [...document.querySelectorAll('#rows > li')].map(li => li.dataset.id).join()",
        arg=found,
    )
    shown.press("0")
    shown.page.wait_for_selector(".map-ground[data-closeness='1.00']")
    shown.wait_for_colour(shifted(shown.at(found[3]), 6, 0), INK)
    for one, other in pairwise(map(shown.at, found)):
        line = [one + (other - one) * share for share in np.linspace(0.3, 0.7, 9)]
        shown.wait_until(lambda seen: max(seen) < 80, *line)


def test_two_picks_make_a_path(map_of, grid):
    shown = map_of(grid)
    shown.page.click("[data-act=path]")
    shown.page.mouse.click(*shown.at("track-00126"))
    assert shown.said.startswith("From Title 126")
    shown.page.mouse.click(*shown.at("track-00900"))
    shown.page.wait_for_function("() => location.search.includes('from=track-00126&to=track-00900')")


def test_arrow_keys_go_from_track_to_track(map_of, grid):
    shown = map_of(grid)
    shown.press("ArrowRight")
    number = int(shown.said.split(",")[0].removeprefix("Title "))
    assert np.abs(shown.points[number] - shown.middle).max() < 20
    for key, step in {"ArrowRight": 1, "ArrowUp": GRID, "ArrowLeft": -1, "ArrowDown": -GRID}.items():
        shown.press(key)
        number += step
        assert shown.said == f"Title {number}, by Artist {number % edited_index.ARTISTS}."
    shown.press("Enter")
    waited(shown.page, "new URLSearchParams(location.search).get('like')", f"track-{number:05}")
    assert shown.page.get_attribute(".map-ground", "aria-label") == "Map of 1,100 tracks"


def test_titles_show_from_near_and_never_over_each_other(map_of, page, grid):
    page.add_init_script(WATCH_TITLES)
    shown = map_of(grid)
    assert page.get_attribute(".map-ground", "data-titles") == "0"
    shown.press(*"+++++")
    page.wait_for_selector(".map-ground[data-closeness='10.49']")
    page.wait_for_function("() => Number(document.querySelector('.map-ground').dataset.titles) > 5")
    titles = page.evaluate("window.titles")
    assert len(titles) == int(page.get_attribute(".map-ground", "data-titles"))
    for one, other in combinations(titles, 2):
        assert one[0] > other[2] or other[0] > one[2] or one[1] > other[3] or other[1] > one[3]
    shown.press("0")
    page.wait_for_selector(".map-ground[data-titles='0']")


def test_the_wheel_zooms_where_the_pointer_is(map_of, grid):
    shown = map_of(grid)
    point = shown.at("track-00126")
    shown.page.mouse.move(*point)
    for _ in range(5):
        shown.page.mouse.wheel(0, -200)
    shown.page.wait_for_selector(".map-ground[data-closeness='9.03']")
    shown.page.mouse.click(*point)
    shown.page.wait_for_function("() => location.search.includes('like=track-00126')")


def test_dragging_moves_the_map(map_of, grid):
    shown = map_of(grid)
    shown.press("+", "+")
    shown.page.wait_for_selector(".map-ground[data-closeness='2.56']")
    shown.draw(shown.middle, shifted(shown.middle, 90, 40))
    near = (shown.at("track-00578") - shown.middle) * 2.56 + shown.middle
    shown.page.mouse.move(*shifted(near, 90, 40))
    shown.page.wait_for_selector(".map-name:has-text('Title 578')")


@pytest.mark.parametrize(("motion", "most"), [("reduce", 2), ("no-preference", 100)])
def test_those_who_want_no_motion_get_none(browser, serve_library, grid, motion, most):
    context = browser.new_context(viewport={"width": 1200, "height": 800}, reduced_motion=motion)
    shown = MapPage(context.new_page(), serve_library(grid))
    shown.page.evaluate(WATCH_CLOSENESS)
    shown.press("+")
    shown.page.wait_for_selector(".map-ground[data-closeness='1.60']")
    steps = set(shown.page.evaluate("window.closeness")) | {"1.00"}
    context.close()
    assert (len(steps) == 2) == (most == 2)


def test_two_fingers_zoom_on_a_phone_of_fine_pixels_in_the_dark(browser, serve_library, grid):
    context = browser.new_context(
        viewport={"width": 400, "height": 800}, device_scale_factor=3, has_touch=True, color_scheme="dark"
    )
    page = context.new_page()
    shown = MapPage(page, serve_library(grid))
    first = min(set(filter(None, shown.genres)))
    shown.wait_for_colour(shown.points[shown.genres.index(first, 500)], DARK)
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    width = page.locator(".map-ground").bounding_box()["width"]
    assert page.eval_on_selector("canvas", "canvas => canvas.width") == pytest.approx(2 * width, abs=2)
    fingers = context.new_cdp_session(page)

    def touch(kind, *gaps):
        points = [
            {"x": shown.middle[0] + gap, "y": shown.middle[1], "id": id_} for id_, gap in enumerate(gaps)
        ]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", -30, 30)
    touch("touchMove", -60, 60)
    touch("touchMove", -90, 90)
    touch("touchEnd")
    page.wait_for_function(
        "() => Math.abs(Number(document.querySelector('.map-ground').dataset.closeness) - 3) < 0.1"
    )
    assert "like=" not in page.url
    context.close()


def test_graphics_that_go_come_back(map_of, grid):
    shown = map_of(grid)
    first = min(set(filter(None, shown.genres)))
    point = shown.points[shown.genres.index(first, 500)]
    shown.wait_for_colour(point, LIGHT)
    shown.page.evaluate(LOSE_CONTEXT)
    shown.page.wait_for_selector(".map-note:has-text('graphics')")
    shown.page.evaluate("window.graphics.restoreContext()")
    shown.page.wait_for_selector(".map-note", state="hidden")
    shown.wait_for_colour(point, LIGHT)


def test_without_webgl_it_says_so(page, serve_library, grid):
    page.add_init_script(NO_WEBGL)
    page.goto(f"http://127.0.0.1:{serve_library(grid).port}/?view=map")
    page.wait_for_selector(".map-note:has-text('WebGL 2')")
    page.wait_for_selector("#rows > li")


def test_a_library_without_a_map_says_what_to_do(page, serve_library, tmp_path):
    folder = tmp_path / "library"
    edited_index.build(folder / "index", range(3))
    served = serve_library(folder)
    page.goto(f"http://127.0.0.1:{served.port}/?view=map")
    page.wait_for_selector(".map-note:has-text('soundkin sync')")
    (folder / "catalog.csv").touch()
    (folder / "map.csv").write_text("track_id,x,y\ngone,1,1\n")
    page.click(".map-note button")
    page.wait_for_selector(".map-note:has-text('No track of this library is on its map')")
    (folder / "map.csv").write_text("track_id,x,y\ntrack-00002,1,1\n")
    page.click(".map-note button")
    page.wait_for_selector(".map-said:has-text('1 track on the map')")
    page.locator(".map-ground").focus()
    page.keyboard.press("ArrowUp")
    page.wait_for_selector(".map-said:has-text('Title 2')")


def test_a_link_to_a_path_shows_it_on_the_map(map_of, grid):
    shown = map_of(grid, "&from=track-00126&to=track-00900")
    shown.page.wait_for_selector("#rows > li")
    shown.press("0")
    shown.page.wait_for_selector(".map-ground[data-closeness='1.00']")
    shown.wait_for_colour(shifted(shown.at("track-00126"), 6, 0), INK)
