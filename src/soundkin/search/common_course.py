"""What the courses of two songs have in common: where both come back to a sound, and where both leave it."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from soundkin.embedding.store import PatchEmbeddings
from soundkin.search.trajectory import STEPS, trajectory
from soundkin.shapes import Bool, Float32
from soundkin.units import clock


class SongPlaces(NamedTuple):
    """Seconds of two places of a song, the earlier one first."""

    first: float
    second: float


@dataclass(frozen=True)
class CommonCourse:
    """Two places `here` and the same two `there`, by how much of each song has gone by.

    `return_here` and `return_there` sound alike in both songs, and `change_here` and `change_there` differ in
    both, each more than two places of these songs usually do, and what lies between those that sound alike
    differs from them; None where there are none such. Of all they are those that add most to `score`, the
    cosine of the trajectories.
    """

    score: float
    return_here: SongPlaces | None
    return_there: SongPlaces | None
    change_here: SongPlaces | None
    change_there: SongPlaces | None

    def reasons(self) -> list[str]:
        """In words."""
        told = []
        if self.return_here and self.return_there:
            told.append(
                f"{_and(self.return_here)} sound alike here, and so do {_and(self.return_there)} there"
            )
        if self.change_here and self.change_there:
            told.append(f"{_and(self.change_here)} differ here, and so do {_and(self.change_there)} there")
        return told


def common_course(here: PatchEmbeddings, there: PatchEmbeddings) -> CommonCourse:
    """Compare two songs that have trajectories, by their patches."""
    ours, theirs = trajectory(here.vectors), trajectory(there.vectors)
    earlier, later = np.triu_indices(STEPS, 1)
    returns = (ours > 0) & (theirs > 0) & _left(ours) & _left(theirs)
    changes = (ours < 0) & (theirs < 0)
    found: list[SongPlaces | None] = []
    for both in (returns, changes):
        place = _heaviest(ours * theirs, both)
        for song in (here, there):
            found.append(None if place is None else _places(song, int(earlier[place]), int(later[place])))
    return CommonCourse(float(ours @ theirs), *found)


def _left(way: Float32[np.ndarray, " places"]) -> Bool[np.ndarray, " places"]:
    """Whether, between the two places, the song has gone to what differs from the first."""
    upper = np.triu_indices(STEPS, 1)
    likeness = np.full((STEPS, STEPS), np.inf, np.float32)
    likeness[upper] = way
    return np.asarray(np.minimum.accumulate(likeness, axis=1)[upper] < 0)


def _heaviest(products: Float32[np.ndarray, " places"], mask: Bool[np.ndarray, " places"]) -> int | None:
    return int(np.where(mask, products, -np.inf).argmax()) if mask.any() else None


def _places(song: PatchEmbeddings, *steps: int) -> SongPlaces:
    """Steps, of which a song has STEPS, in seconds: of the patches that stand in their middles."""
    patches = (np.array(steps) + 0.5) / STEPS * len(song.start_seconds) - 0.5
    seconds = np.interp(patches, np.arange(len(song.start_seconds)), song.start_seconds)
    return SongPlaces(*seconds.tolist())


def _and(places: SongPlaces) -> str:
    return f"{clock(places.first)} and {clock(places.second)}"
