"""What a page with one player can play: clips of tracks, and how dots of several kinds look."""

from collections.abc import Mapping, Sequence

from soundkin.explore.page_template import TrackCard
from soundkin.explore.palette import DARK, LIGHT

GLYPHS = "●▲■◆▼"  # the shapes of scatter.js
COLOURS: Mapping[str, Sequence[str]] = {
    "light": LIGHT.colours[: len(GLYPHS)],
    "dark": DARK.colours[: len(GLYPHS)],
}


def name_of(card: TrackCard) -> str:
    """`Title, by Artist`."""
    return f"{card.title}, by {card.artist}" if card.artist else card.title


def clips(cards: Sequence[TrackCard]) -> list[Mapping[str, str | None]]:
    """What `clips.js` plays, by the tracks' numbers."""
    return [{"name": name_of(card), "audio": card.audio, "silence": card.silence} for card in cards]


def kinds(names: Sequence[str], colours: Mapping[str, Sequence[str]] = COLOURS) -> list[Mapping[str, str]]:
    """A legend: each kind of dot with its colours, `light` and `dark`, and its shape."""
    rows: list[Mapping[str, str]] = []
    for number, name in enumerate(names):
        look = number % len(GLYPHS)
        rows.append(
            {
                "name": name,
                "shape": GLYPHS[look],
                "light": colours["light"][look],
                "dark": colours["dark"][look],
            }
        )
    return rows
