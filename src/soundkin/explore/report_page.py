"""One HTML page about one model: opens offline, loads nothing, and can be heard.

Plain values in; the page lives in `report.html.jinja` beside this file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soundkin.explore.page_template import render_page


@dataclass(frozen=True)
class Score:
    """What one system scored, with the ends of its interval if it has one."""

    system: str
    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ScoreLine:
    """One row of results. Those of the `main` measure are drawn as bars too, where the filter is on.

    `trained` says whether the model was trained on what is asked, None where nobody knows.
    """

    question: str
    trained: bool | None
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
    moment: str = ""  # where the two sound most alike: "1:02 is most like the query's 0:17"
    heard: bool = False  # whether it was among the training tracks


@dataclass(frozen=True)
class QueryListing:
    """A query and its neighbours, nearest first."""

    query: Listing
    neighbours: Sequence[Listing]


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URI, in words for those who do not see it, and on a dark ground."""

    source: str
    alternative: str
    caption: str
    dark: str = ""


@dataclass(frozen=True)
class Step:
    """Something to try next, and the command that does it."""

    advice: str
    command: str = ""


@dataclass(frozen=True)
class Section:
    """A part of the evaluation that has a table of its own: rows of cells by column; a row may lack some."""

    title: str
    verdict: str
    rows: Sequence[Mapping[str, str]]
    notes: Sequence[str] = ()

    @property
    def anchor(self) -> str:
        """What links to it are called."""
        return "section-" + "".join(letter if letter.isalnum() else "-" for letter in self.title.lower())

    @property
    def columns(self) -> list[str]:
        """In the order in which rows bring them up."""
        return list(dict.fromkeys(column for row in self.rows for column in row))

    @property
    def numeric(self) -> list[str]:
        """The columns of which every cell begins with a number."""
        return [
            name for name in self.columns if all(_begins_with_number(row.get(name, "")) for row in self.rows)
        ]


@dataclass(frozen=True)
class Report:
    """All that the page shows.

    `headline` says in a sentence what the `verdict` says in figures. `judge_page` is the name of the page
    beside it, where neighbours are judged by hand.
    """

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
    sections: Sequence[Section] = ()
    judge_page: str = ""
    headline: str = ""


def _begins_with_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-")[:1].isdecimal()


def render_report(report: Report) -> str:
    """The page as HTML text. Everything that comes from a catalog is escaped."""
    return render_page("report.html.jinja", page=report)
