import base64
import hashlib
import io
import itertools
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from PIL import Image

from soundkin.evaluation.evaluation_report import Row
from soundkin.evaluation.hubness import Hubness
from soundkin.explore.page_template import PageSection, Step, TrackCard, render_page
from soundkin.explore.snippets import data_uri
from soundkin.pipelines.report import Picture
from soundkin.statistics.bootstrap import Interval

SCRIPT = "<script>alert('x')</script>"
SYSTEMS = ("model", "MFCC", "chance")


class Page(HTMLParser):
    """Every start tag with its attributes, and all text."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def interval(system, mean, low=None, high=None):
    return Interval(system=system, mean=mean, low=low, high=high)


def row(filtered_by="artist", trained=True):
    scores = (
        interval("model", 0.7, 0.6, 0.8),
        interval("MFCC", 0.4, 0.3, 0.5),
        interval("chance", 0.1, 0.09, 0.11),
    )
    gains = interval("MFCC", 0.3, 0.2, 0.4), interval("chance", 0.6, 0.5, 0.7)
    return Row(
        protocol="retrieval",
        label="genre",
        metric="mAP@10",
        filtered_by=filtered_by,
        trained=trained,
        items=72,
        groups=18,
        scores=scores,
        gains=gains,
    )


def report(rows=None, verdict="what was learnt: genre mAP@10 0.70", **changes):
    seed = TrackCard("Night Train", "Ann", "jazz", audio="data:audio/mpeg;base64,AAAA")
    near = TrackCard("Day Bus", "Bob", "jazz", silence="no sound: gone", similarity=0.876, shared=["genre"])
    rows = [row(), row(filtered_by=None)] if rows is None else rows
    evaluation = SimpleNamespace(
        verdict=verdict,
        size="72 tracks by 18 artists",
        systems=SYSTEMS,
        rows=rows,
        hubness=[Hubness(system="model", k=10, skewness=0.52, largest_hub=0.14, antihubs=0.03)],
        geometry=None,
        trained_labels=["genre"],
        skipped=(),
        notes=("Few artists.",),
        provenance={"split": "test", "soundkin": "1.0", "model_hash": "0123456789abcdef"},
    )
    everything = {
        "title": "soundkin report: demo",
        "evaluation": evaluation,
        "headline": "",
        "searched": 480,
        "main_rows": rows,
        "sections": [],
        "queries": [(seed, [near])],
        "chosen": False,
        "judged": True,
        "has_genres": True,
        "judge_page": "",
        "pictures": [Picture("data:image/png;base64,AAAA", "a map", "The map.")],
        "steps": [Step("Ask it.", "soundkin query index")],
    }
    return render_page("report.html.jinja", page=everything | changes)


def test_all_that_was_measured_is_on_the_page():
    text = Page(report()).text
    for words in ("what was learnt", "0.60 to 0.80", "+0.30", "over MFCC", "Day Bus", "0.876", "same genre"):
        assert words in text
    for words in (
        "no sound: gone",
        "soundkin query index",
        "Few artists.",
        "0.52",
        "picked by a hash",
        "Only ears",
    ):
        assert words in text
    assert "0.09" not in text, "chance is exact: it has no interval"


def test_it_loads_nothing_from_anywhere():
    page = Page(report())
    addresses = [
        value for _, found in page.tags for key, value in found.items() if key in ("src", "href", "action")
    ]
    assert addresses
    assert all(address.startswith(("data:", "#")) for address in addresses)
    assert "://" not in report()
    policy = next(found["content"] for found in page.all("meta") if "http-equiv" in found)
    assert policy.startswith("default-src 'none'")


def test_those_who_do_not_see_it_can_follow_it():
    page = Page(report())
    assert page.all("html")[0]["lang"] == "en"
    assert all(picture["alt"] for picture in page.all("img"))
    assert all("Night Train by Ann" in player["aria-label"] for player in page.all("audio"))
    assert all("scope" in cell for cell in page.all("th"))
    ids = {found["id"] for _, found in page.tags if "id" in found}
    assert {link["href"].removeprefix("#") for link in page.all("a")} <= ids
    headings = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(headings))


def test_only_main_measures_with_the_filter_on_are_drawn_as_bars():
    bars = [found for _, found in Page(report()).tags if found.get("class", "").startswith("bar")]
    assert len(bars) == len(SYSTEMS)


@pytest.mark.parametrize("field", ["title", "artist", "genre"])
def test_a_catalog_cannot_write_into_the_page(field):
    card = TrackCard(**{"title": "a", "artist": "b", "genre": "c", "audio": "data:,"} | {field: SCRIPT})
    assert SCRIPT not in report(queries=[(card, [card])])


def test_a_run_without_anything_is_still_a_page():
    empty = dict.fromkeys(("rows", "main_rows", "queries", "pictures", "steps"), ())
    page = Page(report(**empty))
    assert "Nothing could be scored" in page.text
    assert not page.all("audio")


ROWS = [
    {"system": "ours", "agreement": "0.71 [0.60, 0.80]", "found": "worse"},
    {"system": "MFCC", "agreement": "0.40 [0.30, 0.50]", "kept": "+3%"},
]


def test_any_section_is_shown_with_its_verdict_its_cells_and_its_notes():
    page = Page(report(sections=[PageSection("by hand", "nobody judged.", ROWS, ["Ears differ."])]))
    for words in ("By hand", "nobody judged.", "0.71", "[0.60, 0.80]", "worse", "+3%", "Ears differ."):
        assert words in page.text
    assert {"href": "#section-by-hand"} in page.all("a")
    assert any(found.get("id") == "section-by-hand" for _, found in page.tags)
    assert PageSection("a", "b", ROWS).columns == ["system", "agreement", "found", "kept"]
    assert PageSection("a", "b", ROWS).numeric == ["agreement", "kept"]


def test_a_section_without_rows_and_one_of_many_are_shown_too():
    assert (
        "nothing measured" in Page(report(sections=[PageSection("cold start", "nothing measured", [])])).text
    )
    many = Page(report(sections=[PageSection("fairness", "found", ROWS * 20)]))
    assert "The table: 40 rows" in many.text


def test_a_section_cannot_write_into_the_page():
    section = PageSection(SCRIPT, SCRIPT, [{SCRIPT: SCRIPT}], [SCRIPT])
    assert SCRIPT not in report(sections=[section])


def test_nobody_says_never_trained_on_where_nobody_knows():
    assert "never trained on" in Page(report(rows=[row(trained=False)])).text
    assert "never trained on" not in Page(report(rows=[row(trained=None)])).text


def test_a_sentence_for_everybody_comes_before_the_figures():
    text = Page(report(headline="Of ten neighbours, six share its genre.")).text
    assert text.index("Of ten neighbours") < text.index("genre mAP@10 0.70")


def test_pictures_have_a_twin_for_a_dark_ground():
    page = Page(
        report(
            pictures=[
                Picture("data:image/png;base64,AAAA", "a map", "The map.", "data:image/png;base64,BBBB")
            ]
        )
    )
    assert page.all("source") == [
        {"media": "(prefers-color-scheme: dark)", "srcset": "data:image/png;base64,BBBB"}
    ]
    assert not Page(report()).all("source")


@pytest.mark.slow
@pytest.mark.parametrize("width", [1200, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_its_tables_scroll_and_pictures_suit_the_ground(browser, tmp_path, width, scheme):
    white, black = (data_uri(png(colour), "image/png") for colour in ("white", "black"))
    rows = [{"system": "ours"} | {f"column {number}": "0.71 [0.60, 0.80]" for number in range(15)}]
    pictures = [Picture(white, "a map", "The map.", black)]
    (tmp_path / "report.html").write_text(
        report(sections=[PageSection("fairness", "found", rows)], pictures=pictures)
    )
    tab = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True
    ).new_page()
    tab.goto((tmp_path / "report.html").as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    table = tab.query_selector("#section-fairness ~ .scroll")
    assert table.evaluate("(one) => one.scrollWidth > one.clientWidth")
    last = table.query_selector("td:last-child")
    last.scroll_into_view_if_needed()
    assert last.evaluate("(one) => one.getBoundingClientRect().right") <= width
    first = table.query_selector("tbody th").evaluate("(one) => one.getBoundingClientRect().left")
    assert 0 <= first < width / 2, "the row's name stays in view"
    assert tab.evaluate("document.querySelector('img').currentSrc") == (white if scheme == "light" else black)


def png(colour):
    file = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def test_the_way_to_the_judge_page_is_shown_only_where_there_is_one():
    assert {"href": "judge.html"} in Page(report(judge_page="judge.html")).all("a")
    assert "Judge for yourself" not in Page(report()).text


def test_no_script_runs_but_the_pages_own():
    text = report()
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
