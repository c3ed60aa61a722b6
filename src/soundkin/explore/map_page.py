"""The page that shows a library at once: a dot a track, named when pointed at, found by typing."""

from collections.abc import Sequence

import numpy as np

from soundkin.explore.map import FAINT_MARKERS, legend_rows
from soundkin.explore.page_template import render_page
from soundkin.explore.palette import DARK, LIGHT
from soundkin.shapes import Float, Int

DIGITS = 4  # of coordinates between 0 and 1: finer than a pixel


def render_map_page(
    title: str,
    points: Float[np.ndarray, "tracks 2"],
    names: Sequence[str],
    groups: Sequence[str | None],
    what: str,
) -> str:
    """The page as HTML text. `names` say what a dot is; `groups` colour it, and are a `what`: "genre"."""
    legend = []
    group_of = np.zeros(len(points), dtype=int)
    colours = iter(zip(LIGHT.colours, DARK.colours, strict=True))
    for number, (name, rows) in enumerate(legend_rows(groups).items()):
        light, dark = (LIGHT.faint, DARK.faint) if name in FAINT_MARKERS else next(colours)
        legend.append({"name": name, "count": len(rows), "light": light, "dark": dark})
        group_of[rows] = number
    dots = make_dots(points, group_of, names)
    page = {"title": title, "legend": legend, "dots": dots, "what": what}
    return render_page("map.html.jinja", "map.js", page=page)


def make_dots(
    points: Float[np.ndarray, "tracks 2"], groups: Int[np.ndarray, " tracks"], names: Sequence[str]
) -> list[list[float | int | str]]:
    """The dots of `map.js`: x and y from 0 to 1, the number of the group, and the name."""
    low, high = points.min(axis=0), points.max(axis=0)
    places = ((points - low) / np.maximum(high - low, 1e-9)).round(DIGITS)
    dots = zip(places.tolist(), groups.tolist(), names, strict=True)
    return [[*place, group, name] for place, group, name in dots]
