"""The page on which somebody marks neighbours good or bad: opens offline, needs no server, keeps all marks.

Lists of several systems are mixed, and which system found a track is shown on asking, so that ears judge and
not names. Marks are kept by the browser; a button saves them, with those that were made before, as a file of
verdicts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soundkin.explore.page_template import TrackCard, render_page


@dataclass(frozen=True)
class Opinion:
    """A neighbour by one system: its rank where it is among the nearest, and its similarity to the query."""

    system: str
    rank: int | None
    similarity: float
    moment: str = ""


@dataclass(frozen=True)
class Candidate:
    """A neighbour to be judged."""

    track_id: str
    card: TrackCard
    opinions: Sequence[Opinion]


@dataclass(frozen=True)
class JudgedQuery:
    """A query and the neighbours that any of the systems has for it, in an order that tells nothing."""

    track_id: str
    card: TrackCard
    candidates: Sequence[Candidate]


@dataclass(frozen=True)
class JudgePage:
    """All that the page shows.

    `collection` tells this catalog from others in the browser's memory. `verdicts` are the verdicts that
    were given before: rows of `query_id`, `neighbour_id`, `verdict`, `annotator_id` and `timestamp`, as text.
    `command` is what reads the file.
    """

    title: str
    collection: str
    systems: Sequence[str]
    nearest: int
    queries: Sequence[JudgedQuery]
    verdicts: Sequence[Mapping[str, str]]
    command: str


def render_judge_page(page: JudgePage) -> str:
    """The page as HTML text."""
    return render_page("judge.html.jinja", "judge.js", page=page, verdicts=list(map(dict, page.verdicts)))
