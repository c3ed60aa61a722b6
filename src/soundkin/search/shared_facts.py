"""What a catalog says of two tracks alike, and how many other tracks it says that of."""

from dataclasses import dataclass

from soundkin.catalog.artists import artist_key, split_credit
from soundkin.search.conditions import Condition, mask_any, mask_where
from soundkin.search.tracks import Tracks

# Columns that say something of the music; several values in a cell are separated by `;`.
COLUMNS = ("album", "work", "composer", "genre", "tags", "mood", "instrument", "label", "language", "year")
MOST_SHARE = 0.5  # what more of the library has says nothing of two tracks


@dataclass(frozen=True)
class SharedFact:
    """A value that two tracks have in common, and the share of the library's tracks that have it."""

    column: str
    value: str
    share: float

    def __str__(self) -> str:
        share = f"{self.share:.0%}" if self.share >= 0.01 else "less than 1%"
        return f"{self.column} {self.value} ({share} of the library)"


def shared_facts(tracks: Tracks, here: int, there: int) -> list[SharedFact]:
    """What the tracks in two rows have in common, the rarest first; what most tracks have is left out."""
    facts = []
    for key in set(tracks.artists(here)) & set(tracks.artists(there)):
        share = float(mask_any(tracks.artist_keys, [key]).mean())
        facts.append(SharedFact("artist", _name(tracks.label(here).artist, key), share))
    for column in COLUMNS:
        if column in tracks.columns:
            for value in _values(tracks, column, here) & _values(tracks, column, there):
                share = float(mask_where(tracks.batch, [Condition(column, "=", value)]).mean())
                facts.append(SharedFact(column, value, share))
    common = [fact for fact in facts if fact.share <= MOST_SHARE]
    return sorted(common, key=lambda fact: (fact.share, fact.column, fact.value))


def _values(tracks: Tracks, column: str, row: int) -> set[str]:
    cell = tracks.batch.column(column)[row].as_py()
    text = "" if cell is None or cell != cell else f"{cell:g}" if isinstance(cell, float) else str(cell)
    return {value.strip() for value in text.split(";")} - {""}


def _name(credit: str, key: str) -> str:
    """How a credit spells the artist with this key."""
    return next((name for name in split_credit(credit, {key}) if artist_key(name) == key), credit)
