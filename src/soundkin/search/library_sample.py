"""What is usual in a library, from some of its tracks: how alike two of them are, and how near to all one is.

A hub, a track that is among the nearest of far too many others, stands near to everything. *Mutual proximity*
(D. Schnitzer, A. Flexer, M. Schedl and G. Widmer, "Local and global scaling reduce hubs in space", 2012) asks
how unusual a cosine is among those of the query and among those of the candidate; ours adds up the two
standard scores. `benchmarks/queries.py` compares it with others.

The sample is of the base of an index, so an edit leaves it as it is, and with it what is stored of answers;
a compaction or a new build takes another (`index_status` says when one is due).
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from soundkin.shapes import Float, Float32, typechecked

if TYPE_CHECKING:
    from soundkin.search.vector_index import Index

TRACKS = 512  # taken evenly over the rows of the base
ENOUGH_TRACKS = 100  # fewer say too little of what is usual
PAIRED = 256  # of these, each with each
NO_SPREAD = 1e-6


class LibrarySample:
    """Some unit vectors of a library."""

    def __init__(self, vectors: Float32[np.ndarray, "sample embedding"]) -> None:
        self.vectors = vectors

    @cached_property
    def _pairs(self) -> Float[np.ndarray, " pairs"]:
        """Cosines of pairs of tracks, in order."""
        some = self.vectors[:: max(1, len(self.vectors) // PAIRED)]
        return np.sort((some @ some.T)[np.triu_indices(len(some), 1)])

    def shares_less_alike(self, cosines: Sequence[float]) -> list[float | None]:
        """The share of random pairs of the library with a lower cosine than each; None without any pair."""
        pairs = self._pairs
        if not len(pairs):
            return [None] * len(cosines)
        return list((np.searchsorted(pairs, np.array(cosines, pairs.dtype)) / len(pairs)).tolist())

    @cached_property
    def _moments(self) -> tuple[Float[np.ndarray, " embedding"], Float[np.ndarray, "embedding embedding"]]:
        """Mean vector, and mean of the products of all numbers of a vector with each other."""
        return self.vectors.mean(axis=0), self.vectors.T @ self.vectors / len(self.vectors)

    @typechecked
    def usual(
        self, vectors: Float[np.ndarray, "tracks embedding"]
    ) -> tuple[Float[np.ndarray, " tracks"], Float[np.ndarray, " tracks"]]:
        """Mean and standard deviation of each track's cosines with the library."""
        mean_vector, products = self._moments
        mean = vectors @ mean_vector
        variance = ((vectors @ products) * vectors).sum(axis=1) - mean**2
        return mean, np.sqrt(np.maximum(variance, NO_SPREAD**2))

    @typechecked
    def without_hubs(
        self,
        similarity: Float[np.ndarray, " tracks"],
        tracks: Float[np.ndarray, "tracks embedding"],
        query: Float[np.ndarray, " embedding"],
    ) -> Float[np.ndarray, " tracks"]:
        """Similarities to a query, lower for tracks that are near to everything, on the scale of cosines.

        As they are where there are fewer than `ENOUGH_TRACKS`.
        """
        if len(self.vectors) < ENOUGH_TRACKS:
            return similarity
        mean, spread = self.usual(np.concatenate((tracks, query[None])))
        as_unusual = mean[-1] + spread[-1] * (similarity - mean[:-1]) / spread[:-1]
        return np.asarray((similarity + as_unusual) / 2)

    @typechecked
    def taste(
        self,
        tracks: Float[np.ndarray, "tracks embedding"],
        heard: Float[np.ndarray, "heard embedding"],
        weights: Float[np.ndarray, " heard"],
    ) -> Float[np.ndarray, " tracks"]:
        """How alike tracks are to what somebody has heard: the weighted mean of `without_hubs` over it."""
        share = weights / weights.sum()
        likeness = tracks @ (share @ heard)
        if len(self.vectors) < ENOUGH_TRACKS:
            return np.asarray(likeness)
        (mean, spread), (usual, width) = self.usual(tracks), self.usual(heard)
        as_unusual = share @ usual + (tracks @ ((share * width) @ heard) - mean * (share @ width)) / spread
        return np.asarray((likeness + as_unusual) / 2)


_samples: "WeakKeyDictionary[Index, LibrarySample]" = WeakKeyDictionary()


def sample_of(index: "Index") -> LibrarySample:
    """The sample of an opened index, taken once; the same for the same base."""
    if index not in _samples:
        base = index.segments[0].array  # with the tracks that were removed since
        rows = np.linspace(0, len(base) - 1, min(len(base), TRACKS)).round().astype(int)
        _samples[index] = LibrarySample(base[rows])
    return _samples[index]
