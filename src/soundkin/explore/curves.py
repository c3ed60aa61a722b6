"""Learning curves from the CSV that Lightning's CSVLogger writes: `epoch, step, train/loss, valid/genre_map
...`.

A row holds only what was logged at that step; the other cells are empty.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from soundkin.explore.palette import LIGHT, LINES, MARKERS, Theme, save_png

Curve = tuple[list[int], list[float]]  # steps and values
FEW_POINTS = 25
HELD_OUT = "scores on held-out tracks"
SIDES = {"train": "training", "valid": "held out"}
WATCHED = "valid/watched"
COSINE = "gradient_cosine_"
SCORES = {"train": "scores on training batches", "valid": HELD_OUT}

TITLES = (
    "loss",
    "loss of each task",
    SCORES["train"],
    HELD_OUT,
    "do the tasks' gradients agree?",
    "weights and gates that are learnt",
)


def read_curves(metrics_csv: Path) -> dict[str, Curve]:
    """Every logged `train/...` and `valid/...` figure over steps; a file that is not there holds none."""
    curves: dict[str, Curve] = defaultdict(lambda: ([], []))
    if not metrics_csv.exists():
        return {}
    with metrics_csv.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            step = int(float(row.get("step") or 0))
            for name, value in row.items():
                if name and "/" in name and value and math.isfinite(float(value)):
                    steps, values = curves[name]
                    steps.append(step)
                    values.append(float(value))
    return dict(curves)


def panels(curves: Mapping[str, Curve]) -> dict[str, list[str]]:
    """Which curves are drawn together; only panels that have any."""
    drawn: dict[str, list[str]] = {title: [] for title in TITLES}
    for name in sorted(curves):
        side, figure = name.split("/", 1)
        if figure == "loss":
            drawn["loss"].append(name)
        elif figure.endswith("_loss"):
            drawn["loss of each task"].append(name)
        elif figure.startswith(COSINE):
            drawn["do the tasks' gradients agree?"].append(name)
        elif figure.endswith("_weight") or figure == "lyric_gate":
            if len(set(curves[name][1])) > 1:  # a weight that is given and stays is no news
                drawn["weights and gates that are learnt"].append(name)
        elif name == WATCHED and any(curves[other] == curves[name] for other in curves if other != name):
            continue  # it stands there already
        elif side in SCORES:
            drawn[SCORES[side]].append(name)
    return {title: members for title, members in drawn.items() if members}


def draw_curves(
    metrics_csv: Path, output: Path, kept_step: int | None = None, stopped: bool = False, theme: Theme = LIGHT
) -> bool:
    """Write a PNG of the learning curves; False, and no file, where nothing was logged.

    A line marks `kept_step`, whose weights the model has; `stopped` says that training ended before its last
    epoch.
    """
    curves = read_curves(metrics_csv)
    drawn = panels(curves)
    if not drawn:
        return False
    with mpl.rc_context(theme.style):
        columns = min(2, len(drawn))
        rows = math.ceil(len(drawn) / columns)
        figure = Figure(figsize=(5.2 * columns + 0.8, 3.4 * rows), layout="constrained")
        for place, (title, members) in enumerate(drawn.items(), start=1):
            axes = figure.add_subplot(rows, columns, place)
            _draw_panel(axes, title, {name: curves[name] for name in members}, theme)
            _mark(axes, kept_step, "kept", theme)
            _mark(
                axes,
                max(max(steps) for steps, _ in curves.values()) if stopped else None,
                "stopped early",
                theme,
            )
        save_png(figure, output)
    return True


def _mark(axes: Axes, step: int | None, what: str, theme: Theme) -> None:
    """A vertical line over a step, named where curves leave room: losses fall, scores rise."""
    if step is None:
        return
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


def _draw_panel(axes: Axes, title: str, curves: Mapping[str, Curve], theme: Theme) -> None:
    for place, (name, (steps, values)) in enumerate(curves.items()):
        look = place % len(MARKERS)
        marker = MARKERS[look] if len(steps) <= FEW_POINTS else ""
        label, colour = readable(name, curves), theme.colours[look]
        axes.plot(
            steps, values, label=label, color=colour, linestyle=LINES[look], lw=1.8, marker=marker, ms=4
        )
    axes.set(title=title, xlabel="training step")
    axes.grid(axis="y", alpha=0.3)
    if len(curves) > 1 or title == TITLES[4]:
        axes.legend(
            fontsize=9, ncols=3, loc="upper left", bbox_to_anchor=(-0.03, -0.18)
        )  # below: it covers no curve


def readable(name: str, beside: Collection[str]) -> str:
    """A curve's name for its legend; which tracks it is about only where both kinds stand beside each other."""
    side, figure = name.split("/", 1)
    short = (
        figure.removeprefix(COSINE)
        .removesuffix("_loss")
        .removesuffix("_weight")
        .replace(".", " and ")
        .replace("_map", " mAP")
        .replace("_ndcg", " nDCG")
        .replace("_", " ")
    )
    twice = sum(other.endswith(f"/{figure}") for other in beside) > 1
    return f"{short}, {SIDES.get(side, side)}" if twice else short
