"""A map that lasts: tracks stay where they are when others come, until a quarter of them are new.

Then t-SNE lays it out afresh, beginning at the places that tracks have, so that the new map resembles the old
one. Of more tracks than t-SNE can take, a sample is laid out; the others go next to their neighbours in it.
"""

import numpy as np

from soundkin.explore.map import map_points, sample_tracks
from soundkin.shapes import Bool, Float, typechecked
from soundkin.statistics.nearest_neighbours import nearest
from soundkin.statistics.scaling import unit_length

MOST_NEW = 0.25  # share of the tracks that neighbours may place
NEIGHBOURS = 3


@typechecked
def lay_out(
    vectors: Float[np.ndarray, "tracks embedding"], earlier: Float[np.ndarray, "tracks 2"], random_seed: int
) -> Float[np.ndarray, "tracks 2"]:
    """Two coordinates a track; `earlier` are those it had, NaN where it had none."""
    placed = np.isfinite(earlier[:, 0])
    if placed.any() and (~placed).mean() <= MOST_NEW:
        return _beside_neighbours(vectors, earlier, placed)
    start = _beside_neighbours(vectors, earlier, placed) if placed.any() else None
    rows = sample_tracks(len(vectors), random_seed)
    points = np.full((len(vectors), 2), np.nan)
    points[rows] = map_points(vectors[rows], random_seed, None if start is None else start[rows])
    return _beside_neighbours(vectors, points, np.isfinite(points[:, 0]))


def _beside_neighbours(
    vectors: Float[np.ndarray, "tracks embedding"],
    points: Float[np.ndarray, "tracks 2"],
    placed: Bool[np.ndarray, " tracks"],
) -> Float[np.ndarray, "tracks 2"]:
    """Put each track that is not `placed` amid its nearest neighbours that are."""
    points = points.copy()
    new = np.flatnonzero(~placed)
    if len(new):
        unit = unit_length(vectors.astype(np.float32))
        _, near = nearest(unit[new], unit[placed], min(NEIGHBOURS, int(placed.sum())))
        around = points[placed][near]
        # Nearer to the first than to the others, so that tracks with the same neighbours are apart.
        weights = np.random.default_rng(0).dirichlet(np.arange(near.shape[1], 0, -1.0), len(new))
        points[new] = (weights[:, :, None] * around).sum(axis=1)
    return points
