"""The cold starts of one evaluation: all held-out tracks, those by artists heard or not heard before, later
plays.
"""

from typing import ClassVar

from pydantic import BaseModel

from soundkin.evaluation.recommendation import ColdStart

NOTHING = "nothing measured: there are no ratings of held-out tracks by users who are known to like others."


class ColdStarts(BaseModel, frozen=True):
    """Tables of the same systems; the first of `parts` is about all held-out tracks, and the first system
    ours.
    """

    title: ClassVar[str] = "cold start"
    parts: tuple[ColdStart, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One line: what the first table found, and whether ours is shown to be above the others in it."""
        if not self.parts:
            return NOTHING
        first = self.parts[0]
        unbeaten = ""
        if first.unbeaten and not first.headline.too_few:
            unbeaten = f"not shown to beat {' or '.join(first.unbeaten)}: "
        return f"{first.offered}: {unbeaten}{first.verdict}"

    def table(self) -> list[dict[str, str]]:
        """Rows to print: those of each part, with what was offered to how many users."""
        return [
            {"offered": f"{part.offered} ({part.tracks})", **row}
            for part in self.parts
            for row in part.table()
        ]
