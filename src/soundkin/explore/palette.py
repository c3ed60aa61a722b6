"""How our pictures look: colours that colour-blind readers can tell apart, each with a shape for those who see none.

Okabe & Ito, "Color Universal Design" (2008), less its yellow, which is too faint on white.
"""

import warnings
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from soundkin.files import replacing

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
FAINT = "#9A9A9A"
INK = "#222222"
QUIET = "#555555"
LONGEST_NAME = 28
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "text.parse_math": False,  # an artist may well write A$AP $TAR
}


def shorten(name: str) -> str:
    """A name that fits into a legend, where matplotlib would leave out one that begins with an underscore."""
    name = f" {name}" if name.startswith("_") else name
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


def save_png(figure: Figure, output: Path) -> None:
    """Write a figure at 150 dots an inch; scripts that the font lacks become boxes without a word on stderr.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    with replacing(output) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(file, format="png", dpi=150)
