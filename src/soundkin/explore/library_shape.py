"""The shape of a library: clusters and what is typical of them, density, hubs, orphans, growth, and plays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from soundkin.extras import require

require("explore", "the shape of a library")

import numpy as np

from soundkin.catalog.labels import Labels
from soundkin.explore.cluster_growth import Growth, cluster_growth
from soundkin.explore.library_clusters import LibraryCluster, library_clusters, named_clusters
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.nearest_neighbours import nearest_others
from soundkin.statistics.scaling import unit_length

NEAREST = 10  # in a list of neighbours
FEWEST_TRACKS = 3 * NEAREST  # of fewer, everybody is in most lists
SHOWN = 3  # hubs, orphans
HUB = 3.0  # times the lists that a track is in on average


@dataclass(frozen=True, eq=False)
class LibraryShape:
    """What a library holds, an entry a track.

    `names` say what a track is. `places` are those on the map. `clusters` count from 0, the largest first.
    `listed` is in how many other tracks' lists of the ten nearest a track is; `nearest` its cosine with the
    nearest other, and `density` the mean with the ten nearest (NaN where there is no other). `years` are NaN
    where not known; `plays` are a listener's, None without one.
    """

    name: str
    track_ids: Sequence[str]
    names: Sequence[str]
    places: Float[np.ndarray, "tracks 2"]
    clusters: Int[np.ndarray, " tracks"]
    parts: Sequence[LibraryCluster]
    listed: Int[np.ndarray, " tracks"]
    nearest: Float[np.ndarray, " tracks"]
    density: Float[np.ndarray, " tracks"]
    years: Float[np.ndarray, " tracks"]
    plays: Float[np.ndarray, " tracks"] | None = None

    @property
    def finding(self) -> str:
        """What there is to see, in a sentence."""
        if len(self.parts) < 2:
            return "no clear clusters"
        return f"{len(self.parts)} clusters, the largest ({self.share(0):.0%}): {self.parts[0].name}"

    def share(self, cluster: int) -> float:
        """Which share of the tracks is in a cluster."""
        return len(self.parts[cluster].rows) / len(self.names)

    def played(self, cluster: int) -> float:
        """Which share of the plays is in a cluster."""
        if self.plays is None:
            return 0.0
        return float(self.plays[self.parts[cluster].rows].sum() / self.plays.sum())

    @cached_property
    def hubs(self) -> list[int]:
        """The tracks that are in three times as many lists as usual, and more; the first is in most."""
        order = np.argsort(-self.listed, kind="stable")
        return [*order[self.listed[order] >= HUB * NEAREST].tolist()] if self._lists else []

    @cached_property
    def orphans(self) -> list[int]:
        """The tracks that are in nobody's list; the first is the farthest from its own nearest."""
        rows = np.flatnonzero(self.listed == 0) if self._lists else np.empty(0, int)
        return [*rows[np.argsort(self.nearest[rows], kind="stable")].tolist()]

    @cached_property
    def densities(self) -> Float[np.ndarray, " clusters"]:
        """The mean density of each cluster."""
        return np.array([self.density[part.rows].mean() for part in self.parts])

    @cached_property
    def growth(self) -> Growth | None:
        """The cluster that grew most over the years, if one did beyond chance."""
        return cluster_growth(self.clusters, self.years) if len(self.parts) > 1 else None

    def title_of(self, cluster: int) -> str:
        """`3 chiptune`: a cluster's number, which counts from 1, and its name."""
        return f"{cluster + 1} {self.parts[cluster].name}"

    @property
    def _lists(self) -> bool:
        return len(self.names) >= FEWEST_TRACKS

    def hub_line(self) -> str:
        """Which tracks are in most lists."""
        if not self._lists:
            return "too few tracks for hubs and orphans"
        if not self.hubs:
            return f"no hubs: no track is among the {NEAREST} nearest of {HUB * NEAREST:.0f} others and more"
        counts = [f"{self.names[row]} ({self.listed[row]})" for row in self.hubs[:SHOWN]]
        return f"hubs, among the {NEAREST} nearest of many others (usual: {NEAREST}): {'; '.join(counts)}"

    def orphan_line(self) -> str:
        """Which tracks are in no list."""
        if not self.orphans:
            return "no orphans: each track is among the nearest of another"
        count, share = len(self.orphans), len(self.orphans) / len(self.names)
        alone = [f"{self.names[row]} ({self.nearest[row]:.2f})" for row in self.orphans[:SHOWN]]
        return (
            f"orphans, among the {NEAREST} nearest of no other: {count} tracks ({share:.0%}); most alone, by "
            f"the cosine with their nearest (usual: {np.median(self.nearest):.2f}): {'; '.join(alone)}"
        )

    def density_line(self) -> str:
        """Where tracks are most and least alike."""
        near, far = int(self.densities.argmax()), int(self.densities.argmin())
        return (
            f"most alike: {self.title_of(near)} ({self.densities[near]:.2f}), least: {self.title_of(far)} "
            f"({self.densities[far]:.2f})"
        )

    def year_line(self) -> str:
        """What changed over the years."""
        dated = self.years[np.isfinite(self.years)]
        if not len(dated):
            return "no track has a year"
        span = f"{int(dated.min())} to {int(dated.max())}" if np.ptp(dated) else f"{int(dated[0])}"
        said = f"years: {span} ({len(dated) / len(self.names):.0%} of the tracks have one)"
        return f"{said}; {self.growth_finding}" if len(self.parts) > 1 and np.ptp(dated) else said

    @property
    def growth_finding(self) -> str:
        """Which cluster grew most."""
        if (grown := self.growth) is None:
            return "no cluster grew beyond chance"
        shares = f"{grown.before:.0%} of the tracks up to {grown.middle}, {grown.after:.0%} since"
        return f"{self.title_of(grown.cluster)} grew most: {shares}"

    @property
    def play_finding(self) -> str:
        """Where most plays are; empty without any."""
        if self.plays is None:
            return ""
        if len(self.parts) < 2:
            return f"{self.plays.sum():,.0f} plays of {(self.plays > 0).sum():,} tracks"
        most = int(np.argmax([self.played(number) for number in range(len(self.parts))]))
        share, tracks = self.played(most), self.share(most)
        return f"{share:.0%} of the plays are in {self.title_of(most)}, with {tracks:.0%} of the tracks"

    def lines(self) -> list[str]:
        """In words."""
        lines = [f"{self.name} ({len(self.names):,} tracks): {self.finding}"]
        for number, part in enumerate(self.parts) if len(self.parts) > 1 else []:
            plays = "" if self.plays is None else f", {self.played(number):.0%} of the plays"
            typical = [
                f"{each.label} {each.share:.0%} (elsewhere {each.share_elsewhere:.0%})"
                for each in part.typical
            ]
            said = [*typical[:SHOWN], f"most typical: {self.names[part.centre]}"]
            tracks = f"{len(part.rows):,} tracks ({self.share(number):.0%})"
            lines.append(f"{self.title_of(number)}: {tracks}{plays}; {'; '.join(said)}")
        lines += [self.play_finding] if self.play_finding else []
        lines += [self.hub_line(), self.orphan_line()] if self._lists else [self.hub_line()]
        lines += [self.density_line()] if len(self.parts) > 1 else []
        return [*lines, self.year_line()]

    def summary(self) -> dict[str, object]:
        """The findings and all arrays as plain values, for JSON."""
        return {
            "name": self.name,
            "clusters": [
                {
                    "name": part.name,
                    "tracks": len(part.rows),
                    "plays": None if self.plays is None else float(self.plays[part.rows].sum()),
                    "typical": [each._asdict() for each in part.typical],
                    "most_typical": self.track_ids[part.centre],
                    "density": round(float(density), 4),
                }
                for part, density in zip(self.parts, self.densities, strict=True)
            ],
            "hubs": [self.track_ids[row] for row in self.hubs[:SHOWN]],
            "orphans": [self.track_ids[row] for row in self.orphans],
            "growth": None if self.growth is None else self.growth._asdict(),
            "tracks": {
                "track_id": list(self.track_ids),
                "x": np.round(self.places[:, 0], 4).tolist(),
                "y": np.round(self.places[:, 1], 4).tolist(),
                "cluster": self.clusters.tolist(),
                "listed": self.listed.tolist(),
                "nearest": np.round(self.nearest, 4).tolist(),
                "density": np.round(self.density, 4).tolist(),
                "year": [int(year) if np.isfinite(year) else None for year in self.years.tolist()],
                "plays": None if self.plays is None else self.plays.tolist(),
            },
        }


@typechecked
def library_shape(
    name: str,
    track_ids: Sequence[str],
    names: Sequence[str],
    vectors: Float[np.ndarray, "tracks embedding"],
    places: Float[np.ndarray, "tracks 2"],
    labels: Mapping[str, Labels],
    years: Float[np.ndarray, " tracks"],
    plays: Float[np.ndarray, " tracks"] | None = None,
    random_seed: int = 0,
) -> LibraryShape:
    """The shape of one track and more. `labels` are what each column holds for each track; () is unknown."""
    units = unit_length(vectors.astype(np.float32))
    clusters = library_clusters(units, random_seed)
    cosines, near = nearest_others(units, NEAREST)
    alone = not cosines.shape[1]
    unknown = np.full(len(units), np.nan)
    return LibraryShape(
        name,
        track_ids,
        names,
        places,
        clusters,
        named_clusters(units, clusters, labels, names),
        np.bincount(near.ravel(), minlength=len(units)),
        unknown if alone else cosines[:, 0].astype(float),
        unknown if alone else cosines.mean(axis=1, dtype=float),
        years,
        plays,
    )
