"""A map of tracks: near on paper where near in the embedding, as far as two dimensions can say it."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from soundkin.explore.palette import COLOURS, FAINT, MARKERS, STYLE
from soundkin.files import replacing
from soundkin.shapes import Float, Int, typechecked

FEWEST_FOR_TSNE = 10
MOST_TRACKS = 3000  # t-SNE of more takes minutes and prints as a blot
PCA_DIMENSIONS = 50
OTHER, UNKNOWN = "other", "unknown"


@typechecked
def sample_tracks(tracks: int, random_seed: int) -> Int[np.ndarray, "sampled"]:
    """Rows to draw, in order: all of them, or a random 3,000."""
    rows = np.random.default_rng(random_seed).permutation(tracks)[:MOST_TRACKS]
    return np.sort(rows)


@typechecked
def map_points(vectors: Float[np.ndarray, "tracks embedding"], random_seed: int) -> Float[np.ndarray, "tracks 2"]:
    """Two coordinates a track: t-SNE of cosine neighbourhoods (van der Maaten & Hinton 2008), PCA for a handful."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    dimensions = min(PCA_DIMENSIONS, *unit.shape)
    if dimensions < 1:
        return np.zeros((len(unit), 2))
    reduced = PCA(dimensions, random_state=random_seed).fit_transform(unit)
    if len(unit) < FEWEST_FOR_TSNE or np.ptp(reduced) == 0:
        return np.pad(reduced, ((0, 0), (0, max(0, 2 - dimensions))))[:, :2].astype(float)
    perplexity = min(30.0, (len(unit) - 1) / 3)
    init = "pca" if dimensions >= 2 else "random"
    tsne = TSNE(perplexity=perplexity, init=init, random_state=random_seed)
    return np.asarray(tsne.fit_transform(reduced), dtype=float)


def draw_map(
    points: Float[np.ndarray, "tracks 2"], names: Sequence[str | None], title: str, what: str, output: Path
) -> None:
    """Write a PNG of `points`, coloured and shaped by `names` (None: not known), the commonest seven told apart.

    `what` is what the names are, for the legend: "genre".
    """
    shown = group_names(names)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 6.5), layout="constrained")
        axes = figure.add_subplot()
        for name, colour, marker in legend_order(shown):
            rows = [row for row, own in enumerate(shown) if own == name]
            label = f"{name} ({len(rows)})"
            axes.scatter(
                *points[rows].T,
                s=42,
                c=colour,
                marker=marker,
                label=label,
                linewidths=0.6,
                edgecolors="white",
                alpha=0.9,
                zorder=1 if colour == FAINT else 2,
            )
        axes.set(xticks=[], yticks=[], title=title)
        axes.set_xlabel(
            "near here = alike to the model; axes and distances between groups mean nothing", color="#555555"
        )
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set_visible(False)
        if shown:
            axes.legend(title=f"{what} (tracks)", loc="center left", bbox_to_anchor=(1.01, 0.5), alignment="left")
        with replacing(output) as file:
            figure.savefig(file, format="png", dpi=150)


def group_names(names: Sequence[str | None]) -> list[str]:
    """Each track's name, with all but the seven commonest called `other` and missing ones `unknown`."""
    counts = Counter(name for name in names if name)
    common = {name for name, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[: len(COLOURS)]}
    return [UNKNOWN if not name else name if name in common else OTHER for name in names]


def legend_order(shown: Sequence[str]) -> list[tuple[str, str, str]]:
    """(name, colour, marker): the commonest first, then `other` and `unknown`, which are drawn faint."""
    counts = Counter(shown)
    named = sorted((name for name in counts if name not in (OTHER, UNKNOWN)), key=lambda name: (-counts[name], name))
    faint = [(OTHER, FAINT, "*"), (UNKNOWN, FAINT, ".")]
    return list(zip(named, COLOURS, MARKERS, strict=False)) + [entry for entry in faint if entry[0] in counts]
