"""At most so many tracks of any one artist."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import islice

Ranked = tuple[int, float]  # a track's row, and how alike it is to the seeds or its product with the user

# Tracks that a cap may turn down, looked at in one go: for each one wanted.
CAP_LOOKAHEAD = 8


class ArtistCap:
    """Counts the admitted tracks of each artist. A track counts for its lead and for its guests."""

    def __init__(self, most: int, artists_of: Callable[[int], Collection[str]]) -> None:
        self._most = most
        self._artists_of = artists_of
        self._counts: defaultdict[str, int] = defaultdict(int)
        self.full: set[str] = set()  # the artists of whom no further track is admitted

    def select(self, ranking: Iterable[Ranked], k: int) -> list[Ranked]:
        """The first `k` of `ranking` that leave no artist with too many."""
        return list(islice((ranked for ranked in ranking if self.admits(self._artists_of(ranked[0]))), k))

    def admits(self, artists: Collection[str]) -> bool:
        """Whether one more track by these may come in; counts it if so."""
        if not self.full.isdisjoint(artists):
            return False
        for artist in set(artists):
            self._counts[artist] += 1
            if self._counts[artist] >= self._most:
                self.full.add(artist)
        return True
