"""Tracks in a plane, by one of three methods; the two that keep neighbourhoods alone need ten tracks."""

from typing import Literal

from soundkin.extras import require

require("explore", "tracks in a plane")

import numpy as np
from sklearn.decomposition import PCA

from soundkin.explore.map import FEWEST_FOR_TSNE, map_points
from soundkin.shapes import Float, typechecked

Plane = Literal["scaling", "tsne", "umap"]
SAID: dict[Plane, str] = {
    "scaling": "Near means alike, as well as a plane can say it (classical scaling).",
    "tsne": "Neighbours are alike (t-SNE); how far apart others are means nothing.",
    "umap": "Neighbours are alike (UMAP); how far apart others are means nothing.",
}
UMAP_NEIGHBOURS = 15


@typechecked
def plane_for(plane: Plane, tracks: int) -> Plane:
    """The method that serves so many tracks: of fewer than ten, scaling."""
    return plane if tracks >= FEWEST_FOR_TSNE else "scaling"


@typechecked
def places_in_plane(
    units: Float[np.ndarray, "tracks embedding"], plane: Plane, random_seed: int = 0
) -> Float[np.ndarray, "tracks 2"]:
    """Two coordinates a track, by its vector of unit length: `scaling` keeps distances (Torgerson 1952).

    `tsne` (van der Maaten & Hinton 2008) and `umap` (McInnes, Healy & Melville 2018) keep neighbourhoods, of
    ten tracks and more that are not all the same. Raises MissingExtraError where umap-learn is not installed.
    """
    if plane_for(plane, len(units)) == "scaling" or np.ptp(units, axis=0).max() < 1e-6:
        with np.errstate(invalid="ignore"):  # tracks that are all the same have no variance
            return np.asarray(PCA(2, random_state=0).fit_transform(units))
    if plane == "tsne":
        return map_points(units, random_seed)
    require("umap", "a plane by UMAP")
    from umap import UMAP

    near = min(UMAP_NEIGHBOURS, len(units) - 1)
    # A seed takes one process; PCA begins where a spectral beginning fails on few tracks.
    reducer = UMAP(n_neighbors=near, metric="cosine", init="pca", random_state=random_seed, n_jobs=1)
    return np.asarray(reducer.fit_transform(units), float)
