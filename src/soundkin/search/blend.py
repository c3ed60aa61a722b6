"""How alike a track is to several seeds at once, and how much too alike to what is unliked.

*A meets B* asks for tracks near both. The mean of the cosines puts tracks near one of them first; the least
of the cosines is as unsure as the less sure of two. Between them is a power mean of 1 + cosine;
`benchmarks/queries.py` compares exponents.

What is unliked repels what is nearer to it than is usual in the library, and nothing else: a query vector
turned away from it (J. Rocchio, "Relevance feedback in information retrieval", 1971) would leave the
neighbourhood of the liked even where nothing unliked is near.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from soundkin.errors import UsageError
from soundkin.shapes import Float, Float32, typechecked
from soundkin.statistics.scaling import unit_length

if TYPE_CHECKING:
    from soundkin.search.library_sample import LibrarySample

EXPONENT = -1.0  # the harmonic mean; 1: the mean, minus infinity: the least
REPULSION = 1.0  # for each unit of cosine beyond what is usual
LEAST = 1e-6  # of 1 + cosine, which rounding may take below 0


def blend_of(likes: Float32[np.ndarray, "likes embedding"]) -> "Blend":
    """Unit vectors that are liked as much as each other, and nothing that is not."""
    nothing = np.empty((0, likes.shape[1]), np.float32)
    return Blend(likes, np.ones(len(likes)), nothing, np.empty(0))


@dataclass(frozen=True, eq=False)
class Blend:
    """Unit vectors of what is liked and unliked, with weights."""

    likes: Float32[np.ndarray, "likes embedding"]
    weights: Float[np.ndarray, " likes"]
    unlikes: Float32[np.ndarray, "unlikes embedding"]
    unlike_weights: Float[np.ndarray, " unlikes"]

    @cached_property
    def direction(self) -> Float32[np.ndarray, " embedding"]:
        """The unit vector near to which all that is alike is; UsageError where there is none."""
        alone = len(self.likes) == 1
        mean = self.likes[0] if alone else self.weights @ self.likes / self.weights.sum()
        if mean @ mean < 1e-12:
            problem = "the seed's vector is all zeros" if alone else "the seeds cancel each other out"
            raise UsageError(f"{problem}, so nothing is near. Ask with other seeds.")
        return np.asarray(unit_length(mean.astype(np.float32)))

    @typechecked
    def similarity(self, tracks: Float32[np.ndarray, "tracks embedding"]) -> Float[np.ndarray, " tracks"]:
        """How alike each track is to all that is liked, on the scale of cosines; the cosine for one seed."""
        cosines = np.minimum(np.maximum(tracks @ self.likes.T, -1), 1)  # rounding may leave 1 + 1e-7
        if len(self.likes) == 1:
            return np.asarray(cosines[:, 0])
        powers = np.maximum(1 + cosines, LEAST) ** EXPONENT
        return np.asarray((powers @ (self.weights / self.weights.sum())) ** (1 / EXPONENT) - 1)

    @typechecked
    def repulsion(
        self, tracks: Float32[np.ndarray, "tracks embedding"], sample: "LibrarySample"
    ) -> Float[np.ndarray, " tracks"]:
        """What to take off the similarity of tracks that are nearer than usual to something unliked.

        Usual is all up to a standard deviation above the mean cosine.
        """
        mean, spread = sample.usual(self.unlikes)
        too_near = np.maximum(tracks @ self.unlikes.T - mean - spread, 0)
        return np.asarray(REPULSION * too_near @ self.unlike_weights)
