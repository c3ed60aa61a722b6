"""From a blend of seeds to the tracks of an index that answer it, best first.

The nearest tracks are fetched some at a time, put in order, and admitted one by one: not a seed, nor a copy
of what is there, nor one too many of an artist.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from soundkin.search.artist_cap import CAP_LOOKAHEAD, ArtistCap
from soundkin.search.blend import Blend
from soundkin.search.conditions import mask_any
from soundkin.search.library_sample import sample_of
from soundkin.search.query_description import ARTIST_CAP, QueryDescription
from soundkin.search.same_track import VERSION_COSINE, Identity, identities, same_track
from soundkin.search.vector_index import Index
from soundkin.shapes import Bool, Float, Float32, Int, typechecked
from soundkin.statistics.blas_threads import one_blas_thread

# Tracks fetched in the first go, for each one wanted: an index of lists finds 20 faster than more.
LOOKAHEAD, MIXED_LOOKAHEAD = 2, 20

Search = Callable[..., tuple[Any, Any]]  # as `Index.search`


@dataclass(frozen=True)
class Order:
    """What else decides, beside likeness, which tracks are answers; see `QueryDescription`."""

    k: int
    artist_cap: int | None = None
    fold_versions: bool = False
    hub_correction: bool = False
    diversity: float = 0.0


def order_of(asked: QueryDescription, index: Index) -> Order:
    """What a query asks beside likeness; by default there is a cap where artists are known."""
    by_default = ARTIST_CAP if "artist" in index.tracks.columns else 0
    cap = by_default if asked.artist_cap is None else asked.artist_cap
    return Order(asked.k, cap or None, asked.fold_versions, asked.hub_correction, asked.diversity)


@dataclass(eq=False, slots=True)
class RankedTrack:
    """A track: its likeness to the seeds, and the `order` value that ranks it, on the scale of cosines."""

    row: int
    similarity: float
    order: float
    vector: Float32[np.ndarray, " embedding"]
    folded: list[int] = field(default_factory=list)  # rows of copies and versions that it stands for


def rank_by_default(
    index: Index,
    blend: Blend,
    order: Order,
    allowed: Bool[np.ndarray, " tracks"] | None = None,
    seeds: Collection[int] = (),
    search: Search | None = None,
) -> list[RankedTrack]:
    """As `rank`; where the artist cap leaves too few, more by the same artists are among it."""
    ranking = rank(index, blend, order, allowed, seeds, search)
    if len(ranking) == order.k or order.artist_cap is None:
        return ranking
    rows = {candidate.row for candidate in ranking}
    uncapped = rank(index, blend, replace(order, artist_cap=None), allowed, seeds, search)
    more = [candidate for candidate in uncapped if candidate.row not in rows]
    return sorted([*ranking, *more[: order.k - len(ranking)]], key=lambda candidate: -candidate.order)


@one_blas_thread()
@typechecked
def rank(
    index: Index,
    blend: Blend,
    order: Order,
    allowed: Bool[np.ndarray, " tracks"] | None = None,
    seeds: Collection[int] = (),
    search: Search | None = None,
) -> list[RankedTrack]:
    """The `order.k` best of the `allowed` tracks but for the rows `seeds`, and, if asked, their versions.

    `search` is asked in place of the index. Returns fewer only if fewer tracks match.
    """
    admission = Admission(index, order, seeds)
    plain = len(blend.likes) == 1 and not len(blend.unlikes) and not order.diversity
    at_once = max((LOOKAHEAD if plain else MIXED_LOOKAHEAD) * order.k, order.k + len(seeds))
    while True:
        _, rows = (search or index.search)(blend.direction[None], at_once, allowed)
        found = rows[0][rows[0] >= 0]
        others = np.array([row for row in found.tolist() if row not in seeds], np.int64)
        candidates = _candidates(index, blend, order, others)
        admission.take(candidates)
        if len(admission.kept) >= order.k or len(found) < at_once:
            return (
                sorted(admission.kept, key=lambda kept: -kept.order)
                if not order.diversity
                else admission.kept
            )
        allowed = np.ones(len(index), dtype=bool) if allowed is None else allowed.copy()
        allowed[found] = False
        if admission.cap and admission.cap.full:
            allowed &= ~mask_any(index.tracks.artist_keys, admission.cap.full)
        at_once = CAP_LOOKAHEAD * order.k


@typechecked
def select(
    index: Index, values: Float[np.ndarray, " tracks"], order: Order, without: Collection[int] = ()
) -> list[RankedTrack]:
    """The `order.k` tracks of the largest values, but for the rows `without` and where minus infinity.

    Capped and folded as `order` says; its other settings do not matter here.
    """
    admission = Admission(index, order, without)
    left = np.where(np.isin(np.arange(len(values)), list(without)), -np.inf, values)
    rows = np.argsort(-left, kind="stable")[: int((left > -np.inf).sum())]
    for some in np.split(rows, range(CAP_LOOKAHEAD * order.k, len(rows), CAP_LOOKAHEAD * order.k)):
        ranked = zip(
            some.tolist(), values[some].tolist(), values[some].tolist(), index.vectors(some), strict=True
        )
        admission.take(RankedTrack(*each) for each in ranked)
        if len(admission.kept) == order.k:
            break
    return admission.kept


def _candidates(
    index: Index, blend: Blend, order: Order, rows: Int[np.ndarray, " rows"]
) -> Iterator[RankedTrack]:
    """Tracks with their likeness, best first."""
    vectors = index.vectors(rows)
    similarity = blend.similarity(vectors)
    value = similarity
    if len(blend.unlikes):
        value = value - blend.repulsion(vectors, sample_of(index))
    if order.hub_correction:
        value = sample_of(index).without_hubs(value, vectors, blend.direction)
    found, similarities, values = rows.tolist(), similarity.tolist(), value.tolist()
    for best in np.argsort(-value, kind="stable").tolist():
        yield RankedTrack(found[best], similarities[best], values[best], vectors[best])


class Admission:
    """Which candidates become answers, one after the other."""

    def __init__(self, index: Index, order: Order, seeds: Collection[int]) -> None:
        self.kept: list[RankedTrack] = []
        self.cap = ArtistCap(order.artist_cap, index.tracks.artists) if order.artist_cap else None
        self._order = order
        self._tracks = index.tracks
        # Seeds and answers: only copies, and tracks by one artist, may be the same.
        self._by_recording: dict[str, RankedTrack] = {}
        self._by_lead: dict[str, list[RankedTrack]] = defaultdict(list)
        for row in seeds:
            self._remember(RankedTrack(row, 1.0, 1.0, index.vector(row)), index.tracks.artists(row))

    def take(self, candidates: Iterable[RankedTrack]) -> None:
        """Keep those that may come in, best first, until there are enough."""
        for candidate in self._by_diversity(candidates) if self._order.diversity else candidates:
            if len(self.kept) == self._order.k:
                return
            artists = self._tracks.artists(candidate.row)
            if known := self._same_as(candidate, artists):
                known.folded.append(candidate.row)
            elif self.cap is None or self.cap.admits(artists):
                self.kept.append(candidate)
                self._remember(candidate, artists)

    def _remember(self, track: RankedTrack, artists: Sequence[str]) -> None:
        """Fold what is the same into this one from now on, if anything is to be folded."""
        if self._order.fold_versions:
            self._alike(artists).append(track)
            if recording := self._tracks.recordings.get(track.row):
                self._by_recording.setdefault(recording, track)

    def _same_as(self, candidate: RankedTrack, artists: Sequence[str]) -> RankedTrack | None:
        """The one that is the same track."""
        copy = self._by_recording.get(self._tracks.recordings.get(candidate.row, ""))
        return copy or self._version_among(self._alike(artists), candidate)

    @cached_property
    def _identity(self) -> Callable[[int], Identity]:
        return identities(self._tracks)

    def _alike(self, artists: Sequence[str]) -> list[RankedTrack]:
        """What is here with the same lead."""
        return self._by_lead[artists[0] if artists else ""]

    def _by_diversity(self, candidates: Iterable[RankedTrack]) -> Iterator[RankedTrack]:
        """By maximal marginal relevance beside what is kept so far (J. Carbonell and J. Goldstein, 1998)."""
        rest, share = list(candidates), self._order.diversity
        while rest:
            best = 0
            if self.kept:
                vectors = np.array([candidate.vector for candidate in rest])
                values = np.array([candidate.order for candidate in rest])
                nearest = (vectors @ np.array([kept.vector for kept in self.kept]).T).max(axis=1)
                best = int(np.argmax((1 - share) * values - share * nearest))
            yield rest.pop(best)

    def _version_among(self, alike: list[RankedTrack], candidate: RankedTrack) -> RankedTrack | None:
        """The one of these by the same artist that is the same track."""
        for known in alike:
            cosine = float(known.vector @ candidate.vector)
            # Names are read last: it is they that take long.
            if cosine >= VERSION_COSINE and same_track(
                self._identity(known.row), self._identity(candidate.row), cosine
            ):
                return known
        return None
