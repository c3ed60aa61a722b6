"""The shape of an album, or of any list of tracks in order: groups, the odd one out, transitions that jar."""

from collections.abc import Sequence
from dataclasses import dataclass

from soundkin.extras import require

require("explore", "the shape of an album")

import numpy as np
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_score

from soundkin.explore.album_plane import Plane, places_in_plane, plane_for
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.scaling import unit_length

FEWEST_TRACKS = 4  # of fewer no track is odd, and there are no groups
MOST_GROUPS = 6
CLEAR_GROUPS = 0.15  # mean silhouette (Rousseeuw 1987) below which there is one group
STANDS_OUT = 3.5  # robust deviations (Iglewicz & Hoaglin 1993)


@dataclass(frozen=True, eq=False)
class AlbumShape:
    """How the tracks of a list, in their order, are like each other.

    `likeness` are cosines. `by_group` is an order in which tracks that are alike stand together, `groups`
    numbers from 0. `places` are the tracks in a plane, laid out by the method `plane`.
    `apart` says of each track how far its mean likeness to the others lies below the median of all, and
    `jarring` of each transition how far its likeness does, both in robust deviations.
    """

    name: str
    names: Sequence[str]
    likeness: Float[np.ndarray, "tracks tracks"]
    groups: Int[np.ndarray, " tracks"]
    by_group: Int[np.ndarray, " tracks"]
    places: Float[np.ndarray, "tracks 2"]
    apart: Float[np.ndarray, " tracks"]
    jarring: Float[np.ndarray, " transitions"]
    plane: Plane = "scaling"

    @property
    def odd_one_out(self) -> int | None:
        """The track that is least like the others, if it stands out."""
        if len(self.names) < FEWEST_TRACKS or self.apart.max() < STANDS_OUT:
            return None
        return int(self.apart.argmax())

    @property
    def members(self) -> list[list[int]]:
        """The tracks of each group of two and more."""
        found = [np.flatnonzero(self.groups == group).tolist() for group in range(self.groups.max() + 1)]
        return [group for group in found if len(group) > 1]

    @property
    def jarring_transitions(self) -> list[int]:
        """After which tracks, from 0, comes one that is unusually unlike, for this list; the worst first."""
        order = np.argsort(-self.jarring, kind="stable").tolist()
        return [place for place in order if self.jarring[place] >= STANDS_OUT]

    @property
    def finding(self) -> str:
        """What there is to see, in a sentence."""
        count = len(self.members)
        said = [f"{count} groups" if count > 1 else "no clear groups"]
        odd = self.odd_one_out
        said.append("no track stands out" if odd is None else f"{self.names[odd]} stands out")
        return ", ".join(said)

    def lines(self) -> list[str]:
        """In words."""
        lines = [f"{self.name} ({len(self.names)} tracks): {self.finding}"]
        if (odd := self.odd_one_out) is not None:
            means = _mean_of_others(self.likeness)
            usual = np.median(means)
            lines.append(f"{self.names[odd]} is {means[odd]:.2f} like the others, where {usual:.2f} is usual")
        usual = np.median(np.diagonal(self.likeness, 1))
        for place in self.jarring_transitions:
            here, there = self.names[place : place + 2]
            lines.append(
                f"jars: {here} to {there}, {self.likeness[place, place + 1]:.2f} (usual: {usual:.2f})"
            )
        for number, group in enumerate(self.members, 1) if len(self.members) > 1 else []:
            lines.append(f"group {number}: {', '.join(self.names[track] for track in group)}")
        return lines

    def summary(self) -> dict[str, object]:
        """The findings as plain values, for JSON."""
        return {
            "name": self.name,
            "tracks": list(self.names),
            "likeness": np.round(self.likeness, 4).tolist(),
            "groups": self.groups.tolist(),
            "by_group": self.by_group.tolist(),
            "plane": self.plane,
            "places": np.round(self.places, 4).tolist(),
            "odd_one_out": self.odd_one_out,
            "jarring_transitions": self.jarring_transitions,
        }


@typechecked
def album_shape(
    name: str, names: Sequence[str], vectors: Float[np.ndarray, "tracks embedding"], plane: Plane = "scaling"
) -> AlbumShape:
    """The shape of two tracks and more, by their vectors, which stand in the tracks' order."""
    units = unit_length(vectors.astype(float))
    likeness = np.clip(units @ units.T, -1, 1)
    tree = linkage(squareform(1 - likeness, checks=False), "average", optimal_ordering=True)
    return AlbumShape(
        name,
        names,
        likeness,
        _groups(likeness, tree),
        leaves_list(tree).astype(np.int64),
        places_in_plane(units, plane),
        _below_median(_mean_of_others(likeness)),
        _below_median(np.diagonal(likeness, 1)),
        plane_for(plane, len(units)),
    )


def _groups(
    likeness: Float[np.ndarray, "tracks tracks"], tree: Float[np.ndarray, "merges 4"]
) -> Int[np.ndarray, " tracks"]:
    """The cut of the tree whose silhouette is best, numbered as they come; one group where none is clear."""
    distances = np.clip(1 - likeness, 0, None)
    np.fill_diagonal(distances, 0)
    best, chosen = CLEAR_GROUPS, np.zeros(len(likeness), np.int64)
    for count in range(2, min(MOST_GROUPS, len(likeness) - 1) + 1) if len(likeness) >= FEWEST_TRACKS else []:
        labels = fcluster(tree, count, "maxclust")
        if len(set(labels.tolist())) < 2:
            continue
        if (clear := silhouette_score(distances, labels, metric="precomputed")) > best:
            best, chosen = clear, labels.astype(np.int64)
    _, first, numbers = np.unique(chosen, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers].astype(np.int64)


def _mean_of_others(likeness: Float[np.ndarray, "tracks tracks"]) -> Float[np.ndarray, " tracks"]:
    means: Float[np.ndarray, " tracks"] = (likeness.sum(axis=1) - np.diagonal(likeness)) / (len(likeness) - 1)
    return means


def _below_median(values: Float[np.ndarray, " values"]) -> Float[np.ndarray, " values"]:
    """How far each lies below the median, in robust deviations (1.4826 times the median distance from it)."""
    below = np.median(values) - values
    deviation = 1.4826 * np.median(np.abs(below))
    return below / deviation if deviation > 1e-9 else np.zeros(len(values))
