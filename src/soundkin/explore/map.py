"""A map of tracks: near on paper where near in the embedding, as far as two dimensions can say it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn.manifold import TSNE

from soundkin.explore.palette import LIGHT, MARKERS, Theme, save_png, shorten
from soundkin.shapes import Float, Int, typechecked

FEWEST_FOR_TSNE = 10
MOST_TRACKS = 3000  # t-SNE of more takes minutes and prints as a blot
PCA_DIMENSIONS = 50
OTHER, UNKNOWN = "other", "unknown"


@typechecked
def sample_tracks(tracks: int, random_seed: int) -> Int[np.ndarray, " sampled"]:
    """Rows to draw, in order: all of them, or a random 3,000."""
    rows = np.random.default_rng(random_seed).permutation(tracks)[:MOST_TRACKS]
    return np.sort(rows)


@typechecked
def map_points(
    vectors: Float[np.ndarray, "tracks embedding"], random_seed: int
) -> Float[np.ndarray, "tracks 2"]:
    """Two coordinates a track: t-SNE of cosine neighbourhoods (van der Maaten & Hinton 2008), PCA for a
    handful.
    """
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    reduced = principal_components(unit)
    if len(unit) < FEWEST_FOR_TSNE or np.ptp(reduced) < 1e-6:
        return reduced[:, :2]
    tsne = TSNE(perplexity=min(30.0, (len(unit) - 1) / 3), init="pca", random_state=random_seed)
    return np.asarray(tsne.fit_transform(reduced), dtype=float)


def principal_components(
    vectors: Float[np.ndarray, "tracks embedding"],
) -> Float[np.ndarray, "tracks components"]:
    """The directions in which tracks differ most, at most 50 and, with zeros if need be, at least 2."""
    if not len(vectors):
        return np.zeros((0, 2))
    left, spread, _ = np.linalg.svd((vectors - vectors.mean(axis=0)).astype(float), full_matrices=False)
    components = (left * spread)[:, :PCA_DIMENSIONS]
    return np.pad(components, ((0, 0), (0, max(0, 2 - components.shape[1]))))


def draw_map(
    points: Float[np.ndarray, "tracks 2"],
    names: Sequence[str | None],
    title: str,
    what: str,
    output: Path,
    theme: Theme = LIGHT,
) -> None:
    """Write a PNG of `points`, coloured and shaped by `names` (None: not known), the commonest seven told
    apart.

    `what` is what the names are, for the legend: "genre".
    """
    with mpl.rc_context(theme.style):
        figure = Figure(figsize=(9.5, 6), layout="constrained")
        axes = figure.add_subplot()
        _scatter(axes, points, group_names(names), theme)
        axes.set(xticks=[], yticks=[], title=title)
        axes.set_xlabel(
            "near means alike to the model; the axes mean nothing, nor do wide gaps", color=theme.quiet
        )
        axes.spines[:].set_visible(False)
        if len(points):
            axes.legend(
                title=f"{what} (tracks)", loc="center left", bbox_to_anchor=(1.01, 0.5), alignment="left"
            )
        save_png(figure, output)


def _scatter(axes: Axes, points: Float[np.ndarray, "tracks 2"], shown: Sequence[str], theme: Theme) -> None:
    for name, colour, marker in legend_order(shown, theme):
        rows = [row for row, own in enumerate(shown) if own == name]
        axes.scatter(
            points[rows, 0],
            points[rows, 1],
            s=42,
            c=colour,
            marker=marker,
            label=f"{shorten(name)} ({len(rows)})",
            edgecolors=theme.paper,
            linewidths=0.6,
            zorder=1 if colour == theme.faint else 2,
        )


def group_names(names: Sequence[str | None]) -> list[str]:
    """Each track's name, with all but the seven commonest called `other` and missing ones `unknown`."""
    counts = Counter(name for name in names if name)
    common = {
        name for name, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: len(MARKERS)]
    }
    return [UNKNOWN if not name else name if name in common else OTHER for name in names]


def legend_order(shown: Sequence[str], theme: Theme = LIGHT) -> list[tuple[str, str, str]]:
    """(name, colour, marker): the commonest first, then `other` and `unknown`, which are drawn faint."""
    counts = Counter(shown)
    named = sorted(
        (name for name in counts if name not in (OTHER, UNKNOWN)), key=lambda name: (-counts[name], name)
    )
    faint = [(OTHER, theme.faint, "*"), (UNKNOWN, theme.faint, ".")]
    return list(zip(named, theme.colours, MARKERS, strict=False)) + [
        entry for entry in faint if entry[0] in counts
    ]
