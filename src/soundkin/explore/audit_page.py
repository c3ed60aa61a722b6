"""One HTML page about a catalog (`audit.html.jinja`, `audit.js`): what to do, and buttons to decide with.

It opens offline; decisions stay in the browser, and a button saves them as the table that `soundkin correct`
reads.
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
    """A row of the review table; `audio` is a data URI, and without one `silence` says why."""

    row: Mapping[str, str]
    audio: str | None = None
    silence: str = ""


def render_audit(
    title: str,
    collection: str,
    facts: Sequence[tuple[str, str]],
    tasks: Sequence[Task],
    decisions: Sequence[Decision],
    sections: Sequence[PageSection],
    steps: Sequence[Step],
) -> str:
    """The page as HTML text; `collection` identifies this catalog in the browser's memory."""
    return render_page(
        "audit.html.jinja", "audit.js", page=locals(), rows=[dict(item.row) for item in decisions]
    )
