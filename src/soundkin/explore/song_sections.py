"""Sections of a song: where it changes, and which parts come again; letters in order of appearance.

Boundaries are those that explain most of how the song varies at a price each (`change_points`); sections
whose means lie close share a letter (average linkage). `benchmarks/sections.py` holds it beside the spectral
clustering of B. McFee and D. Ellis, "Analyzing song structure with spectral clustering" (2014).
"""

from itertools import pairwise
from string import ascii_uppercase
from typing import NamedTuple

import numpy as np

from soundkin.errors import UsageError
from soundkin.explore.change_points import change_points, change_points_at_price
from soundkin.explore.song_course import SongCourse
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.scaling import standardise

# Shares of what beats are compared by: the model hears what changes, chroma and timbre when it does.
VECTORS, CHROMA, TIMBRE = 1.0, 0.7, 0.7
PRICE = 3.3  # of a boundary, times the logarithm of the number of beats
SHORTEST_BEATS = 4
SAME = 0.8  # means that lie closer than this share of the beats' spread are of one letter
# Least likeness of a beat to the whole song from which on nothing changes: standardised, the little that a
# steady note's edges differ by would look like sections. The steadiest of 1,316 open songs has .988.
STEADY = 0.99


class SongSection(NamedTuple):
    """From one second to another; sections of one letter sound alike."""

    start: float
    end: float
    letter: str


@typechecked
def beat_features(course: SongCourse) -> Float[np.ndarray, "beats features"]:
    """What beats are compared by, in all its parts: standardised, each part of its share."""
    chroma = np.log1p(10 * course.chroma)
    parts = ((VECTORS, course.vectors), (CHROMA, chroma), (TIMBRE, course.timbre))
    return np.hstack([share * standardise(part) / np.sqrt(part.shape[1]) for share, part in parts])


def find_sections(course: SongCourse, kinds: int | None = None) -> list[SongSection]:
    """The sections of a song; `kinds` is how many letters there are, None: as many as there seem to be.

    Raises UsageError for fewer than one kind, or more than there are sections to tell apart.
    """
    if kinds is not None and kinds < 1:
        raise UsageError(f"sections={kinds}: ask for at least 1 kind of section.")
    features = beat_features(course)
    is_steady = kinds is None and course.likeness.min() >= STEADY
    boundaries = [] if is_steady else _boundaries(features, kinds)
    bounds = [0, *boundaries, len(features)]
    means = np.array([features[a:b].mean(axis=0) for a, b in pairwise(bounds)])
    if kinds is not None and kinds > len(means):
        raise UsageError(f"sections={kinds}: the song changes too little for so many. Ask for {len(means)}.")
    sections: list[SongSection] = []
    letters = _letters(_alike(means, features, kinds))
    for (start, end), letter in zip(pairwise(bounds), letters, strict=True):
        begin = course.starts[start]
        if sections and sections[-1].letter == letter:
            begin = sections.pop().start
        sections.append(SongSection(float(begin), float(course.starts[end]), letter))
    return sections


def _boundaries(features: Float[np.ndarray, "beats features"], kinds: int | None) -> list[int]:
    """Beats at which a section begins, but for the first; at least as many as `kinds` need."""
    if len(features) < 2 * SHORTEST_BEATS:
        return []
    found = change_points_at_price(features, SHORTEST_BEATS, PRICE * np.log(len(features)))
    wanted = min((kinds or 1) - 1, len(features) // SHORTEST_BEATS - 1)
    return change_points(features, SHORTEST_BEATS, wanted) if len(found) < wanted else found


def _alike(
    means: Float[np.ndarray, "sections features"],
    features: Float[np.ndarray, "beats features"],
    kinds: int | None,
) -> Int[np.ndarray, " sections"]:
    """A number a section, the same for those that sound alike."""
    spread = np.sqrt((features**2).sum(axis=1).mean())
    return grouped(means, kinds or 1, SAME * spread if kinds is None else np.inf)


@typechecked
def grouped(
    points: Float[np.ndarray, "points features"], fewest: int, farthest: float
) -> Int[np.ndarray, " points"]:
    """A number a point, the same in a group: the two groups with the least mean distance become one, over and
    over, while there are more than `fewest`, and that distance is at most `farthest` (average linkage).

    As by `scipy.cluster.hierarchy`, whose import takes as long as all else that is done with a song's beats.
    """
    distances = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    np.fill_diagonal(distances, np.inf)
    numbers, counts = np.arange(len(points)), np.ones(len(points))
    for _ in range(len(points) - fewest):
        kept, gone = np.unravel_index(int(distances.argmin()), distances.shape)
        if distances[kept, gone] > farthest:
            break
        means = np.average(distances[[kept, gone]], axis=0, weights=counts[[kept, gone]])
        distances[kept] = distances[:, kept] = (
            means  # infinite from each of the two to itself, and so they stay
        )
        distances[gone] = distances[:, gone] = np.inf
        counts[kept] += counts[gone]
        numbers[numbers == gone] = kept
    return numbers


def _letters(numbers: Int[np.ndarray, " sections"]) -> list[str]:
    """A, B, C in order of appearance; after Z comes A1."""
    order = {number: place for place, number in enumerate(dict.fromkeys(numbers.tolist()))}
    places = [divmod(order[number], len(ascii_uppercase)) for number in numbers.tolist()]
    return [ascii_uppercase[letter] + (str(turn) if turn else "") for turn, letter in places]
