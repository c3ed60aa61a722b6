"""What becomes of a track's vector, and of its neighbours, when a recording is distorted and the music stays
the same.

A cosine between the vectors before and after says little by itself: where all tracks are alike it is near 1
whatever happens. So it stands beside that of different tracks, and beside what a query would meet: whether
the distorted track finds its own original among all originals, and how many of the original's neighbours are
still its neighbours. All lists are of originals; a track's own is never counted among its neighbours.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.errors import Skipped, UsageError
from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.statistics import ranking_metrics as ranking
from soundkin.statistics.bootstrap import Compared, compare, interval_note
from soundkin.statistics.measure import Measure
from soundkin.statistics.scaling import unit_length

COSINE, FOUND, RECIPROCAL_RANK, KEPT = (
    "cosine",
    "finds itself",
    "reciprocal rank of itself",
    "neighbours kept",
)
DIFFERENT, EVERY = "(a different track)", "(mean of all)"
NOTHING_MEASURED = "nothing measured: no track was heard, or nothing was done to any"
RESAMPLES = 2000

Vectors = Float[np.ndarray, "tracks embedding"]
Distorted = Float[np.ndarray, "sampled embedding"]
Scores = dict[str, Float[np.ndarray, " sampled"]]  # by metric


class RobustnessRow(Compared, frozen=True):
    """One metric of all systems under one distortion."""

    distortion: str
    metric: str


class Robustness(BaseModel, frozen=True):
    """Systems side by side under the same distortions of the same tracks; the first one is ours.

    `sampled` tracks were distorted; each looked for itself, and for `k` neighbours, among `tracks` originals.
    """

    title: ClassVar[str] = "Robustness"

    systems: tuple[str, ...]
    sampled: int
    tracks: int
    k: int
    rows: tuple[RobustnessRow, ...]
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def distortions(self) -> tuple[str, ...]:
        """What was done to the tracks, in order."""
        named = dict.fromkeys(row.distortion for row in self.rows)
        return tuple(name for name in named if name not in (DIFFERENT, EVERY))

    @property
    def weakest(self) -> str | None:
        """The distortion that costs ours most neighbours; most tracks themselves, where they have no
        neighbours.
        """
        rows = {name: self.row(name, KEPT) or self.row(name, FOUND) for name in self.distortions}
        means = {name: row.scores[0].mean for name, row in rows.items() if row}
        return min(means, key=lambda name: means[name], default=None)

    @property
    def verdict(self) -> str:
        """One line: what our lists keep on the whole, beside the others', and what harms them most."""
        found = self.row(self.weakest, FOUND) if self.weakest else None
        if found is None:
            return NOTHING_MEASURED
        itself = f"{found.scores[0]:.0%} of tracks find themselves"
        whole, least = self.row(EVERY, KEPT), self.row(found.distortion, KEPT)
        if whole is None or least is None:
            return f"{self.systems[0]}: too few tracks to have neighbours; weakest under {found.distortion}: {itself}"
        ours, *others = whole.scores
        against = ", ".join(f"{other.system} {other.mean:.0%}" for other in others)
        unbeaten = f", not shown to beat {' or '.join(whole.unbeaten)}" if whole.unbeaten else ""
        unbeaten = f"; {whole.too_few}" if whole.too_few else unbeaten
        return (
            f"{ours.system} keeps {ours:.0%} of {self.k} neighbours on average{f' ({against})' if others else ''}"
            f"{unbeaten}; weakest under {least.distortion}: {least.scores[0]:.0%}, and {itself}"
        )

    def row(self, distortion: str, metric: str) -> RobustnessRow | None:
        """The row of this distortion and metric, if it was measured."""
        found = (row for row in self.rows if (row.distortion, row.metric) == (distortion, metric))
        return next(found, None)

    def table(self) -> list[dict[str, str]]:
        """Rows to print, cells by column: a distortion a row, ours with intervals, then what the others'
        lists keep.
        """
        return [
            self._table_row(name) for name in (*self.distortions, EVERY, DIFFERENT) if self.row(name, COSINE)
        ]

    def _table_row(self, distortion: str) -> dict[str, str]:
        measured = [row for metric in (COSINE, FOUND, KEPT) if (row := self.row(distortion, metric))]
        kept = self.row(distortion, KEPT)
        return {
            "distortion": distortion,
            f"tracks ({measured[0].unit})": f"{self.sampled} ({measured[0].groups})",
            **{f"{self.systems[0]}: {row.metric}": str(row.scores[0]) for row in measured},
            **{f"{other.system}: {KEPT}": f"{other.mean:.2f}" for other in (kept.scores[1:] if kept else ())},
        }


def robustness(
    systems: Mapping[str, Mapping[str, Distorted]],
    originals: Mapping[str, Vectors],
    rows: Int[np.ndarray, " sampled"],
    groups: Int[np.ndarray, " tracks"],
    k: int = 10,
    resamples: int = RESAMPLES,
    random_seed: int = 0,
    unit: str = "artists",
) -> Robustness:
    """Compare the vectors of distorted tracks with those of all originals.

    `originals` are by system and in catalog order, the first system ours. `systems` holds, by system and by
    distortion, the vectors of the tracks that stand in `rows` of the catalog. `groups` number the tracks'
    artists (`unit`). Of few tracks, at most half of the others are looked at as neighbours: lists that hold
    every track lose nothing.

    Raises:
        UsageError: a system has other tracks, or was asked about other distortions, than the first.
    """
    _check(systems, originals, len(rows), len(groups))
    k = min(k, max(0, len(groups) - 1) // 2)
    scores = {name: dict(_scores(systems[name], originals[name], rows, k)) for name in originals}
    found = tuple(
        RobustnessRow(
            distortion=measure.label, metric=measure.metric, **dict(compare(measure, resamples, random_seed))
        )
        for measure in _measures(scores, groups[rows], unit)
        if measure.asked.any()
    )
    return Robustness(
        systems=tuple(originals),
        sampled=len(rows),
        tracks=len(groups),
        k=k,
        rows=found,
        notes=tuple(_notes(found, len(groups), k, resamples)) if found else (),
    )


def _measures(
    scores: Mapping[str, Mapping[str, Scores]], groups: Int[np.ndarray, " sampled"], unit: str
) -> Iterator[Measure]:
    """Scores by system, distortion and metric, turned so that those of all systems stand together."""
    for label, metrics in next(iter(scores.values()), {}).items():
        for metric in metrics:
            of_systems = {name: labels[label][metric] for name, labels in scores.items()}
            yield Measure("robustness", label, metric, None, of_systems, groups, unit=unit)


def _scores(
    distorted: Mapping[str, Distorted], originals: Vectors, rows: Int[np.ndarray, " sampled"], k: int
) -> Iterator[tuple[str, Scores]]:
    """Every sampled track's scores under each distortion, their mean, and the cosine of different tracks."""
    unit = unit_length(originals.astype(np.float64))
    before = unit[rows] @ unit.T
    every = [scores_of(vectors, unit, before, rows, k) for vectors in distorted.values()]
    yield from zip(distorted, every, strict=True)
    if every:
        yield EVERY, {metric: np.mean([scores[metric] for scores in every], axis=0) for metric in every[0]}
        yield DIFFERENT, {COSINE: _mean_of_others(before, rows)}


@typechecked
def scores_of(
    vectors: Distorted,
    originals: Vectors,
    before: Float[np.ndarray, "sampled tracks"],
    rows: Int[np.ndarray, " sampled"],
    k: int,
) -> Scores:
    """Each metric for each distorted track, given unit originals and the cosines `before` of sampled ones to
    all.

    Level candidates count as in all orders of them alike. `neighbours kept` is there where `k` is not 0.
    """
    after = unit_length(vectors.astype(np.float64)) @ originals.T
    items = np.arange(len(rows))
    itself = csr_matrix((np.ones(len(rows)), (items, rows)), shape=after.shape)
    runs, one = ranking.runs_of(after, itself), np.ones(len(rows), dtype=int)
    scores = {
        COSINE: after[items, rows],
        FOUND: ranking.recall(runs, one, 1),
        RECIPROCAL_RANK: ranking.average_precision(runs, one, len(originals)),
    }
    if k:
        in_both = nearest_others(before, rows, k) & nearest_others(after, rows, k)
        scores[KEPT] = in_both.sum(axis=1) / k
    return scores


@typechecked
def nearest_others(
    similarity: Float[np.ndarray, "sampled tracks"], rows: Int[np.ndarray, " sampled"], k: int
) -> Bool[np.ndarray, "sampled tracks"]:
    """Which `k` tracks are most similar to each sampled one, itself left out; at least 1 and fewer than there
    are.
    """
    others = similarity.copy()
    others[np.arange(len(rows)), rows] = -np.inf
    nearest = np.argpartition(-others, k - 1, axis=1)[:, :k]
    chosen = np.zeros(others.shape, dtype=bool)
    np.put_along_axis(chosen, nearest, True, axis=1)
    return chosen


def _mean_of_others(
    similarity: Float[np.ndarray, "sampled tracks"], rows: Int[np.ndarray, " sampled"]
) -> Float[np.ndarray, " sampled"]:
    """Mean similarity to all tracks but itself; NaN where there are none."""
    others = similarity.shape[1] - 1
    summed = similarity.sum(axis=1) - similarity[np.arange(len(rows)), rows]
    return np.asarray(summed / others if others else np.full(len(rows), np.nan))


def _check(
    systems: Mapping[str, Mapping[str, Distorted]],
    originals: Mapping[str, Vectors],
    sampled: int,
    tracks: int,
) -> None:
    first = next(iter(originals), None)
    for name, vectors in originals.items():
        if len(vectors) != tracks:
            raise UsageError(
                f"system {name} has {len(vectors)} vectors of {tracks} tracks. Give one for each."
            )
        if name not in systems or systems[name].keys() != systems[first or name].keys():
            raise UsageError(
                f"system {name} was not asked about the same distortions as {first}. Ask all alike."
            )
        for label, distorted in systems[name].items():
            if len(distorted) != sampled:
                raise UsageError(
                    f"system {name} has {len(distorted)} vectors of {sampled} tracks under {label}. Give one for each."
                )


def _notes(rows: tuple[RobustnessRow, ...], tracks: int, k: int, resamples: int) -> Iterator[str]:
    """What a reader has to know before believing the table."""
    kept = f"; of {k} neighbours {k / (tracks - 1):.1%} are kept" if k else ""
    yield f"By chance a track finds itself, first of all {tracks} originals, in {1 / tracks:.1%} of cases{kept}."
    yield (
        "A system to which all sounds are alike has cosines of 1 and is none the better for it: compare a cosine with "
        "that of different tracks, and systems by what they find."
    )
    beaten = [
        f"{row.distortion} ({', '.join(row.better)})" for row in rows if row.metric == KEPT and row.better
    ]
    if beaten:
        yield f"Other systems keep more of their neighbours than {rows[0].scores[0].system} under {'; '.join(beaten)}."
    yield interval_note(rows[0].groups, rows[0].unit, resamples)
