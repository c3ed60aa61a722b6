"""The page on which somebody marks neighbours good or bad: opens offline, needs no server, forgets nothing.

Lists of several systems are mixed, and which one offered a track is shown on asking, so that ears judge and
not names. Marks are kept by the browser; a button saves them, with those that were made before, as a file of
judgements.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soundkin.explore.page_template import render_page
from soundkin.explore.report_page import Listing


@dataclass(frozen=True)
class Opinion:
    """What one system says of a neighbour: its rank where it is among the nearest, and how alike the two are."""

    system: str
    rank: int | None
    similarity: float
    moment: str = ""


@dataclass(frozen=True)
class Candidate:
    """A neighbour to be judged."""

    track_id: str
    listing: Listing
    opinions: Sequence[Opinion]


@dataclass(frozen=True)
class JudgedQuery:
    """A query and those whom any of the systems offers for it, in an order that tells nothing."""

    track_id: str
    listing: Listing
    candidates: Sequence[Candidate]


@dataclass(frozen=True)
class JudgePage:
    """All that the page shows.

    `collection` tells this catalog from others in the browser's memory. `judgements` were made before: rows
    of `query_id`, `neighbour_id`, `verdict`, `annotator_id` and `timestamp`, as text. `command` is what reads
    the file.
    """

    title: str
    collection: str
    systems: Sequence[str]
    nearest: int
    queries: Sequence[JudgedQuery]
    judgements: Sequence[Mapping[str, str]]
    command: str


def render_judge_page(page: JudgePage) -> str:
    """The page as HTML text. Everything that comes from a catalog is escaped."""
    return render_page(
        "judge.html.jinja", "judge.js", page=page, judgements=[dict(row) for row in page.judgements]
    )
