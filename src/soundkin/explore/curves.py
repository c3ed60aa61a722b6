"""Learning curves from the CSV that Lightning's CSVLogger writes.

Columns are `epoch, step, train/loss, valid/genre_map ...`. A row holds only what was logged at that step; the
other cells are empty.
"""

import math
from collections.abc import Collection, Mapping
from pathlib import Path

from soundkin.extras import require

require("pictures", "a picture of training")

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soundkin.explore.palette import LINES, MARKERS, Theme, draw_twins

Curve = tuple[list[int], list[float]]  # steps and values
FEW_POINTS = 25
SIDES = {"train": "training", "valid": "held out"}
SELECTION_SCORE = "valid/watched"
COSINE = "gradient_cosine_"
LOSS, TASK_LOSSES, COSINES, WEIGHTS = (
    "loss",
    "loss of each task",
    "do the tasks' gradients agree?",
    "weights and gates that are learnt",
)
SCORES = {"train": "scores on training batches", "valid": "scores on held-out tracks"}
TITLES = (LOSS, TASK_LOSSES, *SCORES.values(), COSINES, WEIGHTS)


def read_curves(metrics_csv: Path) -> dict[str, Curve]:
    """Every logged `train/...` and `valid/...` figure over steps; a file that is not there holds none."""
    try:
        frame = pd.read_csv(metrics_csv)
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return {}
    logged = {name: frame[np.isfinite(frame[name])] for name in frame.columns if "/" in name}
    return {
        name: (rows["step"].astype(int).tolist(), rows[name].tolist())
        for name, rows in logged.items()
        if len(rows)
    }


def panels(curves: Mapping[str, Curve]) -> dict[str, list[str]]:
    """Names of curves that are drawn together, by the panel's title; only panels that have any."""
    drawn: dict[str, list[str]] = {title: [] for title in TITLES}
    for name in sorted(curves):
        if title := _panel(name, curves):
            drawn[title].append(name)
    return {title: members for title, members in drawn.items() if members}


def _panel(name: str, curves: Mapping[str, Curve]) -> str | None:
    side, figure = name.split("/", 1)
    if figure == "loss":
        return LOSS
    if figure.endswith("_loss"):
        return TASK_LOSSES
    if figure.startswith(COSINE):
        return COSINES
    if figure.endswith("_weight") or figure == "lyric_gate":
        return (
            WEIGHTS if len(set(curves[name][1])) > 1 else None
        )  # a weight that is given and stays is no news
    if name == SELECTION_SCORE and any(curves[key] == curves[name] for key in curves if key != name):
        return None  # the same score is drawn by its own name
    return SCORES.get(side)


def draw_curves(metrics_csv: Path, output: Path, kept_step: int | None = None, stopped: bool = False) -> bool:
    """Write a PNG of the learning curves and its dark twin; False, and no file, where nothing was logged.

    A line marks `kept_step`, whose weights the model has; `stopped` says that training ended before its last
    epoch.
    """
    curves = read_curves(metrics_csv)
    drawn = panels(curves)
    if not drawn:
        return False
    last_step = max(max(steps) for steps, _ in curves.values())

    def draw(theme: Theme) -> Figure:
        columns = min(2, len(drawn))
        rows = math.ceil(len(drawn) / columns)
        figure = Figure(figsize=(5.2 * columns + 0.8, 3.4 * rows), layout="constrained")
        for place, (title, members) in enumerate(drawn.items(), start=1):
            axes = figure.add_subplot(rows, columns, place)
            _draw_panel(axes, title, {name: curves[name] for name in members}, theme)
            if kept_step is not None:
                _mark(axes, kept_step, "kept", theme)
            if stopped:
                _mark(axes, last_step, "stopped early", theme)
        return figure

    draw_twins(draw, output)
    return True


def _draw_panel(axes: Axes, title: str, curves: Mapping[str, Curve], theme: Theme) -> None:
    for place, (name, (steps, values)) in enumerate(curves.items()):
        look = place % len(MARKERS)
        axes.plot(
            steps,
            values,
            label=readable(name, curves),
            color=theme.colours[look],
            linestyle=LINES[look],
            marker=MARKERS[look] if len(steps) <= FEW_POINTS else "",
            lw=1.8,
            ms=4,
        )
    axes.set(title=title, xlabel="training step")
    axes.grid(axis="y", alpha=0.3)
    if len(curves) > 1 or title == COSINES:
        below = (-0.03, -0.18)  # there it covers no curve
        axes.legend(fontsize=9, ncols=3, loc="upper left", bbox_to_anchor=below)


def _mark(axes: Axes, step: int, what: str, theme: Theme) -> None:
    """A vertical line over a step, named where curves leave room: losses fall, scores rise."""
    axes.axvline(step, color=theme.ink, lw=1, ls="-" if what == "kept" else ":", zorder=1)
    top = "loss" in axes.get_title("left")
    axes.annotate(
        what,
        (step, int(top)),
        xycoords=axes.get_xaxis_transform(),
        xytext=(-3, -3 if top else 3),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="top" if top else "bottom",
        fontsize=9,
        color=theme.ink,
    )


def readable(name: str, shown: Collection[str]) -> str:
    """A curve's name for its legend; with which tracks it is about where `shown` has both kinds."""
    side, figure = name.split("/", 1)
    short = figure.removeprefix(COSINE).removesuffix("_loss").removesuffix("_weight")
    for sign, words in ((".", " and "), ("_map", " mAP"), ("_ndcg", " nDCG"), ("_", " ")):
        short = short.replace(sign, words)
    both = sum(key.endswith(f"/{figure}") for key in shown) > 1
    return f"{short}, {SIDES.get(side, side)}" if both else short
