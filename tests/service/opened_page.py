"""What tests of the page share: it is opened, looked at and waited for."""

from urllib.parse import urlencode

WATCH = """
window.heard = [];
document.addEventListener("playing", ({ target }) => {
  window.heard.push([decodeURIComponent(new URL(target.currentSrc).pathname), target.currentTime]);
}, true);
"""


def open_page(page, served, like=(), unlike=(), ready="#rows > li", **parameters):
    """The page at an address of these parameters, with the tracks in it."""
    pairs = [*(("like", each) for each in like), *(("unlike", each) for each in unlike), *parameters.items()]
    page.add_init_script(WATCH)
    page.goto(f"http://127.0.0.1:{served.port}/" + (f"?{urlencode(pairs)}" if pairs else ""))
    page.wait_for_selector(ready)
    settle(page)
    return page


def settle(page):
    """Wait until the tracks are those that are asked for."""
    page.wait_for_selector("#rows:not([aria-busy])", state="attached")


def shown(page, rows="#rows"):
    """The ids of the tracks in a list."""
    return page.eval_on_selector_all(f"{rows} > li", "rows => rows.map(row => row.dataset.id)")


def line(track_id, rows="#rows"):
    return f'{rows} > li[data-id="{track_id}"]'


def track_ids(served, count=4):
    return [track["track_id"] for track in served.get("tracks", limit=count).json()["tracks"]]


def answers(served, like, unlike=(), k=20):
    seeds = [[{"name": name, "kind": "track"} for name in names] for names in (like, unlike)]
    asked = served.post("/query", {"like": seeds[0], "unlike": seeds[1], "k": k})
    return [answer["track_id"] for answer in asked.json()["answers"]]
