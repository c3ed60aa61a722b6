"""A map of tracks: near on paper where near in the embedding, as far as two dimensions can show it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from soundkin.extras import is_installed, require

require("pictures", "a map")
if not is_installed("explore"):  # which brings scikit-learn, too
    require("evaluate", "a map")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from soundkin.explore.palette import MARKERS, Theme, draw_twins, shorten
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.scaling import unit_length

FEWEST_FOR_TSNE = 10
MOST_TRACKS = 3000  # t-SNE of more takes minutes and prints as a blot
PCA_DIMENSIONS = 50
OTHER, UNKNOWN = "other", "unknown"
FAINT_MARKERS = {OTHER: "*", UNKNOWN: "."}


@typechecked
def sample_tracks(tracks: int, random_seed: int) -> Int[np.ndarray, " sampled"]:
    """Rows to draw, in order: all of them, or a random 3,000."""
    return np.sort(np.random.default_rng(random_seed).permutation(tracks)[:MOST_TRACKS])


@typechecked
def map_points(
    vectors: Float[np.ndarray, "tracks embedding"],
    random_seed: int,
    start: Float[np.ndarray, "tracks 2"] | None = None,
) -> Float[np.ndarray, "tracks 2"]:
    """Two coordinates a track: t-SNE of cosine neighbourhoods (van der Maaten & Hinton 2008).

    Fewer than ten tracks, and tracks that are all alike, get their two principal components. A map that
    begins at `start` resembles it.
    """
    if not len(vectors):
        return np.zeros((0, 2))
    unit = unit_length(vectors)
    left, spread, _ = np.linalg.svd((unit - unit.mean(axis=0)).astype(float), full_matrices=False)
    components = (left * spread)[:, :PCA_DIMENSIONS]
    components = np.pad(components, ((0, 0), (0, max(0, 2 - components.shape[1]))))
    if len(unit) < FEWEST_FOR_TSNE or np.ptp(components) < 1e-6:
        return components[:, :2]
    perplexity = min(30.0, (len(unit) - 1) / 3)
    if start is None or not np.ptp(start):
        tsne = TSNE(perplexity=perplexity, init="pca", random_state=random_seed)
    else:  # without exaggeration, clusters do not change places
        tsne = TSNE(perplexity=perplexity, init=start, early_exaggeration=1, random_state=random_seed)
    return np.asarray(tsne.fit_transform(components), dtype=float)


def draw_map(
    points: Float[np.ndarray, "tracks 2"],
    names: Sequence[str | None],
    title: str,
    what: str,
    output: Path,
    way: Sequence[int] = (),
) -> None:
    """Write a PNG of `points`, coloured and shaped by `names` (None: not known), and its dark twin.

    `what` is what the names are, for the legend: "genre"; `way` are rows that a line leads through, numbered.
    """

    def draw(theme: Theme) -> Figure:
        figure = Figure(figsize=(9.5, 6), layout="constrained")
        axes = figure.add_subplot()
        looks = zip(theme.colours, MARKERS, strict=True)
        for name, rows in legend_rows(names).items():
            faint = name in FAINT_MARKERS
            colour, marker = (theme.faint, FAINT_MARKERS[name]) if faint else next(looks)
            axes.scatter(
                points[rows, 0],
                points[rows, 1],
                s=42,
                c=colour,
                marker=marker,
                label=f"{shorten(name)} ({len(rows)})",
                edgecolors=theme.paper,
                linewidths=0.6,
                zorder=1 if faint else 2,
            )
        _draw_way(axes, points[list(way)], theme)
        axes.set(xticks=[], yticks=[], title=title)
        note = "near means alike to the model; the axes mean nothing, nor do wide gaps"
        axes.set_xlabel(note, color=theme.quiet)
        axes.spines[:].set_visible(False)
        if len(points):
            legend_title = f"{what} (tracks)"
            axes.legend(title=legend_title, loc="center left", bbox_to_anchor=(1.01, 0.5), alignment="left")
        return figure

    draw_twins(draw, output)


def _draw_way(axes: Axes, points: Float[np.ndarray, "tracks 2"], theme: Theme) -> None:
    """A line from track to track, each with its number; a halo keeps it apart from what lies below."""
    if not len(points):
        return
    axes.plot(points[:, 0], points[:, 1], color=theme.paper, linewidth=4.5, zorder=3)
    axes.plot(points[:, 0], points[:, 1], color=theme.ink, linewidth=1.6, zorder=3)
    axes.scatter(
        points[:, 0], points[:, 1], s=190, c=theme.ink, edgecolors=theme.paper, linewidths=1.5, zorder=4
    )
    for number, (x, y) in enumerate(points.tolist(), start=1):
        style: Any = {
            "ha": "center",
            "va": "center_baseline",
            "fontsize": 8,
            "fontweight": "bold",
            "zorder": 5,
        }
        axes.text(x, y, str(number), color=theme.paper, **style)


def legend_rows(names: Sequence[str | None]) -> dict[str, list[int]]:
    """Rows by what the legend calls them: the seven commonest names, then `other` and `unknown`."""
    counts = Counter(name for name in names if name and name not in FAINT_MARKERS)
    common = sorted(counts, key=lambda name: (-counts[name], name))[: len(MARKERS)]
    rows: dict[str, list[int]] = {name: [] for name in (*common, OTHER, UNKNOWN)}
    for row, name in enumerate(names):
        rows[UNKNOWN if not name else name if name in rows else OTHER].append(row)
    return {name: own for name, own in rows.items() if own}
