"""Moments: where two tracks sound most alike, as two passages that run side by side.

Every patch of one track is compared with every patch of the other. A moment is a run along a diagonal, patch
by patch in both tracks: the one whose cosines add up to most above what these two have in common anyway
(local alignment without gaps, after T. F. Smith and M. S. Waterman, "Identification of Common Molecular
Subsequences", 1981). Subtracting what is common to a whole library as well changes nothing that
benchmarks/moments.py can measure.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from soundkin.embedding.store import PatchEmbeddings
from soundkin.shapes import Float32, typechecked
from soundkin.statistics.scaling import unit_length
from soundkin.units import clock

# Patches count for a moment when their cosine is this many standard deviations above the mean. With less,
# moments run on past a passage that is shared; with more, they stop short of it (benchmarks/moments.py).
STANDARD_DEVIATIONS = 1.75
MOST_OF_THE_WAY = 0.6  # from the mean to the best pair: no higher, as a track is like itself throughout
ROUNDING = 1e-5  # of cosines: tracks of one sound throughout have no deviation


@dataclass(frozen=True)
class Moment:
    """A passage of one track, and one as long of the other, in seconds.

    `likeness` is the mean cosine of its patches side by side; `here_patch` and `there_patch` are the first,
    each `patch_seconds` long.
    """

    here_seconds: float
    there_seconds: float
    seconds: float
    likeness: float
    here_patch: int
    there_patch: int
    patches: int
    patch_seconds: float

    def __str__(self) -> str:
        return f"{clock(self.here_seconds)} here, {clock(self.there_seconds)} there, for {self.seconds:.0f} s"


def best_moment(here: PatchEmbeddings, there: PatchEmbeddings, patch_seconds: float | None = None) -> Moment:
    """Where `here` and `there` sound most alike.

    Patches are `patch_seconds` long, or else as long as from one to the next; of patches that overlap, each
    stands for its middle.
    """
    ours, theirs = unit_length(here.vectors), unit_length(there.vectors)
    first, last, lag = _best_run(ours, theirs)
    hop = _hop_seconds(here.start_seconds) or _hop_seconds(there.start_seconds) or patch_seconds or 0.0
    patch_seconds = patch_seconds or hop
    margin = max(0.0, patch_seconds - hop) / 2
    products = ours[first : last + 1] * theirs[first + lag : last + lag + 1]
    return Moment(
        here_seconds=here.start_seconds[first] + margin,
        there_seconds=there.start_seconds[first + lag] + margin,
        seconds=here.start_seconds[last] - here.start_seconds[first] + hop,
        likeness=float(products.sum(axis=1).mean()),
        here_patch=first,
        there_patch=first + lag,
        patches=last - first + 1,
        patch_seconds=patch_seconds,
    )


@typechecked
def _best_run(
    here: Float32[np.ndarray, "patches embedding"], there: Float32[np.ndarray, "others embedding"]
) -> tuple[int, int, int]:
    """First and last patch of `here` in the best run, and how many places further it lies in `there`."""
    threshold = _threshold(here, there)
    most, run = -np.inf, (0, 0, 0)
    sums, firsts = np.full(len(there), -1.0), np.zeros(len(there), int)  # of the runs that end here
    for patch, vector in enumerate(here):
        before, began = np.append(-1.0, sums[:-1]), np.append(patch, firsts[:-1])
        goes_on = before >= 0
        sums = there @ vector - threshold + np.where(goes_on, before, 0.0)
        firsts = np.where(goes_on, began, patch)
        end = int(sums.argmax())
        if sums[end] > most:
            most, run = float(sums[end]), (int(firsts[end]), patch, end - patch)
    return run


def _threshold(here: np.ndarray, there: np.ndarray) -> float:
    """The cosine that counts for nothing."""
    ours, theirs = here.astype(float), there.astype(float)
    mean = float(ours.mean(axis=0) @ theirs.mean(axis=0))  # of all cosines, without the whole table of them
    mean_square = float(np.sum((ours.T @ ours) * (theirs.T @ theirs))) / (len(here) * len(there))
    deviation = max(0.0, mean_square - mean**2) ** 0.5
    best = max(float((there @ vector).max()) for vector in here)
    threshold: float = min(mean + STANDARD_DEVIATIONS * deviation, mean + MOST_OF_THE_WAY * (best - mean))
    return threshold - ROUNDING


def _hop_seconds(starts: list[float]) -> float:
    return float(np.median(np.diff(starts))) if len(starts) > 1 else 0.0


def moment_of(patches: Mapping[str, PatchEmbeddings], query: str, neighbour: str) -> str:
    """The moment of two tracks in words, by their patch vectors; nothing where these were not kept."""
    if query not in patches or neighbour not in patches:
        return ""
    moment = best_moment(patches[neighbour], patches[query])
    return f"its {clock(moment.here_seconds)} is most like the query's {clock(moment.there_seconds)}"
