"""The page of a library: its map by cluster, density, years and plays; clusters, hubs and orphans to hear."""

from collections.abc import Mapping
from typing import Any

from soundkin.extras import require

require("pictures", "the page of a library")

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex

from soundkin.explore.cluster_growth import tracks_by_year
from soundkin.explore.library_picture import look
from soundkin.explore.library_shape import NEAREST, LibraryShape
from soundkin.explore.map_page import make_dots
from soundkin.explore.page_template import TrackCard, render_page
from soundkin.explore.palette import DARK, LIGHT
from soundkin.shapes import Float

HEARD = 5  # hubs and orphans on the page
SHADES = 12
CIVIDIS = mpl.colormaps["cividis"]
LABELS_SHOWN = 4
DIGITS = 3
NOTES = (
    "Clusters are found in the embedding, by what the model hears; the map shows it in two dimensions, and "
    "tears some of them apart.",
    "A label is typical of a cluster where it is more frequent than elsewhere by three standard deviations "
    "(log odds with a prior of ten tracks), in at least a tenth of its tracks. Tracks of one artist or album "
    "are not independent of each other, so the deviations flatter. Tracks without a label say nothing.",
    f"Hubs are among the {NEAREST} nearest of far more tracks than others are, and part of that is the "
    "model's doing, not the music's. Orphans are among those of none.",
)


def heard_rows(found: LibraryShape) -> list[int]:
    """The tracks that the page plays: the most typical of each cluster, hubs and orphans."""
    rows = [part.centre for part in found.parts] + found.hubs[:HEARD] + found.orphans[:HEARD]
    return list(dict.fromkeys(rows))


def render_library_page(found: LibraryShape, cards: Mapping[int, TrackCard]) -> str:
    """The page as HTML text; `cards` has the sound of each of `heard_rows`."""
    legend = [
        {
            "name": found.title_of(number),
            "count": len(part.rows),
            "light": look(number, LIGHT)[0],
            "dark": look(number, DARK)[0],
        }
        for number, part in enumerate(found.parts)
    ]
    dots = make_dots(found.places, found.clusters, found.names)
    for group, part in zip(legend, found.parts, strict=True):
        group["at"] = np.median([dots[row][:2] for row in part.rows], axis=0).round(DIGITS).tolist()
    page = {
        "title": f"{found.name}: {len(found.names):,} tracks",
        "headline": found.finding,
        "what": "cluster",
        "legend": legend,
        "dots": dots,
        "views": _views(found),
        "plays": found.play_finding,
        "clusters": [_cluster(found, number, cards) for number in range(len(found.parts))],
        "lists": _lists(found, cards),
        "years": found.year_line(),
        "notes": NOTES,
        **_bars(found, legend),
    }
    return render_page("library.html.jinja", "map.js", page=page)


def _views(found: LibraryShape) -> list[dict[str, object]]:
    """What else can colour the dots: a value each, None where it is not known; shades from low to high."""
    shades = {
        "light": np.linspace(0, 0.85, SHADES),
        "dark": np.linspace(0.3, 1, SHADES),
    }  # seen on the ground
    colours = {name: [to_hex(each) for each in CIVIDIS(places)] for name, places in shades.items()}
    values = {
        "density": found.density,
        "year": found.years,
        "lists it is in": found.listed.astype(float),
        "plays": np.full(len(found.names), np.nan) if found.plays is None else found.plays,
    }
    return [
        {"name": name, "values": _numbers(each), **colours}
        for name, each in values.items()
        if len(np.unique(each[np.isfinite(each)])) > 1
    ]


def _numbers(values: Float[np.ndarray, " tracks"]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.round(DIGITS).tolist()]


def _entry(
    cards: Mapping[int, TrackCard], number: int, row: int, name: str, said: str, heard: str
) -> dict[str, Any]:
    """A line of a list: what it says, and the player of the track in `row`."""
    words = {"number": number, "name": name, "said": said, "heard": heard}
    return words | {"dot": row, "card": cards[row]}


def _cluster(found: LibraryShape, number: int, cards: Mapping[int, TrackCard]) -> dict[str, Any]:
    part = found.parts[number]
    plays = "" if found.plays is None else f", {found.played(number):.0%} of the plays"
    labels = [
        f"{each.label} {each.share:.0%} (elsewhere {each.share_elsewhere:.0%})" for each in part.typical
    ]
    size = f"{len(part.rows):,} tracks ({found.share(number):.0%}){plays}"
    said = "; ".join([size, *labels[:LABELS_SHOWN]])
    heard = f"most typical: {found.names[part.centre]}"
    return _entry(cards, number + 1, part.centre, part.name, said, heard)


def _lists(found: LibraryShape, cards: Mapping[int, TrackCard]) -> list[dict[str, Any]]:
    """Hubs and orphans, if there are any."""
    hubs = [
        _entry(cards, place, row, found.names[row], "", f"in {found.listed[row]} lists")
        for place, row in enumerate(found.hubs[:HEARD], 1)
    ]
    orphans = [
        _entry(cards, place, row, found.names[row], "", f"{found.nearest[row]:.2f} with its nearest")
        for place, row in enumerate(found.orphans[:HEARD], 1)
    ]
    titles = (("hubs", "Hubs: near to many", found.hub_line()), ("orphans", "Orphans", found.orphan_line()))
    return [
        {"anchor": anchor, "title": title, "finding": finding, "entries": entries}
        for (anchor, title, finding), entries in zip(titles, (hubs, orphans), strict=True)
        if entries
    ]


def _bars(found: LibraryShape, legend: list[dict[str, Any]]) -> dict[str, Any]:
    """Stacked bars of years, their heights in per cent of the highest."""
    if not np.isfinite(found.years).any():
        return {"bars": [], "most": 0}
    edges, counts = tracks_by_year(found.clusters, found.years)
    most, bars = int(counts.sum(axis=0).max()), []
    for place, (first, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        top, parts = 100.0, []
        for group, count in zip(legend, counts[:, place].tolist(), strict=True):
            height = 100 * count / most
            top -= height
            if count:
                parts.append({**group, "count": count, "y": round(top, 2), "height": round(height, 2)})
        years = f"{first}" if end == first + 1 else f"{first} to {end - 1}"
        bars.append({"x": place, "years": years, "parts": parts})
    return {"bars": bars, "most": most}
