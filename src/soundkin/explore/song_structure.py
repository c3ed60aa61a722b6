"""All that is found of one song: its course, sections, likeness to itself and way through the embedding."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from soundkin.explore.self_similarity import novelty, self_similarity
from soundkin.explore.song_course import SongCourse
from soundkin.explore.song_sections import SongSection, beat_features, find_sections
from soundkin.shapes import Float, typechecked
from soundkin.units import clock

VIEWS = ("what the model hears", "chroma", "timbre")  # whose self-similarity there is


class SongPassage(NamedTuple):
    """A moment of a song, and the cosine of its vector with the song's mean vector."""

    seconds: float
    likeness: float


@dataclass(frozen=True, eq=False)
class SongStructure:
    """What `explore_track` finds; arrays go by the beats of `course`.

    `similarities` are cosines of each two beats, by each of VIEWS; `novelty` says how much changes at a beat,
    0 to 1; `way` are the three principal components of the model's vectors, and `shares` how much of
    their variance each holds. `typical` is the moment most like the whole song, `unlike` the one least so.
    """

    name: str
    course: SongCourse
    sections: list[SongSection]
    similarities: Mapping[str, Float[np.ndarray, "beats beats"]]
    novelty: Float[np.ndarray, " beats"]
    way: Float[np.ndarray, "beats 3"]
    shares: Float[np.ndarray, " 3"]
    typical: SongPassage
    unlike: SongPassage

    @property
    def form(self) -> str:
        """The letters of the sections, as `ABAC`."""
        return "".join(section.letter for section in self.sections)

    @property
    def finding(self) -> str:
        """What there is to see, in a sentence."""
        kinds = len({section.letter for section in self.sections})
        if len(self.sections) == 1:
            found = "one section: it hardly changes"
        else:
            found = f"{len(self.sections)} sections of {kinds} kinds, {self.form}"
        pulse = f"{self.course.tempo:.0f} beats a minute" if self.course.tempo else "no steady beat"
        return f"{found}; {pulse}"

    def lines(self) -> list[str]:
        """In words: the finding, the sections, and the two moments."""
        sections = [f"  {each.letter:2} {clock(each.start)} to {clock(each.end)}" for each in self.sections]
        typical, unlike = self.typical, self.unlike
        return [
            f"{self.name} ({clock(self.course.seconds)}): {self.finding}",
            *sections,
            f"most typical: {clock(typical.seconds)} (cosine with the whole song {typical.likeness:.2f})",
            f"least like the rest: {clock(unlike.seconds)} ({unlike.likeness:.2f})",
        ]

    def summary(self) -> dict[str, object]:
        """The findings as plain values, for JSON."""
        return {
            "name": self.name,
            "seconds": self.course.seconds,
            "tempo": self.course.tempo,
            "form": self.form,
            "sections": [section._asdict() for section in self.sections],
            "typical": self.typical._asdict(),
            "unlike": self.unlike._asdict(),
        }


def song_structure(
    name: str, course: SongCourse, kinds: int | None = None, smooth_beats: int = 1
) -> SongStructure:
    """Find all of it; `kinds` of sections as in `find_sections`, `smooth_beats` as in `self_similarity`."""
    chroma = np.log1p(10 * course.chroma)
    parts = dict(zip(VIEWS, (course.vectors, chroma, course.timbre), strict=True))
    likeness = course.likeness
    typical, unlike = (SongPassage(float(course.middles[at]), float(likeness[at])) for at in _ends(likeness))
    return SongStructure(
        name,
        course,
        find_sections(course, kinds),
        {view: self_similarity(part.astype(float), smooth_beats) for view, part in parts.items()},
        novelty(self_similarity(beat_features(course))),
        *_principal(course.vectors.astype(float)),
        typical,
        unlike,
    )


def _ends(likeness: Float[np.ndarray, " beats"]) -> tuple[int, int]:
    return int(likeness.argmax()), int(likeness.argmin())


@typechecked
def _principal(
    vectors: Float[np.ndarray, "beats embedding"],
) -> tuple[Float[np.ndarray, "beats 3"], Float[np.ndarray, " 3"]]:
    """The first three principal components, zeros where there are fewer, and their shares of the variance."""
    left, singular, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    places, shares = np.zeros((len(vectors), 3)), np.zeros(3)
    used = min(3, len(singular))
    places[:, :used] = left[:, :used] * singular[:used]
    shares[:used] = singular[:used] ** 2 / max(float((singular**2).sum()), 1e-12)
    return places, shares
