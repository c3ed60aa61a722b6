"""The shape of the space that vectors span: hubs, how far a track's patches lie apart, how many dimensions
are used.

- *Hubs*, by the cosine and by each similarity of `hub_reduction`; where questions are given, what that costs
  or gains in retrieval, with the filter on.
- *Spread*: the mean cosine distance of two patches of one track, against that of two patches of different
  tracks.
- *Effective dimension*: the participation ratio of the eigenvalues of the covariance, (sum)^2 / sum of
  squares (P. Gao et al., "A theory of multineuronal dimensionality, dynamics and measurement", 2017), and how
  many dimensions hold 95% of the variance. Vectors have unit length there, since cosine is what queries
  compare by.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from soundkin.evaluation.hub_reduction import COSINE, RESAMPLES, Neighbours, Retrieved, neighbours
from soundkin.evaluation.hubness import Hubness
from soundkin.evaluation.label_questions import Question
from soundkin.evaluation.spread import BETWEEN, WITHIN, Spread, spread_of
from soundkin.evaluation.systems import check_systems
from soundkin.progress import progress
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import interval_note, too_few
from soundkin.statistics.scaling import unit_length

MOST_TRACKS = 5000  # ranked in full, in 5 s a system and 150 MB; of more, a sample
MOST_VARIANCE = 0.95
ROWS_AT_ONCE = 4096


class Dimensions(BaseModel, frozen=True):
    """How many of a system's `given` dimensions are used; `effective` is the participation ratio, at least 1.

    `holding_most` is how many directions hold 95% of the variance. Both are 0 where all vectors point one
    way.
    """

    system: str
    given: int
    effective: float
    holding_most: int


class Geometry(BaseModel, frozen=True):
    """The spaces of systems side by side; the first one is ours, and `spread` is of its patches.

    `ranked` is how many tracks stand behind hubs and retrieval: all, or a sample of very many. They are by so
    many artists (`groups`; `unit`), whom intervals draw.
    """

    title: ClassVar[str] = "geometry"
    systems: tuple[str, ...]
    tracks: int
    ranked: int
    neighbours: tuple[Neighbours, ...]
    dimensions: tuple[Dimensions, ...]
    spread: Spread | None
    groups: int
    unit: str = "artists"
    notes: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def verdict(self) -> str:
        """One line: the hubs of ours, what reducing them does, its dimensions, how far patches lie apart."""
        if self.ranked < 2:
            return "nothing measured: neighbours need two tracks."
        cosine, *others = [of for of in self.neighbours if of.hubness.system == self.systems[0]]
        used = self.dimensions[0]
        parts = [
            f"{used.system}: skewness of hubs {_hubs_in_words(cosine.hubness)}",
            *(
                f"{of.similarity} brings it to {of.hubness.skewness:.2f}{_gains_in_words(of)}"
                for of in others
            ),
            f"{used.effective:.1f} of {used.given} dimensions in effect",
        ]
        if self.spread is not None and self.spread.ratio is not None:
            parts.append(f"patches of one track {self.spread.ratio:.0%} as far apart as those of two")
        return "; ".join(parts)

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system and similarity; what no similarity changes stands with the plain
        cosine.
        """
        dimensions = {of.system: of for of in self.dimensions}
        return [
            {
                "system": of.hubness.system,
                "similarity": of.similarity,
                f"tracks ({self.unit})": f"{self.ranked} ({self.groups})",
                "hubness: skewness": f"{of.hubness.skewness:.2f}",
                "antihubs": f"{of.hubness.antihubs:.0%}",
                "largest hub": f"{of.hubness.largest_hub:.1%}",
                **{f"{found.label} {found.metric}": _score_in_words(found) for found in of.retrieval},
                **(self._of_the_space(dimensions[of.hubness.system]) if of.similarity == COSINE else {}),
            }
            for of in self.neighbours
        ]

    def _of_the_space(self, used: Dimensions) -> dict[str, str]:
        cells = {
            "effective dimension": f"{used.effective:.1f} of {used.given}",
            f"hold {MOST_VARIANCE:.0%} of variance": str(used.holding_most),
        }
        if self.spread is not None and self.spread.system == used.system:
            cells |= {
                f"distance {WITHIN}": str(self.spread.within),
                f"distance {BETWEEN}": str(self.spread.between),
            }
        return cells


def geometry(
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    patches: Iterable[Float[np.ndarray, "patches _"]] | None = None,
    questions: Sequence[Question] = (),
    k: int = 10,
    random_seed: int = 0,
    resamples: int = RESAMPLES,
    most_tracks: int = MOST_TRACKS,
    artists: Int[np.ndarray, " tracks"] | None = None,
) -> Geometry:
    """Measure the spaces of `systems`, row i of each the vector of track i.

    `patches` are the patch vectors that the first system has of each track, in the same order: they are
    looked at one track at a time, and may be read from a file meanwhile. `questions` are about the same
    tracks. Intervals draw whole `artists`, numbers of the tracks' artists (those of the questions by
    default), or whole tracks where nobody says by whom they are. Of more than `most_tracks` tracks a sample
    is ranked; memory is bounded by it, and time grows with its square.

    Raises:
        UsageError: vectors or patches do not match the tracks, or hold a NaN or infinity.
    """
    tracks = len(next(iter(systems.values()), ()))
    check_systems(systems, [f"in row {row}" for row in range(tracks)])
    sample = np.random.default_rng(random_seed).permutation(tracks)[:most_tracks]
    artists = questions[0].groups if artists is None and questions else artists
    groups, unit = (np.arange(tracks), "tracks") if artists is None else (artists, "artists")
    picked = [_picked(asked, sample) for asked in questions]
    found = [
        neighbours(name, vectors[sample], picked, k, random_seed, resamples, unit)
        for name, vectors in progress(systems.items(), "geometry", total=len(systems), unit="system")
    ]
    ours = next(iter(systems))
    spread = None if patches is None else spread_of(ours, patches, groups, resamples, random_seed)
    return Geometry(
        systems=tuple(systems),
        tracks=tracks,
        ranked=len(sample),
        neighbours=tuple(of for of_system in found for of in of_system),
        dimensions=tuple(effective_dimensions(name, vectors) for name, vectors in systems.items()),
        spread=spread,
        groups=len(np.unique(groups[sample])),
        unit=unit,
        notes=tuple(
            _notes(systems, patches is not None, found[0], spread, len(sample), groups, unit, resamples)
        ),
        provenance={"random_seed": random_seed, "resamples": resamples, "k": k},
    )


@typechecked
def effective_dimensions(system: str, vectors: Float[np.ndarray, "tracks embedding"]) -> Dimensions:
    """Participation ratio of the covariance of unit vectors, and how many of its directions hold 95% of
    variance.
    """
    variances = _variances(vectors)
    total = variances.sum()
    if total <= 0:
        return Dimensions(system=system, given=vectors.shape[1], effective=0.0, holding_most=0)
    held = np.cumsum(variances) / total
    return Dimensions(
        system=system,
        given=vectors.shape[1],
        effective=float(total**2 / np.sum(variances**2)),
        holding_most=int(np.searchsorted(held, MOST_VARIANCE * (1 - 1e-9)) + 1),
    )


def _variances(vectors: Float[np.ndarray, "tracks embedding"]) -> Float[np.ndarray, " directions"]:
    """Eigenvalues of the covariance of unit vectors, the greatest first; rounding errors are 0."""
    tracks, size = vectors.shape
    if not tracks:
        return np.zeros(0)
    blocks = [vectors[start : start + ROWS_AT_ONCE] for start in range(0, tracks, ROWS_AT_ONCE)]
    mean = sum(_unit(block).sum(axis=0) for block in blocks) / tracks
    if tracks <= size:  # the same eigenvalues, of fewer products
        centred = _unit(vectors) - mean
        products = centred @ centred.T / tracks
    else:
        products = np.zeros((size, size))
        for block in blocks:
            centred = _unit(block) - mean
            products += centred.T @ centred / tracks
    eigenvalues = np.linalg.eigvalsh(products)[::-1]
    return np.where(eigenvalues > 1e-12, eigenvalues, 0.0)


def _unit(vectors: Float[np.ndarray, "rows embedding"]) -> Float[np.ndarray, "rows embedding"]:
    return unit_length(np.asarray(vectors, dtype=np.float64))


def _picked(asked: Question, rows: Int[np.ndarray, " rows"]) -> Question:
    """The question put to some of the tracks, in this order."""
    return replace(
        asked,
        values=[asked.values[row] for row in rows],
        filter_values=[asked.filter_values[row] for row in rows],
        groups=asked.groups[rows],
    )


def _score_in_words(found: Retrieved) -> str:
    return f"{found.score}" if found.gain is None else f"{found.score.mean:.2f} ({found.gain:+.2f})"


def _hubs_in_words(found: Hubness) -> str:
    return f"{found.skewness:.2f} (antihubs {found.antihubs:.0%}, the largest hub in {found.largest_hub:.1%} of lists)"


def _gains_in_words(found: Neighbours) -> str:
    """What the first question gains, of several."""
    gains = [
        f"{of.label} {of.metric} by {of.gain:+.2f}{f' ({few})' if (few := too_few(of.groups, of.unit)) else ''}"
        for of in found.retrieval[:1]
        if of.gain is not None
    ]
    return f", changing {gains[0]}" if gains else ""


def _notes(
    systems: Mapping[str, np.ndarray],
    patches_given: bool,
    of_ours: Sequence[Neighbours],
    spread: Spread | None,
    ranked: int,
    groups: Int[np.ndarray, " tracks"],
    unit: str,
    resamples: int,
) -> list[str]:
    """What a reader has to know before believing the table."""
    tracks = len(groups)
    notes = [
        "Skewness is 0 for an even spread and above 2 for a space with clear hubs; antihubs stand in no list. Mutual "
        "proximity is the Gaussian version, which leaves more hubs than the empirical one where cosines are not "
        "normal. Queries are answered by plain cosine; the rest is what reducing hubs would do."
    ]
    if ranked < tracks:
        notes.append(
            f"Hubs and retrieval are those of {ranked} tracks drawn from {tracks}: hubs tend to grow with a "
            "collection, so the whole may have more."
        )
    if of_ours[0].retrieval:
        asked = ", ".join(
            f"{of.label} of {of.tracks} tracks ({of.groups} {of.unit})" for of in of_ours[0].retrieval
        )
        notes.append(
            f"Retrieval is with the filter on, where there is one: {asked}; in brackets, how far each similarity is "
            f"above the cosine. {interval_note(len(np.unique(groups)), unit, resamples)}"
        )
    narrow = [name for name, vectors in systems.items() if tracks <= vectors.shape[1]]
    if narrow:
        notes.append(
            f"{tracks} tracks cannot show more than {max(tracks - 1, 0)} dimensions of {' and '.join(narrow)}."
        )
    if not patches_given:
        notes.append("No patch vectors were given: how far a track's patches lie apart is not known.")
    elif spread is None:
        notes.append(
            "No track has two patches, or there is no second track: nothing to compare patches with."
        )
    else:
        notes.append(
            f"Patches are those of {spread.tracks} tracks ({spread.groups} {unit}) that have two or more. Patches that "
            f"share sound, by overlap or repetition, lie close for that alone. Intervals draw whole {unit}."
        )
    return notes
