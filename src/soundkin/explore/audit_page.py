"""One HTML page about a catalog: what to do about it, buttons to decide with, and all that an audit found,
folded.

Plain values in; the page lives in `audit.html.jinja` and `audit.js` beside this file. It opens offline;
decisions stay in the browser, and a button saves them as the table that `soundkin correct` reads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soundkin.explore.page_template import PageSection, Step, render_page


@dataclass(frozen=True)
class Task:
    """Something to do about the catalog: how much of it there is, how it is done, and the first few cases."""

    count: str
    advice: str
    examples: Sequence[str] = ()


@dataclass(frozen=True)
class Decision:
    """A label to decide on: its row of the review table. `audio` is a data URI; without one, `silence` says
    why.
    """

    row: Mapping[str, str]
    audio: str | None = None
    silence: str = ""


@dataclass(frozen=True)
class AuditPage:
    """All that the page shows; `collection` tells this catalog from others in the browser's memory."""

    title: str
    collection: str
    facts: Sequence[tuple[str, str]]
    tasks: Sequence[Task]
    decisions: Sequence[Decision]
    sections: Sequence[PageSection]
    steps: Sequence[Step]


def render_audit(page: AuditPage) -> str:
    """The page as HTML text. Everything that comes from a catalog is escaped."""
    return render_page(
        "audit.html.jinja", "audit.js", page=page, rows=[dict(one.row) for one in page.decisions]
    )
