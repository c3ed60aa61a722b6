"""Two sides of tracks compared: whether they can be told apart, who leans to the other, what differs."""

from collections.abc import Sequence
from dataclasses import dataclass

from soundkin.extras import require

require("explore", "a comparison")

import numpy as np

from soundkin.explore.separability import Separability
from soundkin.explore.sound_differences import SoundDifferences
from soundkin.shapes import Bool, Float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two sides of tracks: `second` says which are of the second; `lean` is what that function returns.

    `separability` is None where there are too few groups (`grouped_by`) to tell, `sound` where nothing was
    listened to.
    """

    sides: tuple[str, str]
    names: Sequence[str]
    vectors: Float[np.ndarray, "tracks embedding"]
    second: Bool[np.ndarray, " tracks"]
    lean: Float[np.ndarray, " tracks"]
    grouped_by: str
    separability: Separability | None
    sound: SoundDifferences | None = None

    @property
    def finding(self) -> str:
        """What there is to see, in a sentence."""
        if (found := self.separability) is None:
            return "too few tracks to tell"
        verdict = "told apart" if found.is_told_apart else "not told apart better than by chance"
        return f"{verdict}: {found.accuracy:.0%} right ({found.low:.0%} to {found.high:.0%})"

    def most_like_other(self, side: int) -> int:
        """Which track of a side, 0 or 1, leans most to the other."""
        rows = np.flatnonzero(self.second == bool(side))
        return int(rows[(self.lean[rows] * (-1 if side else 1)).argmax()])

    def lines(self) -> list[str]:
        """In words."""
        first, second = self.sides
        counts = f"{(~self.second).sum()} and {self.second.sum()} tracks"
        lines = [f"{first} and {second} ({counts}): {self.finding}"]
        if found := self.separability:
            chance = f"{found.chance_low:.0%} to {found.chance_high:.0%}"
            lines.append(f"chance gives {chance}; no {self.grouped_by} is both learnt from and tested on")
        for side, other in ((0, second), (1, first)):
            row = self.most_like_other(side)
            lines.append(f"of {self.sides[side]} most like {other}: {self.names[row]}")
        return lines + (self.sound.lines(self.sides, self.grouped_by) if self.sound else [])

    def summary(self) -> dict[str, object]:
        """The findings as plain values, for JSON."""
        return {
            "sides": list(self.sides),
            "tracks": [int((~self.second).sum()), int(self.second.sum())],
            "grouped_by": self.grouped_by,
            "separability": None if self.separability is None else vars(self.separability),
            "most_like_other": [self.names[self.most_like_other(side)] for side in (0, 1)],
            "sound": self.sound and self.sound.summary(),
        }
