"""One HTML page about one model: opens offline, loads nothing, and can be heard.

Plain values in; the page lives in `report.html.jinja` beside this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from soundkin.explore.palette import COLOURS


@dataclass(frozen=True)
class Score:
    """What one system scored, with the ends of its interval if it has one."""

    system: str
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ScoreLine:
    """One row of results. Those of the `main` measure are drawn as bars too, where the filter is on."""

    question: str
    trained: bool
    measure: str
    filter: str | None
    tracks: int
    artists: int
    scores: Sequence[Score]
    gain: Score  # ours minus the best of the others, which `system` names
    main: bool = False


@dataclass(frozen=True)
class Listing:
    """A track as the page shows it. `audio` is a data URI; without one, `silence` says why."""

    title: str
    artist: str
    genre: str
    audio: str | None = None
    silence: str = ""
    similarity: float | None = None
    shared: Sequence[str] = ()  # what it has in common with the query: "genre", "artist"
    heard: bool = False  # whether it was among the training tracks


@dataclass(frozen=True)
class QueryListing:
    """A query and its neighbours, nearest first."""

    query: Listing
    neighbours: Sequence[Listing]


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, and in words for those who do not see it."""

    source: str
    alternative: str
    caption: str


@dataclass(frozen=True)
class Step:
    """Something to try next, and the command that does it."""

    advice: str
    command: str = ""


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    title: str
    verdict: str
    facts: Sequence[tuple[str, str]]
    systems: Sequence[str]
    lines: Sequence[ScoreLine]
    hubness: Sequence[tuple[str, str, str, str]]  # system, skewness, largest hub, antihubs
    queries: Sequence[QueryListing]
    how_queries_were_chosen: str
    pictures: Sequence[Picture]
    steps: Sequence[Step]
    notes: Sequence[str]


def render_report(report: Report) -> str:
    """The page as HTML text. Everything that comes from a catalog is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(report=report, colours=COLOURS)
