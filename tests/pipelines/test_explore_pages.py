"""Pages of albums and comparisons for everybody: axe-core looks at them, light and dark."""

from pathlib import Path
from typing import Any

import pytest
from sounding_index import make_sounding_index

from arc_index import arc
from soundkin.pipelines.explore_album import explore_album
from soundkin.pipelines.explore_compare import explore_compare

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a page of each kind."""
    folder = tmp_path_factory.mktemp("pages")
    index = make_sounding_index(folder, arc(16), ["Ann"] * 8 + ["Bob"] * 8, silent=1)
    explore_album(index, ["artist:Ann", "artist:Bob"], output=folder / "album.html")
    explore_compare(index, "artist:Ann", "artist:Bob", folder / "compare.html")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["album", "compare"])
def test_it_shuts_nobody_out(pages: Path, browser: Any, name: str, scheme: str) -> None:
    context = browser.new_context(color_scheme=scheme, offline=True, bypass_csp=True)
    page = context.new_page()
    page.goto((pages / f"{name}.html").as_uri())
    violations = axe.Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []
    context.close()
