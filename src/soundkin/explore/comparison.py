"""Two sides of tracks compared: whether they can be told apart, who leans to the other, what differs."""

from collections.abc import Sequence
from dataclasses import dataclass

from soundkin.extras import require

require("explore", "a comparison")

import numpy as np
from sklearn.decomposition import PCA

from soundkin.explore.separability import Separability
from soundkin.explore.sound_differences import SoundDifferences
from soundkin.shapes import Bool, Float
from soundkin.statistics.scaling import unit_length


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

    @property
    def chance(self) -> str:
        """What the accuracy is held against; empty where nothing can be told."""
        if (found := self.separability) is None:
            return ""
        chance = f"{found.chance_low:.0%} to {found.chance_high:.0%}"
        return f"chance gives {chance}; no {self.grouped_by} is both learnt from and tested on"

    def nearest_to_other(self, side: int, count: int = 5) -> list[int]:
        """The tracks of a side, 0 or 1, that lean most to the other, first the one that does so most."""
        rows = np.flatnonzero(self.second == bool(side))
        leaning = self.lean[rows] * (-1 if side else 1)
        nearest: list[int] = rows[np.argsort(-leaning, kind="stable")[:count]].tolist()
        return nearest

    def most_like_other(self, side: int) -> int:
        """Which track of a side, 0 or 1, leans most to the other."""
        return self.nearest_to_other(side)[0]

    def nearest_across(self, track: int) -> tuple[int, float]:
        """The track of the other side with the highest cosine, and that cosine."""
        others = np.flatnonzero(self.second != self.second[track])
        cosines = unit_length(self.vectors[others]) @ unit_length(self.vectors[track])
        best = int(cosines.argmax())
        return int(others[best]), float(cosines[best])

    def plane(self) -> tuple[Float[np.ndarray, "tracks 2"], Float[np.ndarray, " 2"]]:
        """The tracks' two principal components, and their shares of the variance."""
        fit = PCA(2, random_state=0).fit(self.vectors)
        return fit.transform(self.vectors), np.nan_to_num(fit.explained_variance_ratio_)

    def lines(self) -> list[str]:
        """In words."""
        first, second = self.sides
        counts = f"{(~self.second).sum()} and {self.second.sum()} tracks"
        lines = [f"{first} and {second} ({counts}): {self.finding}"]
        if self.chance:
            lines.append(self.chance)
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
