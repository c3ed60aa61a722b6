"""The picture of two sides compared: their tracks in one plane, and how far each leans to the other side."""

from collections.abc import Sequence
from dataclasses import dataclass

from soundkin.extras import require

require("explore", "a comparison")

import numpy as np
from matplotlib.figure import Figure
from sklearn.decomposition import PCA

from soundkin.explore.palette import MARKERS, Theme, shorten
from soundkin.explore.separability import Separability
from soundkin.shapes import Bool, Float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two sides of tracks: `second` says which are of the second; `lean` is what that function returns.

    `separability` is None where there are too few groups (`grouped_by`) to tell.
    """

    sides: tuple[str, str]
    names: Sequence[str]
    vectors: Float[np.ndarray, "tracks embedding"]
    second: Bool[np.ndarray, " tracks"]
    lean: Float[np.ndarray, " tracks"]
    grouped_by: str
    separability: Separability | None

    @property
    def finding(self) -> str:
        """What there is to see, in a sentence."""
        if (found := self.separability) is None:
            return "too few tracks to tell"
        verdict = "told apart" if found.is_told_apart else "not told apart better than by chance"
        return f"{verdict}: {found.accuracy:.0%} right ({found.low:.0%} to {found.high:.0%})"

    def most_like_other(self, side: int) -> int:
        """Which track of a side, 0 or 1, leans most to the other."""
        rows = np.flatnonzero(self.second == bool(side))
        return int(rows[(self.lean[rows] * (-1 if side else 1)).argmax()])

    def lines(self) -> list[str]:
        """In words."""
        first, second = self.sides
        counts = f"{(~self.second).sum()} and {self.second.sum()} tracks"
        lines = [f"{first} and {second} ({counts}): {self.finding}"]
        if found := self.separability:
            chance = f"{found.chance_low:.0%} to {found.chance_high:.0%}"
            lines.append(f"chance gives {chance}; no {self.grouped_by} is both learnt from and tested on")
        for side, other in ((0, second), (1, first)):
            row = self.most_like_other(side)
            lines.append(f"of {self.sides[side]} most like {other}: {self.names[row]}")
        return lines

    def summary(self) -> dict[str, object]:
        """The findings as plain values, for JSON."""
        return {
            "sides": list(self.sides),
            "tracks": [int((~self.second).sum()), int(self.second.sum())],
            "grouped_by": self.grouped_by,
            "separability": None if self.separability is None else vars(self.separability),
            "most_like_other": [self.names[self.most_like_other(side)] for side in (0, 1)],
        }


def draw_comparison(found: Comparison, theme: Theme) -> Figure:
    """A figure: both sides in the plane of their two principal components, coloured and shaped by side."""
    figure = Figure(figsize=(8, 6.5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(f"{shorten(found.sides[0])} and {shorten(found.sides[1])}\n{found.finding}")
    fit = PCA(2, random_state=0).fit(found.vectors)
    points = fit.transform(found.vectors)
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
    x_share, y_share = np.nan_to_num(fit.explained_variance_ratio_)
    axes.set_xlabel(f"first principal component ({x_share:.0%} of the variance)")
    axes.set_ylabel(f"second ({y_share:.0%})")
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2)
    return figure
