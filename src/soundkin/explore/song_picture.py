"""The picture of one song: what changes over its time, its likeness to itself, and its way."""

from soundkin.extras import require

require("pictures", "a picture of a song")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from soundkin.explore.palette import Theme, shorten
from soundkin.explore.song_course import PITCH_CLASSES
from soundkin.explore.song_spectra import HOP_SAMPLES, RATE_HZ
from soundkin.explore.song_structure import SongStructure
from soundkin.statistics.scaling import standardise
from soundkin.units import clock

COLOURS = "cividis"  # as light and dark to colour-blind readers as to others
MEL_COLUMNS = 1_500


def draw_song(song: SongStructure, theme: Theme) -> Figure:
    """A figure: rows over one time axis in minutes and seconds, and below the song against itself."""
    figure = Figure(figsize=(10, 12), layout="constrained")
    figure.suptitle(f"{shorten(song.name)}: {song.finding}", x=0.01, ha="left", fontsize=13)
    grid = figure.add_gridspec(6, 3, height_ratios=(1.1, 1.1, 1, 1, 0.9, 2.4))
    rows = [figure.add_subplot(grid[place, :]) for place in range(5)]
    for axes, draw in zip(rows, (_envelope, _log_mel, _chroma, _timbre, _novelty), strict=True):
        draw(axes, song, theme)
        axes.set_xlim(0, song.course.seconds)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(max(seconds, 0))))
        axes.tick_params(labelbottom=axes is rows[-1], labelsize=9)
        for section in song.sections[1:]:
            axes.axvline(section.start, color=theme.colours[3], linewidth=1)
    rows[-1].set_xlabel("time (minutes:seconds)")
    for place, (view, similarity) in enumerate(list(song.similarities.items())[:2]):
        _against_itself(figure.add_subplot(grid[5, place]), song, view, similarity)
    _way(figure.add_subplot(grid[5, 2]), song, theme)
    return figure


def _envelope(axes: Axes, song: SongStructure, theme: Theme) -> None:
    envelope = song.course.envelope()
    seconds = np.linspace(0, song.course.seconds, len(envelope))
    low, high = envelope.T
    axes.fill_between(seconds, low, high, color=theme.colours[0], linewidth=0)
    top = max(float(np.abs(envelope).max()), 1e-3)
    axes.set_ylim(-top, 1.5 * top)
    axes.set_ylabel("waveform")
    for bar in song.course.bars:
        axes.axvline(song.course.starts[bar], ymax=0.05, color=theme.quiet, linewidth=0.6)
    for section in song.sections:
        axes.text(
            (section.start + section.end) / 2,
            1.22 * top,
            section.letter,
            ha="center",
            va="center",
            fontsize=13,
            fontweight="bold",
        )


def _log_mel(axes: Axes, song: SongStructure, theme: Theme) -> None:
    mel = song.course.log_mel
    mel = mel[:, :: max(1, mel.shape[1] // MEL_COLUMNS)]
    axes.imshow(
        mel,
        aspect="auto",
        origin="lower",
        cmap=COLOURS,
        interpolation="none",
        extent=(0, song.course.log_mel.shape[1] * HOP_SAMPLES / RATE_HZ, 0, len(mel)),
    )
    axes.set_ylabel("log-mel\n(band)")


def _chroma(axes: Axes, song: SongStructure, theme: Theme) -> None:
    axes.pcolormesh(song.course.starts, np.arange(13), song.course.chroma.T, cmap=COLOURS, rasterized=True)
    axes.set_yticks(np.arange(0, 12, 2) + 0.5, PITCH_CLASSES[::2])
    axes.set_ylabel("chroma\n(pitch class)")


def _timbre(axes: Axes, song: SongStructure, theme: Theme) -> None:
    shown = standardise(song.course.timbre)[:, 1:13]  # the first is the level
    axes.pcolormesh(
        song.course.starts, np.arange(1, 14), shown.T, cmap=COLOURS, vmin=-2.5, vmax=2.5, rasterized=True
    )
    axes.set_ylabel("timbre\n(coefficient)")


def _novelty(axes: Axes, song: SongStructure, theme: Theme) -> None:
    axes.fill_between(song.course.starts[:-1], song.novelty, color=theme.colours[0], alpha=0.5, step="post")
    axes.set_ylim(0, 1.05)
    axes.set_ylabel("change\n(0 to 1)")
    level = axes.twinx()
    level.plot(song.course.middles, song.course.level_db, color=theme.colours[1], linewidth=1.2)
    level.set_ylabel("level (dB)", color=theme.colours[1])
    level.spines["right"].set_visible(True)


def _against_itself(axes: Axes, song: SongStructure, view: str, similarity: np.ndarray) -> None:
    starts = song.course.starts
    axes.pcolormesh(starts, starts, similarity, cmap=COLOURS, vmin=-1, vmax=1, rasterized=True)
    axes.set_aspect("equal")
    axes.set_title(f"alike by {view}", fontsize=10)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(max(seconds, 0))))
    axes.tick_params(labelsize=8)


def _way(axes: Axes, song: SongStructure, theme: Theme) -> None:
    x, y = song.way[:, 0], song.way[:, 1]
    axes.plot(x, y, color=theme.faint, linewidth=1, zorder=1)
    points = axes.scatter(x, y, c=song.course.middles, cmap=COLOURS, s=12, zorder=2)
    axes.margins(0.08)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_box_aspect(1)
    axes.set_title(f"its way, {song.shares[:2].sum():.0%} of the variance", fontsize=10)
    for label, at, below in (("start", 0, 6), ("end", -1, -12)):
        axes.annotate(label, (x[at], y[at]), textcoords="offset points", xytext=(6, below), fontsize=9)
    bar = axes.figure.colorbar(
        points, ax=axes, shrink=0.6, format=FuncFormatter(lambda s, _: clock(max(s, 0)))
    )
    bar.ax.tick_params(labelsize=8)
