"""The picture of two sides compared: their tracks in one plane, and what differs in sound."""

from soundkin.extras import require

require("explore", "a comparison")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soundkin.explore.comparison import Comparison
from soundkin.explore.palette import MARKERS, Theme, shorten
from soundkin.explore.sound_differences import SoundDifferences


def draw_comparison(found: Comparison, theme: Theme) -> Figure:
    """A figure: both sides in the plane of their principal components, and effect sizes if there are any."""
    heard = found.sound
    figure = Figure(figsize=(14 if heard else 8, 6.5), layout="constrained")
    title = f"{shorten(found.sides[0])} and {shorten(found.sides[1])}: {found.finding}"
    figure.suptitle(title, x=0.01, ha="left")
    panels = figure.subplots(1, 2 if heard else 1, squeeze=False)[0]
    _space(panels[0], found, theme)
    if heard:
        _effects(panels[1], found, heard, theme)
    return figure


def _space(axes: Axes, found: Comparison, theme: Theme) -> None:
    points, (x_share, y_share) = found.plane()
    for side, (name, rows) in enumerate(zip(found.sides, (~found.second, found.second), strict=True)):
        colour, marker = theme.colours[3 * side], MARKERS[side]
        axes.scatter(
            points[rows, 0],
            points[rows, 1],
            s=45,
            label=shorten(name),
            color=colour,
            marker=marker,
            alpha=0.85,
        )
        row = found.most_like_other(side)
        axes.annotate(
            f"{shorten(found.names[row])}, most like the other side",
            points[row],
            xytext=(0, 9 if side else -16),
            textcoords="offset points",
            ha="left" if points[row, 0] < points[:, 0].mean() else "right",
            fontsize=9,
        )
    axes.set_xlabel(f"first principal component ({x_share:.0%} of the variance)")
    axes.set_ylabel(f"second ({y_share:.0%})")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2)


def _effects(axes: Axes, found: Comparison, heard: SoundDifferences, theme: Theme) -> None:
    """Each quality's effect with its interval, filled where it is clear; the sides' colours."""
    first, second = map(shorten, found.sides)
    axes.axvline(0, color=theme.faint, linewidth=1)
    for place, each in enumerate(heard.differences):
        if each.delta is None:
            axes.text(0, place, "none on a side", ha="center", va="center", color=theme.quiet)
            continue
        value, low, high = each.delta[:3]
        colour, marker = theme.colours[3 * (value > 0)], MARKERS[int(value > 0)]
        if low is not None and high is not None:
            axes.plot([low, high], [place, place], color=colour, linewidth=2)
        fill = colour if each.is_found else theme.paper
        axes.plot(value, place, marker, color=colour, markerfacecolor=fill, markersize=10, zorder=3)
    named = [f"{each.quality}\n{each.values}" for each in heard.differences]
    axes.set_yticks(range(len(named)), named, fontsize=9)
    axes.set_ylim(len(named) - 0.5, -0.5)
    axes.set_xlim(-1.05, 1.05)
    axes.set_xlabel(
        f"Cliff's delta\n\N{LEFTWARDS ARROW} higher in {first}    higher in {second} \N{RIGHTWARDS ARROW}"
    )
    axes.set_title("what differs in sound (filled: clearly)")
