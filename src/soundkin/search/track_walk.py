"""Track after track for a playlist: near what is asked for, near what came last, and unlike what came before.

How much each of these counts, people choose. The next track is the best by maximal marginal relevance (J.
Carbonell and J. Goldstein, "The Use of MMR", 1998) among the nearest ones.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from soundkin.search.vector_index import Index
from soundkin.shapes import Bool, Float32
from soundkin.statistics.scaling import unit_length

LOOKED_AT = 100  # tracks that each place is chosen from
REMEMBERED = 3  # tracks that came last, whose mean is drifted to
NOISE = 0.2  # in cosine, at a variety of 1


@dataclass(frozen=True)
class Taste:
    """How a playlist is chosen; all but `artist_cap` in [0, 1].

    `width`: how much a track should differ from those before rather than be near what is asked for; `drift`:
    how much what came last is asked for, instead of what was asked for first; `variety`: how much is left to
    chance.
    """

    width: float = 0.0
    drift: float = 0.0
    variety: float = 0.0
    artist_cap: int | None = None
    random_seed: int = 0


@dataclass(eq=False)
class Walk:
    """Chooses one track after the other from an index.

    `before` are rows that came before, which are not chosen again; no two tracks in a row share an artist, as
    long as there are others.
    """

    index: Index
    taste: Taste
    before: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chosen = list(self.before)
        artists = (artist for row in self.before for artist in self._artists(row))
        self._counts = Counter(artists)
        self._noise = np.random.default_rng(self.taste.random_seed).random(len(self.index))

    def tracks(
        self,
        targets: Iterator[Float32[np.ndarray, " embedding"]],
        masks: Iterator[Sequence[Bool[np.ndarray, " tracks"]]],
    ) -> Iterator[tuple[int, float]]:
        """Rows and their cosines with the target. For each place there is a unit vector, and which tracks
        should come, or else may come; ends where none is left.
        """
        for target, kinds in zip(targets, masks, strict=False):
            found = (self._next(target, allowed) for allowed in kinds)
            chosen = next((one for one in found if one is not None), None)
            if chosen is None:
                return
            row, likeness = chosen
            self._chosen.append(row)
            self._counts.update(self._artists(row))
            yield row, likeness

    def _next(self, target: np.ndarray, allowed: np.ndarray) -> tuple[int, float] | None:
        """The best track for the next place, artists in a row only where there is no other."""
        free = allowed.copy()
        free[self._chosen] = False
        wanted = self._drifted(target)
        for may_come in (self._admits_after_last, self._admits):
            left = free.copy()
            while True:
                _, rows = self.index.search(wanted[None], LOOKED_AT, left)
                found = rows[0][rows[0] >= 0]
                fitting = np.array([row for row in found.tolist() if may_come(row)], dtype=int)
                if len(fitting):
                    row = self._best(wanted, fitting)
                    return row, float(np.clip(self._vector(row) @ target, -1, 1))
                if len(found) < LOOKED_AT:
                    break
                left[found] = False
        return None

    def _best(self, wanted: np.ndarray, rows: np.ndarray) -> int:
        vectors = np.array([self._vector(row) for row in rows.tolist()])
        value = vectors @ wanted + NOISE * self.taste.variety * self._noise[rows]
        if self.taste.width and self._chosen:
            before = np.array([self._vector(row) for row in self._chosen])
            share = self.taste.width / 2  # at a half, nearness to what is asked for counts as much
            value = (1 - share) * value - share * (vectors @ before.T).max(axis=1)
        return int(rows[value.argmax()])

    def _drifted(self, target: np.ndarray) -> Float32[np.ndarray, " embedding"]:
        """The target, and what came last in its stead."""
        last = self._chosen[-REMEMBERED:]
        if not last or not self.taste.drift:
            return target
        recent = unit_length(np.mean([self._vector(row) for row in last], axis=0))
        mixed = (1 - self.taste.drift) * target + self.taste.drift * recent
        return unit_length(mixed.astype(np.float32)) if np.abs(mixed).max() > 1e-6 else target

    def _admits(self, row: int) -> bool:
        cap = self.taste.artist_cap
        return cap is None or all(self._counts[artist] < cap for artist in self._artists(row))

    def _admits_after_last(self, row: int) -> bool:
        last = set(self._artists(self._chosen[-1])) if self._chosen else set()
        return self._admits(row) and not last & set(self._artists(row))

    def _artists(self, row: int) -> tuple[str, ...]:
        return self.index.tracks.artists(row)

    def _vector(self, row: int) -> Float32[np.ndarray, " embedding"]:
        return self.index.vector(row)
