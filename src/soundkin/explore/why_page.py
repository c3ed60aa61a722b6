"""The page of `soundkin why`: two tracks and where they sound most alike, to be heard side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

from soundkin.explore.page_template import TrackCard, render_page


@dataclass(frozen=True)
class Side:
    """One of the two tracks: `card` plays the moment, which lies at `at` (as "1:12 to 1:20") in the track.

    `start` and `width` say where, in percent of the track; both 0 where that is not known.
    """

    card: TrackCard
    at: str = ""
    start: float = 0.0
    width: float = 0.0


@dataclass(frozen=True)
class WhyPage:
    """All that the page shows. `reasons` are sentences, the weightiest first."""

    title: str
    headline: str
    sides: Sequence[Side]
    reasons: Sequence[str]
    notes: Sequence[str]


def render_why_page(page: WhyPage) -> str:
    """The page as HTML text."""
    return render_page("why.html.jinja", "why.js", page=page)
