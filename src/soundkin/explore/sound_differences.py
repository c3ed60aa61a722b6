"""What differs between two sides of tracks, by what they sound like: effect sizes, and keys."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from soundkin.extras import require

require("explore", "what differs between two sides")

import numpy as np

from soundkin.explore.sound_qualities import HeardSound, SoundQualities
from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.statistics.bootstrap import too_few
from soundkin.statistics.cliffs_delta import CliffsDelta, cliffs_delta
from soundkin.statistics.false_discovery import confirmed


class Spoken(NamedTuple):
    """How people speak of a quality: its unit, digits after the point, and what less and more of it is."""

    unit: str
    digits: int
    less: str
    more: str


SPOKEN = {
    "tempo": Spoken("beats a minute", 0, "slower", "faster"),
    "loudness": Spoken("LUFS", 1, "softer", "louder"),
    "dynamics": Spoken("LU", 1, "more even in loudness", "of wider dynamics"),
    "brightness": Spoken("Hz", 0, "darker", "brighter"),
    "onsets": Spoken("a second", 1, "calmer", "busier"),
    "mode": Spoken("(above 0: major)", 2, "more in minor", "more in major"),
}


class SoundDifference(NamedTuple):
    """One quality of both sides: `tracks` that have it, their `medians`, and Cliff's delta, None without any.

    `is_found`: the difference holds when all qualities are counted (Benjamini & Hochberg 1995).
    """

    quality: str
    tracks: tuple[int, int]
    medians: tuple[float, float]
    delta: CliffsDelta | None
    is_found: bool

    @property
    def values(self) -> str:
        """Both medians with their unit."""
        spoken = SPOKEN[self.quality]
        first, second = (f"{median:.{spoken.digits}f}" for median in self.medians)
        return f"{first} and {second} {spoken.unit}"

    @property
    def effect(self) -> str:
        """Delta with its interval."""
        if self.delta is None:
            return "none on a side"
        value, low, high = self.delta[:3]
        return f"{value:+.2f}" + ("" if low is None else f" [{low:+.2f}, {high:+.2f}]")

    def verdict(self, second: str) -> str:
        """What may be said of the second side; nothing where it has too few groups."""
        if self.delta is None or self.delta.p is None:
            return ""
        spoken = SPOKEN[self.quality]
        if not self.is_found:
            return "no clear difference"
        return f"{second} is {spoken.more if self.delta.value > 0 else spoken.less}"


@dataclass(frozen=True, eq=False)
class SoundDifferences:
    """What was heard of both sides: how many tracks, which differences, how many tracks are in which key.

    `key_profiles` are mean strengths of the pitch classes from each track's tonic up, NaN without keys;
    `left_out` counts tracks whose audio could not be read.
    """

    tracks: tuple[int, int]
    left_out: int
    differences: Sequence[SoundDifference]
    keys: tuple[Counter[str], Counter[str]]
    key_profiles: Float[np.ndarray, "2 12"]

    def keys_in_words(self, side: int) -> str:
        """The commonest key of a side, and how many tracks are in minor."""
        keys = self.keys[side]
        if not (count := keys.total()):
            return "no clear key"
        key, times = keys.most_common(1)[0]
        minor = sum(number for name, number in keys.items() if name.endswith("minor"))
        return f"most often {key} ({times} of {count}), {minor / count:.0%} in minor"

    def ground(self, grouped_by: str) -> str:
        """How many tracks were heard, how many could not be, and whether they are too few to tell."""
        said = f"{self.tracks[0]} and {self.tracks[1]} tracks"
        if self.left_out:
            said += f", {self.left_out} left out whose audio cannot be read"
        groups = [each.delta.groups for each in self.differences if each.delta]
        few = too_few(max(groups, default=0), f"{grouped_by}s")
        return f"{said}; {few}" if few else said

    def lines(self, sides: tuple[str, str], grouped_by: str) -> list[str]:
        """In words."""
        lines = [f"in sound, medians of {self.ground(grouped_by)}:"]
        for each in self.differences:
            said = "; ".join(filter(None, [each.values, each.verdict(sides[1])]))
            lines.append(f"  {each.quality}: {said}, {each.effect}")
        lines += [f"  keys of {name}: {self.keys_in_words(side)}" for side, name in enumerate(sides)]
        return [
            *lines,
            f"effects are Cliff's delta: +1 where {sides[1]} is always higher, -1 where it never is",
        ]

    def summary(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return {
            "tracks": list(self.tracks),
            "left_out": self.left_out,
            "differences": [
                {
                    "quality": each.quality,
                    "unit": SPOKEN[each.quality].unit,
                    "tracks": list(each.tracks),
                    "medians": [None if np.isnan(median) else round(median, 3) for median in each.medians],
                    "cliffs_delta": each.delta and each.delta._asdict(),
                    "is_found": each.is_found,
                }
                for each in self.differences
            ],
            "keys": [dict(side.most_common()) for side in self.keys],
            "key_profiles": [
                None if np.isnan(each).any() else each.round(4).tolist() for each in self.key_profiles
            ],
        }


@typechecked
def sound_differences(
    sounds: Sequence[HeardSound | None],
    second: Bool[np.ndarray, " tracks"],
    groups: Int[np.ndarray, " tracks"],
    random_seed: int,
) -> SoundDifferences:
    """Compare the tracks of the `second` side with the others; of None the audio could not be read."""
    there = np.array([sound is not None for sound in sounds])
    heard = [sound for sound in sounds if sound is not None]
    second, groups = second[there], groups[there]
    figures = np.array([sound.qualities for sound in heard], float).reshape(len(heard), len(SPOKEN))
    found = [_difference(column, second, groups, random_seed) for column in figures.T]
    asked = [delta.p for _, _, delta in found if delta is not None and delta.p is not None]
    holds = iter(confirmed(np.array(asked)).tolist())
    sides = (~second, second)
    return SoundDifferences(
        (int((~second).sum()), int(second.sum())),
        int((~there).sum()),
        [
            SoundDifference(name, *each, each[2] is not None and each[2].p is not None and next(holds))
            for name, each in zip(SoundQualities._fields, found, strict=True)
        ],
        (_keys(heard, sides[0]), _keys(heard, sides[1])),
        np.array([_profile(heard, side) for side in sides]),
    )


def _difference(
    values: Float[np.ndarray, " tracks"],
    second: Bool[np.ndarray, " tracks"],
    groups: Int[np.ndarray, " tracks"],
    random_seed: int,
) -> tuple[tuple[int, int], tuple[float, float], CliffsDelta | None]:
    known = np.isfinite(values)
    sides = values[known & ~second], values[known & second]
    counts = len(sides[0]), len(sides[1])
    medians = tuple(float(np.median(side)) if len(side) else np.nan for side in sides)
    delta = cliffs_delta(values[known], second[known], groups[known], random_seed) if all(counts) else None
    return counts, (medians[0], medians[1]), delta


def _keys(heard: Sequence[HeardSound], side: Bool[np.ndarray, " tracks"]) -> Counter[str]:
    return Counter(sound.key for sound, is_in in zip(heard, side, strict=True) if is_in and sound.key)


def _profile(heard: Sequence[HeardSound], side: Bool[np.ndarray, " tracks"]) -> Float[np.ndarray, " 12"]:
    profiles = [sound.key_profile for sound, is_in in zip(heard, side, strict=True) if is_in and sound.key]
    return np.mean(profiles, axis=0) if profiles else np.full(12, np.nan)
