"""Track after track for a playlist: near what is asked for, near what came last, and unlike what came before.

How much each of these counts, people choose. The next track is the best by maximal marginal relevance (J.
Carbonell and J. Goldstein, "The Use of MMR", 1998) among the nearest ones.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from soundkin.search.blend import Blend
from soundkin.search.library_sample import sample_of
from soundkin.search.same_track import identities, same_track
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


class Walk:
    """Chooses one track after the other from an index.

    The rows `before` came before and are not chosen again, nor are versions of them, of the rows `seeds` or
    of what was chosen. No two tracks in a row share an artist, as long as there are others.
    """

    def __init__(
        self, index: Index, taste: Taste, before: Sequence[int] = (), seeds: Collection[int] = ()
    ) -> None:
        self._index, self._taste = index, taste
        self._artists = index.tracks.artists
        self._identity = identities(index.tracks)
        self._noise = np.random.default_rng(taste.random_seed).random(len(index))
        self._chosen: list[int] = []
        self._counts: Counter[str] = Counter()
        self._by_lead: dict[str, list[int]] = defaultdict(list)
        for row in seeds:
            self._by_lead[self._identity(row).artist].append(row)
        for row in before:
            self._choose(row)

    def tracks(
        self, targets: Iterator[Blend], masks: Iterator[Sequence[Bool[np.ndarray, " tracks"]]]
    ) -> Iterator[tuple[int, float]]:
        """Rows, and how alike they are to the target of their place.

        For each place there is a target, and masks of the tracks that should come, or else may come; ends
        where none is left.
        """
        for target, kinds in zip(targets, masks, strict=False):
            found = (self._next(target, allowed) for allowed in kinds)
            row = next((row for row in found if row is not None), None)
            if row is None:
                return
            self._choose(row)
            yield row, float(target.similarity(self._vectors([row]))[0])

    def _choose(self, row: int) -> None:
        self._chosen.append(row)
        self._counts.update(set(self._artists(row)))
        self._by_lead[self._identity(row).artist].append(row)

    def _next(self, target: Blend, allowed: np.ndarray) -> int | None:
        """The best track for the next place, artists in a row only where there is no other."""
        free = allowed.copy()
        free[self._chosen] = False
        recent = self._recent()
        direction = self._mixed(target.direction, recent)
        for may_come in (self._admits_after_last, self._admits):
            left = free.copy()
            while True:
                _, rows = self._index.search(direction[None], LOOKED_AT, left)
                found = rows[0][rows[0] >= 0]
                fitting = [row for row in found.tolist() if may_come(row) and not self._is_known(row)]
                if fitting:
                    return self._best(target, recent, fitting)
                if len(found) < LOOKED_AT:
                    break
                left[found] = False
        return None

    def _best(self, target: Blend, recent: np.ndarray | None, rows: list[int]) -> int:
        vectors, taste = self._vectors(rows), self._taste
        value = target.similarity(vectors)
        if len(target.unlikes):
            value = value - target.repulsion(vectors, sample_of(self._index))
        if recent is not None:
            value = (1 - taste.drift) * value + taste.drift * vectors @ recent
        value = value + NOISE * taste.variety * self._noise[rows]
        if taste.width and self._chosen:
            share = taste.width / 2  # at a half, nearness to what is asked for counts as much
            nearest = (vectors @ self._vectors(self._chosen).T).max(axis=1)
            value = (1 - share) * value - share * nearest
        return rows[int(value.argmax())]

    def _recent(self) -> Float32[np.ndarray, " embedding"] | None:
        """The mean direction of what came last, where that is drifted to."""
        last = self._chosen[-REMEMBERED:]
        return unit_length(self._vectors(last).mean(axis=0)) if last and self._taste.drift else None

    def _mixed(self, direction: np.ndarray, recent: np.ndarray | None) -> Float32[np.ndarray, " embedding"]:
        """Where to look."""
        if recent is None:
            return direction
        mixed = (1 - self._taste.drift) * direction + self._taste.drift * recent
        return unit_length(mixed.astype(np.float32)) if np.abs(mixed).max() > 1e-6 else direction

    def _admits(self, row: int) -> bool:
        cap = self._taste.artist_cap
        return not cap or all(self._counts[artist] < cap for artist in self._artists(row))

    def _admits_after_last(self, row: int) -> bool:
        last = set(self._artists(self._chosen[-1])) if self._chosen else set()
        return self._admits(row) and not last & set(self._artists(row))

    def _is_known(self, row: int) -> bool:
        """Whether it is a version of a track that is there."""
        own = self._identity(row)
        others = self._by_lead.get(own.artist, [])
        if not others:
            return False
        cosines = (self._vectors(others) @ self._index.vector(row)).tolist()
        return any(
            same_track(self._identity(other), own, cosine)
            for other, cosine in zip(others, cosines, strict=True)
        )

    def _vectors(self, rows: Sequence[int]) -> Float32[np.ndarray, "rows embedding"]:
        return self._index.vectors(np.array(rows))
