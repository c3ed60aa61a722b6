"""The picture of a library's shape: maps by cluster, density and plays, the clusters' sizes, and years."""

from textwrap import fill
from typing import Any

from soundkin.extras import require

require("pictures", "a picture of a library")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from soundkin.explore.cluster_growth import tracks_by_year
from soundkin.explore.library_shape import FEWEST_TRACKS, SHOWN, LibraryShape
from soundkin.explore.palette import MARKERS, Theme, shorten

LONGEST_TITLE = 62
LONGEST_BAR_NAME = 38
FEWEST_BARS = 6  # that there is room for
NEAR_MEANS_ALIKE = "near means alike to the model; the axes mean nothing"


def draw_library(found: LibraryShape, theme: Theme) -> Figure:
    """A figure: maps by cluster, density and plays, if there are any, the clusters' sizes, and years."""
    dated, played = bool(np.isfinite(found.years).any()), found.plays is not None
    top = ["clusters", "density", *["plays"] * played]
    bottom = ["sizes", *["years" if dated else "sizes"] * (len(top) - 1)]
    figure = Figure(figsize=(7.5 * len(top), 12.5), layout="constrained")
    panels = figure.subplot_mosaic([[*top], [*bottom]], height_ratios=[1, 0.8])
    said = f"{shorten(found.name)}, {len(found.names):,} tracks: {found.finding}"
    figure.suptitle(fill(said, LONGEST_TITLE * len(top)), x=0.01, ha="left")
    _map_of_clusters(panels["clusters"], found, theme)
    _map_of_density(panels["density"], found, theme)
    _sizes(panels["sizes"], found, theme)
    if dated:
        _years(panels["years"], found, theme)
    if played:
        _map_of_plays(panels["plays"], found, theme)
    return figure


def look(cluster: int, theme: Theme) -> tuple[str, str, str]:
    """Colour, marker and hatch of a cluster; beyond as many as there are colours, they are paired anew."""
    again, number = divmod(cluster, len(theme.colours))
    return theme.colours[number], MARKERS[(number + again) % len(MARKERS)], "///" if again else ""


def _bare(axes: Axes, title: str) -> None:
    axes.set_title(fill(title, LONGEST_TITLE))
    axes.set(xticks=[], yticks=[], xlabel=NEAR_MEANS_ALIKE)
    axes.spines[:].set_visible(False)


def _size_of(found: LibraryShape) -> float:
    """Of a dot: less, the more there are."""
    return float(np.clip(30_000 / len(found.names), 3, 40))


def _map_of_clusters(axes: Axes, found: LibraryShape, theme: Theme) -> None:
    count = len(found.parts)
    _bare(axes, f"{count} clusters, numbered by size" if count > 1 else "all tracks: no clear clusters")
    for number, part in enumerate(found.parts):
        colour, marker, _ = look(number, theme)
        x, y = found.places[part.rows].T
        axes.scatter(x, y, s=_size_of(found), color=colour, marker=marker, linewidths=0, alpha=0.8)
    for number, part in enumerate(found.parts) if count > 1 else []:
        x, y = np.median(found.places[part.rows], axis=0)
        box = {"boxstyle": "circle,pad=0.25", "facecolor": theme.paper, "edgecolor": theme.ink}
        axes.text(x, y, str(number + 1), ha="center", va="center", fontsize=10, fontweight="bold", bbox=box)


def _map_of_density(axes: Axes, found: LibraryShape, theme: Theme) -> None:
    _bare(axes, _density_title(found))
    x, y = found.places.T
    if np.isfinite(found.density).any():
        dots = axes.scatter(x, y, s=_size_of(found), c=found.density, cmap="cividis", linewidths=0)
        axes.figure.colorbar(dots, ax=axes, shrink=0.6, label="mean cosine with the ten nearest")
    else:
        axes.scatter(x, y, s=_size_of(found), color=theme.colours[0])
    for marker, rows, what in (("o", found.hubs, "hub"), ("s", found.orphans, "orphan")):
        for number, row in enumerate(rows[:SHOWN], 1):
            ring: Any = {"s": 130, "marker": marker, "linewidths": 1.8, "facecolors": "none"}
            label = f"{what} {number}: {shorten(found.names[row])}"
            axes.scatter(x[row], y[row], label=label, edgecolors=theme.ink, **ring)
            ground = {"facecolor": theme.paper, "alpha": 0.7, "pad": 1, "linewidth": 0}
            near: Any = {"xytext": (9, 5), "textcoords": "offset points", "fontsize": 9, "bbox": ground}
            axes.annotate(f"{what} {number}", (x[row], y[row]), fontweight="bold", **near)
    if found.hubs or found.orphans:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.06), ncols=2, fontsize=9)


def _density_title(found: LibraryShape) -> str:
    if len(found.names) < FEWEST_TRACKS:
        return "too few tracks for hubs and orphans"
    if len(found.parts) < 2:
        return f"{len(found.hubs)} hubs, {len(found.orphans)} orphans"
    return f"most alike: {found.title_of(int(found.densities.argmax()))}"


def _map_of_plays(axes: Axes, found: LibraryShape, theme: Theme) -> None:
    plays = found.plays
    assert plays is not None
    _bare(axes, found.play_finding)
    x, y = found.places.T
    axes.scatter(x, y, s=_size_of(found) / 2, color=theme.faint, linewidths=0, alpha=0.5)
    rows = np.flatnonzero(plays > 0)
    sizes = 20 + 180 * np.sqrt(plays[rows] / plays.max())
    colour = theme.colours[3]
    axes.scatter(x[rows], y[rows], s=sizes, color=colour, alpha=0.6, edgecolors=theme.paper)


def _sizes(axes: Axes, found: LibraryShape, theme: Theme) -> None:
    places = np.arange(len(found.parts))
    names = [shorten(found.title_of(number), LONGEST_BAR_NAME) for number in places.tolist()]
    shares = np.array([found.share(number) for number in places.tolist()]) * 100
    for place, share in zip(places.tolist(), shares.tolist(), strict=True):
        colour, _, hatch = look(place, theme)
        axes.barh(place, share, height=0.4, color=colour, hatch=hatch, edgecolor=theme.paper, linewidth=0)
    axes.set_title("share of the tracks")
    if found.plays is not None:
        played = [found.played(number) * 100 for number in places.tolist()]
        axes.barh(places + 0.4, played, height=0.3, color="none", edgecolor=theme.ink)
        axes.set_title("share of the tracks (filled) and of the plays (outlined)")
    axes.set_yticks(places, names)
    axes.set_ylim(max(len(places), FEWEST_BARS) - 0.3, -0.7)  # from above
    axes.set_xlabel("per cent")
    axes.tick_params(axis="y", length=0)


def _years(axes: Axes, found: LibraryShape, theme: Theme) -> None:
    edges, counts = tracks_by_year(found.clusters, found.years)
    below = np.zeros(len(edges) - 1)
    bars: Any = {"width": np.diff(edges), "align": "edge", "edgecolor": theme.paper, "linewidth": 0.4}
    for number, row in enumerate(counts):
        colour, _, hatch = look(number, theme)
        axes.bar(edges[:-1] - 0.5, row, bottom=below, color=colour, hatch=hatch, **bars)
        below = below + row
    width = int(edges[1] - edges[0])
    title = found.growth_finding if len(found.parts) > 1 else "tracks by year"
    axes.set_title(fill(title, LONGEST_TITLE))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel("tracks a year" if width == 1 else f"tracks in {width} years")
