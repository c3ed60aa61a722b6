"""The shape of the embedding space: hubs, how far a track's patches lie apart, how many dimensions are used.

Hubs and retrieval are by the cosine and by each similarity of `hubness`. *Spread* is the mean cosine distance
of two patches of one track, compared with that of two patches of different tracks. *Effective dimension* is
the participation ratio of the eigenvalues of the covariance, (sum)^2 / sum of squares (P. Gao et al., "A
theory of multineuronal dimensionality, dynamics and measurement", 2017), of vectors at unit length, since
cosine is what queries compare by.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel

from soundkin.errors import UsageError
from soundkin.evaluation.hubness import COSINE, RESAMPLES, Neighbours, RetrievalGain, neighbours
from soundkin.evaluation.label_questions import Question
from soundkin.progress import progress
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import Interval, compare, interval_note, too_few
from soundkin.statistics.measure import Measure
from soundkin.statistics.scaling import unit_length

MOST_TRACKS = 5000  # ranked in full, in 5 s a system and 150 MB; of more, a sample
MOST_VARIANCE = 0.95
ROWS_AT_ONCE = 4096
ROUNDING = 1e-12  # a variance below this is none
WITHIN, BETWEEN = "within a track", "between tracks"

Patches = Iterable[Float[np.ndarray, "_ embedding"]]  # of each track


class Dimensions(BaseModel, frozen=True):
    """How many of a system's `given` dimensions are used; `effective` is the participation ratio, at least 1.

    `holding_most` is how many directions hold 95% of the variance. Both are 0 where all vectors point one
    way.
    """

    system: str
    given: int
    effective: float
    holding_most: int


class Spread(BaseModel, frozen=True):
    """Mean cosine distance, in [0, 2], of two patches of one track, and of two tracks.

    It is over the `tracks` of several patches, by so many artists (`groups`).
    """

    system: str
    tracks: int
    groups: int
    within: Interval
    between: Interval

    @property
    def ratio(self) -> float | None:
        """Within over between: 0 where a track is a point, 1 where its patches lie anywhere; None for 0/0."""
        return self.within.mean / self.between.mean if self.between.mean > 1e-9 else None


class Geometry(BaseModel, frozen=True):
    """The spaces of the compared systems; the first one is ours, and `spread` is of its patches.

    Hubs and retrieval are measured on `ranked` tracks: all, or a sample of very many. They are by so many
    artists (`groups`; `unit`), drawn for intervals.
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
        cosine, *reduced = [by for by in self.neighbours if by.hubness.system == self.systems[0]]
        hubs, used = cosine.hubness, self.dimensions[0]
        parts = [
            f"{used.system}: skewness of hubs {hubs.skewness:.2f} (antihubs {hubs.antihubs:.0%}, the largest "
            f"hub in {hubs.largest_hub:.1%} of lists)",
            *(f"{by.similarity} brings it to {by.hubness.skewness:.2f}{_first_gain(by)}" for by in reduced),
            f"{used.effective:.1f} of {used.given} dimensions in effect",
        ]
        if self.spread is not None and self.spread.ratio is not None:
            parts.append(f"patches of one track {self.spread.ratio:.0%} as far apart as those of two")
        return "; ".join(parts)

    def table(self) -> list[dict[str, str]]:
        """Rows to print, one a system and similarity; the row of the cosine holds what none changes."""
        return [
            {
                "system": by.hubness.system,
                "similarity": by.similarity,
                f"tracks ({self.unit})": f"{self.ranked} ({self.groups})",
                "hubness: skewness": f"{by.hubness.skewness:.2f}",
                "antihubs": f"{by.hubness.antihubs:.0%}",
                "largest hub": f"{by.hubness.largest_hub:.1%}",
                **{f"{retrieval.label} {retrieval.metric}": str(retrieval) for retrieval in by.retrieval},
                **(self._space_cells(by.hubness.system) if by.similarity == COSINE else {}),
            }
            for by in self.neighbours
        ]

    def _space_cells(self, system: str) -> dict[str, str]:
        used = next(used for used in self.dimensions if used.system == system)
        cells = {
            "effective dimension": f"{used.effective:.1f} of {used.given}",
            f"hold {MOST_VARIANCE:.0%} of variance": str(used.holding_most),
        }
        if self.spread is not None and self.spread.system == system:
            cells |= {
                f"distance {WITHIN}": str(self.spread.within),
                f"distance {BETWEEN}": str(self.spread.between),
            }
        return cells


def geometry(
    systems: Mapping[str, Float[np.ndarray, "tracks _"]],
    patches: Patches | None = None,
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
    tracks. Intervals draw whole `artists`, numbers of the tracks' artists, or whole tracks where these are
    not known. Of more than `most_tracks` tracks a sample is ranked; memory is bounded by it, and time grows
    with its square.

    Raises:
        UsageError: patches do not match the tracks, or hold a NaN or infinity.
    """
    ours, tracks = next(iter(systems)), len(next(iter(systems.values())))
    sample = np.random.default_rng(random_seed).permutation(tracks)[:most_tracks]
    groups, unit = (np.arange(tracks), "tracks") if artists is None else (artists, "artists")
    sampled = [_select(question, sample) for question in questions]
    by_system = [
        neighbours(name, vectors[sample], sampled, k, random_seed, resamples, unit)
        for name, vectors in progress(systems.items(), "geometry", total=len(systems), unit="system")
    ]
    spread = None if patches is None else measure_spread(ours, patches, groups, resamples, random_seed)
    drawn = interval_note(len(np.unique(groups)), unit, resamples)
    narrow = [name for name, vectors in systems.items() if tracks <= vectors.shape[1]]
    notes = _ranking_notes(tracks, len(sample), by_system[0][0].retrieval, drawn)
    if narrow:
        names = " and ".join(narrow)
        notes.append(f"{tracks} tracks cannot show more than {max(tracks - 1, 0)} dimensions of {names}.")
    notes.append(_spread_note(spread, patches is not None, unit))
    return Geometry(
        systems=tuple(systems),
        tracks=tracks,
        ranked=len(sample),
        neighbours=tuple(chain.from_iterable(by_system)),
        dimensions=tuple(effective_dimensions(name, vectors) for name, vectors in systems.items()),
        spread=spread,
        groups=len(np.unique(groups[sample])),
        unit=unit,
        notes=tuple(notes),
        provenance={"random_seed": random_seed, "resamples": resamples, "k": k},
    )


@typechecked
def effective_dimensions(system: str, vectors: Float[np.ndarray, "tracks embedding"]) -> Dimensions:
    """Participation ratio of the covariance of unit vectors, and how many directions hold 95% of variance."""
    tracks, size = vectors.shape
    total, products = np.zeros(size), np.zeros((size, size))
    for start in range(0, tracks, ROWS_AT_ONCE):
        unit = unit_length(np.asarray(vectors[start : start + ROWS_AT_ONCE], dtype=np.float64))
        total += unit.sum(axis=0)
        products += unit.T @ unit
    mean = total / max(tracks, 1)
    variances = np.linalg.eigvalsh(products / max(tracks, 1) - np.outer(mean, mean))[::-1]
    variances = np.where(variances > ROUNDING, variances, 0.0)
    shares = variances / variances.sum() if variances.any() else variances
    return Dimensions(
        system=system,
        given=size,
        effective=float(1 / np.sum(shares**2)) if shares.any() else 0.0,
        holding_most=int((np.cumsum(shares) < MOST_VARIANCE * (1 - 1e-9)).sum() + 1) if shares.any() else 0,
    )


def measure_spread(
    system: str, patches: Patches, groups: Int[np.ndarray, " tracks"], resamples: int, random_seed: int
) -> Spread | None:
    """How far `patches` of tracks in order lie apart, on draws of `groups`: the tracks' artists.

    None where no track has two patches, or none has company. Raises UsageError as `geometry`.
    """
    within, between = patch_distances(patches)
    if len(within) != len(groups):
        raise UsageError(
            f"patches of {len(within)} tracks for {len(groups)} vectors. Give those of each track."
        )
    measure = Measure(
        "spread", "patches", "cosine distance", None, {WITHIN: within, BETWEEN: between}, groups
    )
    tracks = int(measure.asked.sum())
    if not tracks:
        return None
    distances = compare(measure, resamples, random_seed)
    within_track, between_tracks = distances.scores
    return Spread(
        system=system, tracks=tracks, groups=distances.groups, within=within_track, between=between_tracks
    )


@typechecked
def patch_distances(patches: Patches) -> tuple[Float[np.ndarray, " tracks"], Float[np.ndarray, " tracks"]]:
    """Each track's mean cosine distance of two of its patches, and of one of these and one of another track.

    One track's patches are in memory at a time. All pairs are counted, by sums of unit vectors; other tracks
    count alike, however many patches they have. Within is NaN for a track of fewer than two patches, between
    for one without any or without company. Raises UsageError for a NaN or infinity.
    """
    sums_by_track = []
    for row, vectors in enumerate(patches):
        if not np.isfinite(vectors).all():
            raise UsageError(f"a patch vector of track {row} holds a NaN or infinity. Leave the track out.")
        unit = unit_length(np.asarray(vectors, dtype=np.float64))
        # Patches that are not all zero have a cosine of 1 with themselves.
        sums_by_track.append((len(unit), unit.sum(axis=0), np.square(unit).sum()))
    if not sums_by_track:
        return np.zeros(0), np.zeros(0)
    counts, sums, with_itself = (np.array(part) for part in zip(*sums_by_track, strict=True))
    within = 1 - _divide(np.square(sums).sum(axis=1) - with_itself, counts * (counts - 1))
    means = sums / np.maximum(counts, 1)[:, None]
    others = np.where(counts > 0, (counts > 0).sum() - 1, 0)
    between = 1 - _divide(means @ means.sum(axis=0) - np.square(means).sum(axis=1), others)
    return within, between


def _divide(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, " tracks"]:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))


def _select(question: Question, rows: Int[np.ndarray, " rows"]) -> Question:
    """The question about some of the tracks, in this order."""
    values, filter_values = (
        [column[row] for row in rows] for column in (question.values, question.filter_values)
    )
    return replace(question, values=values, filter_values=filter_values, groups=question.groups[rows])


def _first_gain(by: Neighbours) -> str:
    if not by.retrieval or by.retrieval[0].gain is None:
        return ""
    first = by.retrieval[0]
    few = too_few(first.groups, first.unit)
    return f", changing {first.label} {first.metric} by {first.gain:+.2f}{f' ({few})' if few else ''}"


def _ranking_notes(tracks: int, ranked: int, retrieval: Sequence[RetrievalGain], drawn: str) -> list[str]:
    """What a reader has to know before believing hubs and retrieval."""
    notes = [
        "Skewness is 0 for an even spread and above 2 for a space with clear hubs; antihubs are in no list. "
        "Mutual proximity is the Gaussian version, which leaves more hubs than the empirical one where "
        "cosines are not normal. Queries are answered by plain cosine; the rest is what reducing hubs would "
        "do."
    ]
    if ranked < tracks:
        notes.append(
            f"Hubs and retrieval are those of {ranked} tracks drawn from {tracks}: hubs tend to grow with a "
            "collection, so the whole may have more."
        )
    if retrieval:
        asked = ", ".join(f"{by.label} of {by.tracks} tracks ({by.groups} {by.unit})" for by in retrieval)
        notes.append(
            f"Retrieval is with the filter on, where there is one: {asked}; in brackets, how far each "
            f"similarity is above the cosine. {drawn}"
        )
    return notes


def _spread_note(spread: Spread | None, patches_given: bool, unit: str) -> str:
    if not patches_given:
        return "No patch vectors were given: how far a track's patches lie apart is not known."
    if spread is None:
        return "No track has two patches, or there is no second track: nothing to compare patches with."
    return (
        f"Patches are those of {spread.tracks} tracks ({spread.groups} {unit}) that have two or more. "
        "Patches that share sound, by overlap or repetition, lie close for that alone. Intervals draw whole "
        f"{unit}."
    )
