"""How our pictures look: colours that colour-blind readers can tell apart, each with a shape of its own.

Okabe & Ito, "Color Universal Design" (2008), less its yellow, which is too faint on white. Each picture has a
twin for pages that are read on a dark ground: the same hues, lighter.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soundkin.extras import require

require("pictures", "a picture")

import matplotlib as mpl
from matplotlib.figure import Figure

from soundkin.files import replacing

MARKERS = ("o", "^", "s", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
LONGEST_NAME = 28


@dataclass(frozen=True)
class Theme:
    """Colours of a picture: the ground, text, what stays in the background, and curves or kinds of points."""

    paper: str
    ink: str
    quiet: str
    faint: str
    colours: tuple[str, ...]

    @property
    def style(self) -> dict[Any, Any]:
        """Settings of matplotlib."""
        inked = ("axes.labelcolor", "text.color", "xtick.color", "ytick.color")
        return {
            "font.size": 11,
            "figure.facecolor": self.paper,
            "axes.facecolor": self.paper,
            "axes.edgecolor": self.faint,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "grid.color": self.faint,
            "legend.frameon": False,
            "text.parse_math": False,  # an artist may well write A$AP $TAR
            **dict.fromkeys(inked, self.ink),
        }


LIGHT = Theme(
    "#FFFFFF",
    "#222222",
    "#555555",
    "#9A9A9A",
    ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"),
)
DARK = Theme(  # the ground of page.css
    "#16181C",
    "#ECECEE",
    "#A9ADB6",
    "#70757F",
    ("#4FA3E0", "#E69F00", "#2BC79A", "#F0703A", "#E59AC4", "#F0E442", "#F5F5F5"),
)


def shorten(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits into a legend, which would leave out one that begins with an underscore."""
    name = f" {name}" if name.startswith("_") else name
    return name if len(name) <= longest else name[: longest - 1] + "…"


def dark_twin(path: Path) -> Path:
    """Where the picture for a dark ground is: `map-dark.png` for `map.png`."""
    return path.with_stem(f"{path.stem}-dark")


def draw_twins(draw: Callable[[Theme], Figure], output: Path) -> None:
    """Write a picture on a light ground to `output`, and its dark twin."""
    for theme, path in ((LIGHT, output), (DARK, dark_twin(output))):
        with mpl.rc_context(theme.style):
            save_picture(draw(theme), path)


def save_picture(figure: Figure, output: Path) -> None:
    """Write a figure as SVG if `output` ends so, else as PNG at 150 dots an inch; scripts that the font lacks
    become boxes, without a warning.
    """
    kind = "svg" if output.suffix.lower() == ".svg" else "png"
    with replacing(output) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(file, format=kind, dpi=150)
