"""The picture of an album's shape: each track by each, in order and by group, and the way in the plane."""

from soundkin.extras import require

require("pictures", "a picture of an album")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from soundkin.explore.album_shape import AlbumShape
from soundkin.explore.palette import MARKERS, Theme, shorten
from soundkin.shapes import Int

MOST_NAMED = 30  # tracks whose names stand beside a matrix
LONGEST = 20  # characters of them
MOST_IN_PLANE = 12  # tracks whose names stand in the plane, where more would cover each other
IN_ORDER = "in order"


def draw_album(found: AlbumShape, theme: Theme) -> Figure:
    """A figure: the matrix in order, the matrix by group, and the tracks in the plane, joined in order."""
    figure = Figure(figsize=(16, 6.2), layout="constrained")
    in_order, by_group, plane = figure.subplots(1, 3)
    figure.suptitle(f"{shorten(found.name)}: {found.finding}", x=0.01, ha="left")
    image = _matrix(in_order, found, np.arange(len(found.names)), IN_ORDER)
    _matrix(by_group, found, found.by_group, "by likeness")
    figure.colorbar(image, ax=[in_order, by_group], shrink=0.6, label="cosine")
    _way(plane, found, theme)
    return figure


def _matrix(axes: Axes, found: AlbumShape, order: Int[np.ndarray, " tracks"], title: str) -> AxesImage:
    count = len(order)
    apart = found.likeness[~np.eye(count, dtype=bool)]
    shown, ends = found.likeness[np.ix_(order, order)], (0.5, count + 0.5, count + 0.5, 0.5)  # from 1 on
    image = axes.imshow(shown, cmap="cividis", vmin=apart.min(), vmax=apart.max(), extent=ends)
    axes.set_title(title)
    if count <= MOST_NAMED:
        names = [f"{row + 1} {shorten(found.names[row])[:LONGEST]}" for row in order]
        axes.set_yticks(range(1, count + 1), names, fontsize=8)
        axes.set_xticks(range(1, count + 1), [str(row + 1) for row in order], fontsize=8, rotation=90)
    axes.set_xlabel("track" if count <= MOST_NAMED or title == IN_ORDER else "place")
    return image


def _way(axes: Axes, found: AlbumShape, theme: Theme) -> None:
    near = "near: alike" if found.plane == "scaling" else "neighbours: alike"
    axes.set_title(f"first to last ({near})")
    x, y = found.places.T
    axes.plot(x, y, color=theme.faint, linewidth=1, zorder=1)
    for place in found.jarring_transitions:
        axes.plot(x[place : place + 2], y[place : place + 2], color=theme.ink, linewidth=2, ls="--", zorder=1)
    alone = [row for row in range(len(x)) if (found.groups == found.groups[row]).sum() == 1]
    for number, group in enumerate([*found.members, alone] if alone else found.members):
        colour, marker = theme.colours[number % len(theme.colours)], MARKERS[number % len(MARKERS)]
        label = "alone" if group is alone else f"group {number + 1}" if len(found.members) > 1 else "together"
        axes.scatter(x[group], y[group], s=70, zorder=2, label=label, color=colour, marker=marker)
    for row, name in enumerate(found.names):
        named = len(found.names) <= MOST_IN_PLANE
        text = f"{row + 1} {shorten(name)[:LONGEST]}" if named else str(row + 1)
        axes.annotate(text, found.places[row], xytext=(5, 5), textcoords="offset points", fontsize=8)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    if len(found.members) > 1 or alone:
        axes.legend(loc="best")
