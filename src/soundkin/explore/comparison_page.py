"""The page of two sides compared: what differs, both in one space, who is most like the other side."""

from collections.abc import Mapping, Sequence

from soundkin.explore.clip_list import clips, kinds, name_of
from soundkin.explore.comparison import Comparison
from soundkin.explore.page_template import TrackCard, render_page
from soundkin.explore.palette import DARK, LIGHT
from soundkin.explore.sound_differences import SoundDifference

COLOURS: Mapping[str, Sequence[str]] = {"light": LIGHT.colours[0:4:3], "dark": DARK.colours[0:4:3]}
KEYS_SHOWN = 4
MARKS = ("○△", "●▲")  # of each side, open where the difference is not clear


def render_comparison_page(found: Comparison, cards: Sequence[TrackCard]) -> str:
    """The page as HTML text; `cards` are of the tracks."""
    places, shares = found.plane()
    sound = found.sound
    page = {
        "title": f"{found.sides[0]} and {found.sides[1]}",
        "headline": found.finding,
        "chance": found.chance,
        "sides": found.sides,
        "grouped_by": found.grouped_by,
        "ground": sound.ground(found.grouped_by) if sound else "",
        "effects": [_effect(each, found.sides[1]) for each in sound.differences] if sound else [],
        "key_rows": [_keys(found, side) for side in (0, 1)] if sound else [],
        "shares": f"{shares.sum():.0%}",
        "kinds": kinds(found.sides, COLOURS),
        "across": [
            {"name": name, "tracks": [_mates(found, cards, row) for row in found.nearest_to_other(side)]}
            for side, name in enumerate(found.sides)
        ],
        "clips": clips(cards),
        "data": {
            "places": places.round(4).tolist(),
            "kinds": found.second.astype(int).tolist(),
            "sides": found.sides,
            "colours": COLOURS,
        },
    }
    return render_page("compare.html.jinja", "canvas.js", "clips.js", "scatter.js", "compare.js", page=page)


def _effect(each: SoundDifference, second: str) -> Mapping[str, object]:
    """A row: places on its rail in percent, from delta -1 to 1."""
    rail = None
    if each.delta is not None:
        value, low, high = each.delta[:3]
        is_second = value > 0
        rail = {
            "at": 50 * (1 + value),
            "left": 50 * (1 + (low or 0)),
            "width": None if low is None or high is None else 50 * (high - low),
            "mark": MARKS[each.is_found][is_second],
            "light": COLOURS["light"][is_second],
            "dark": COLOURS["dark"][is_second],
        }
    return {
        "quality": each.quality,
        "medians": each.values,
        "verdict": each.verdict(second),
        "effect": each.effect,
        "rail": rail,
    }


def _keys(found: Comparison, side: int) -> Mapping[str, str]:
    assert found.sound is not None
    common = found.sound.keys[side].most_common(KEYS_SHOWN)
    counts = ", ".join(f"{key} {count}" for key, count in common)
    return {"side": found.sides[side], "said": found.sound.keys_in_words(side), "counts": counts}


def _mates(found: Comparison, cards: Sequence[TrackCard], row: int) -> Mapping[str, object]:
    """A track, and the one of the other side that it is most like."""
    mate, likeness = found.nearest_across(row)
    return {
        "track": row,
        "mate": mate,
        "name": name_of(cards[row]),
        "mate_name": name_of(cards[mate]),
        "likeness": f"{likeness:.2f}",
        "silent": not (cards[row].audio or cards[mate].audio),
    }
