"""The page of an album's shape: tracks beside each other and in the plane, to be heard where clicked."""

from collections.abc import Sequence

import numpy as np

from soundkin.explore.album_plane import SAID
from soundkin.explore.album_shape import AlbumShape
from soundkin.explore.clip_list import COLOURS, clips, kinds, name_of
from soundkin.explore.page_template import TrackCard, render_page


def render_album_page(found: AlbumShape, cards: Sequence[TrackCard], transitions: Sequence[TrackCard]) -> str:
    """The page as HTML text; `cards` are of the tracks, `transitions` of those that jar, the worst first."""
    alone = [row for row, group in enumerate(found.groups) if (found.groups == group).sum() == 1]
    shown = [*found.members, alone] if alone else found.members
    kind_of = {row: number for number, group in enumerate(shown) for row in group}
    many = len(found.members) > 1
    named = [f"group {number}" if many else "together" for number in range(1, len(found.members) + 1)]
    named += ["alone"] * bool(alone)
    page = {
        "title": f"{found.name}, track by track",
        "headline": found.finding,
        "jarring": [
            {
                "name": f"{found.names[place]} to {found.names[place + 1]}",
                "likeness": f"{found.likeness[place, place + 1]:.2f}",
                "clip": len(cards) + number,
            }
            for number, place in enumerate(found.jarring_transitions)
        ],
        "usual": f"{np.median(np.diagonal(found.likeness, 1)):.2f}",
        "plane": SAID[found.plane],
        "kinds": kinds(named) if len(shown) > 1 else [],
        "tracks": [
            {"name": name_of(card), "silence": card.silence, "said": _said(found, row, card)}
            for row, card in enumerate(cards)
        ],
        "clips": clips([*cards, *transitions]),
        "data": {
            "likeness": found.likeness.round(3).tolist(),
            "byGroup": found.by_group.tolist(),
            "places": found.places.round(4).tolist(),
            "kinds": [kind_of[row] for row in range(len(found.names))],
            "jarring": found.jarring_transitions,
            "colours": COLOURS,
        },
    }
    return render_page("album.html.jinja", "canvas.js", "clips.js", "scatter.js", "album.js", page=page)


def _said(found: AlbumShape, row: int, card: TrackCard) -> str:
    """How like the others a track is, and why it cannot be heard."""
    mean = (found.likeness[row].sum() - found.likeness[row, row]) / (len(found.names) - 1)
    said = f"{mean:.2f} like the others"
    if row == found.odd_one_out:
        said += ", the odd one out"
    return f"{said}; {card.silence}" if card.silence else said
