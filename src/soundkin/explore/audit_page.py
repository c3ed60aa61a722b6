"""One HTML page about a catalog: what an audit found, with the doubtful tracks to listen to. Opens offline.

Plain values in; the page lives in `audit.html.jinja` beside this file.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from soundkin.explore.pages import render_page
from soundkin.explore.report import Section, Step


@dataclass(frozen=True)
class Doubt:
    """A track whose label is doubted. `audio` is a data URI; without one, `silence` says why."""

    title: str
    artist: str
    given: str
    suggested: str
    belief: str
    likely: bool
    audio: str | None = None
    silence: str = ""


@dataclass(frozen=True)
class AuditPart:
    """A section, and the tracks to listen to under it."""

    section: Section
    doubts: Sequence[Doubt] = ()


@dataclass(frozen=True)
class AuditPage:
    """All that the page shows."""

    title: str
    facts: Sequence[tuple[str, str]]
    parts: Sequence[AuditPart]
    steps: Sequence[Step]


def render_audit(page: AuditPage) -> str:
    """The page as HTML text. Everything that comes from a catalog is escaped."""
    return render_page("audit.html.jinja", "report.js", page=page)
