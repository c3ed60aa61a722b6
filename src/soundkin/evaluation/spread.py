"""Spread: how far the patches of one track lie apart in a space, beside those of different tracks."""

from collections.abc import Iterable

import numpy as np
from pydantic import BaseModel

from soundkin.errors import UsageError
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import Interval, compare
from soundkin.statistics.measure import Measure
from soundkin.statistics.scaling import unit_length

WITHIN, BETWEEN = "within a track", "between tracks"


class Spread(BaseModel, frozen=True):
    """Mean cosine distance, in [0, 2], of two patches of one track, and of two tracks, over the `tracks` of
    several.

    `groups` counts their artists.
    """

    system: str
    tracks: int
    groups: int
    within: Interval
    between: Interval

    @property
    def ratio(self) -> float | None:
        """Within over between: 0 where a track is a point, 1 where its patches lie anywhere; None where all
        is one.
        """
        return self.within.mean / self.between.mean if self.between.mean > 1e-9 else None


def spread_of(
    system: str,
    patches: Iterable[Float[np.ndarray, "patches _"]],
    groups: Int[np.ndarray, " tracks"],
    resamples: int,
    random_seed: int,
) -> Spread | None:
    """How far `patches` of tracks in order lie apart, on draws of `groups`: the tracks' artists.

    None where no track has two patches, or none has company.

    Raises:
        UsageError: there are patches of more or fewer tracks, or one holds a NaN or infinity.
    """
    within, between = patch_distances(patches)
    if len(within) != len(groups):
        raise UsageError(
            f"patches of {len(within)} tracks for {len(groups)} vectors. Give those of each track."
        )
    measure = Measure(
        "spread", "patches", "cosine distance", None, {WITHIN: within, BETWEEN: between}, groups
    )
    if not measure.asked.any():
        return None
    found = compare(measure, resamples, random_seed)
    within_one, between_two = found.scores
    return Spread(
        system=system,
        tracks=int(measure.asked.sum()),
        groups=found.groups,
        within=within_one,
        between=between_two,
    )


@typechecked
def patch_distances(
    patches: Iterable[Float[np.ndarray, "_ embedding"]],
) -> tuple[Float[np.ndarray, " tracks"], Float[np.ndarray, " tracks"]]:
    """Of each track: mean cosine distance of two of its patches, and of one of its patches and one of another
    track.

    One track's patches are in memory at a time. All pairs are counted, by sums of unit vectors; other tracks
    count alike, however many patches they have. Within is NaN for a track of fewer than two patches, between
    for one without any or without company.

    Raises:
        UsageError: a patch vector holds a NaN or infinity.
    """
    found = []
    for row, of_track in enumerate(patches):
        if not np.isfinite(of_track).all():
            raise UsageError(f"a patch vector of track {row} holds a NaN or infinity. Leave the track out.")
        unit = unit_length(np.asarray(of_track, dtype=np.float64))
        # Patches that are not all zero have a cosine of 1 with themselves.
        found.append((len(unit), unit.sum(axis=0), np.square(unit).sum()))
    if not found:
        return np.zeros(0), np.zeros(0)
    counts, sums, directed = (np.array(part) for part in zip(*found, strict=True))
    within = 1 - _divide(np.square(sums).sum(axis=1) - directed, counts * (counts - 1))
    means = sums / np.maximum(counts, 1)[:, None]
    others = np.where(counts > 0, (counts > 0).sum() - 1, 0)
    between = 1 - _divide(means @ means.sum(axis=0) - np.square(means).sum(axis=1), others)
    return within, between


def _divide(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, " tracks"]:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))
