"""Fairness: every score split by groups of tracks (or of users), and how often each group is recommended.

A group's mean is compared with that of all other items, on the same draws of whole artists (users): a paired
gap. It is a fact about the system together with the question, so chance has a gap of its own: a group of many
tracks finds related tracks more easily.

*Exposure* is the share of the places in all tracks' lists of `k` nearest that go to a group, over its share
of tracks. Intervals draw the artists of the tracks that are *found*: drawing those of the queries takes a hub
for a trait of its group, and leaves out the ratio 1 of groups dealt at random far too often
(`tests/evaluation/test_fairness.py` counts how often ours do).
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, compress
from typing import ClassVar

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix, hstack

from soundkin.evaluation.groupings import DECILE_NOTE, Groupings, members_of
from soundkin.evaluation.hubness import k_occurrences
from soundkin.evaluation.label_questions import Values
from soundkin.evaluation.retrieval import sampled_queries
from soundkin.shapes import Float, Int
from soundkin.statistics.bootstrap import FEW_GROUPS, LEVEL, Interval, interval_of
from soundkin.statistics.false_discovery import FALSE_DISCOVERIES, confirmed, p_value
from soundkin.statistics.group_means import FEW_ITEMS, Sizes, means_within_and_without, sizes, too_small
from soundkin.statistics.measure import CHANCE, Measure

RESAMPLES = 2000
K = 10
NOTHING = "nothing to split: no item with a score is in a group."
NOBODY_ELSE = "nobody else to compare with"
NAMED = 3  # groups that a verdict names

Systems = Mapping[str, Float[np.ndarray, "tracks _"]]


class GroupScore(BaseModel, frozen=True):
    """One measure of one group.

    `items` could be asked, and come from so many `units`: artists, or users. `means` are those of the group
    by each system, `gaps` the group minus all other items on the same draws; there are none where the group,
    or the rest, is too small, and then `flag` says so. `worse` names the systems whose gap lies below zero
    with its whole interval; `confirmed` those of them that are left when all groups are taken into account.
    """

    protocol: str
    label: str
    metric: str
    filtered_by: str | None
    grouping: str
    group: str
    items: int
    units: int
    unit: str = "artists"
    means: tuple[Interval, ...] = ()
    gaps: tuple[Interval, ...] = ()
    p_values: tuple[float, ...] = ()
    worse: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    flag: str = ""

    def cells(self) -> dict[str, str]:
        """A row to print: ours and its gap to all others, other systems with theirs in brackets."""
        filtered = f", {self.filtered_by} filter" if self.filtered_by else ""
        named = {
            "split by": self.grouping,
            "group": self.group,
            "items": f"{self.items} ({self.units} {self.unit})",
            "measure": f"{self.protocol} {self.label} {self.metric}{filtered}",
        }
        if not self.gaps:
            return {**named, "found": self.flag}
        (ours, gap), *others = zip(self.means, self.gaps, strict=True)
        return {
            **named,
            ours.system: str(ours),
            "gap to all others": f"{gap:+.2f}",
            **{other.system: f"{other.mean:.2f} ({its_gap.mean:+.2f})" for other, its_gap in others},
            "found": _conclusion("worse", ours.system in self.worse, ours.system in self.confirmed),
        }


class Exposure(BaseModel, frozen=True):
    """How often one system shows one group. Shares are of all places, and of all tracks.

    `ratio` is the one over the other; it is None where the group is too small, and then `flag` says so.
    `confirmed`: it differs from 1 also when all groups are taken into account.
    """

    system: str
    grouping: str
    group: str
    tracks: int
    artists: int
    unit: str = "artists"
    share_of_places: float
    share_of_tracks: float
    ratio: Interval | None = None
    p_value: float | None = None
    confirmed: bool = False
    flag: str = ""

    @property
    def shown_less(self) -> bool:
        """Whether the whole interval lies below 1."""
        return self.ratio is not None and self.ratio.high is not None and self.ratio.high < 1


class Fairness(BaseModel, frozen=True):
    """Scores and exposure by group; the first system is ours."""

    title: ClassVar[str] = "fairness"
    systems: tuple[str, ...] = ()
    scores: tuple[GroupScore, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One line: the groups that ours serves worse, and those it shows less than their share."""
        if not self.scores and not self.exposures:
            return NOTHING
        ours = self.systems[0]
        worse = [score for score in self.scores if ours in score.confirmed]
        less = [row for row in self.exposures if row.system == ours and row.confirmed and row.shown_less]
        rows: list[GroupScore | Exposure] = [*self.scores, *self.exposures]
        compared = {(row.grouping, row.group) for row in rows if not row.flag}
        flagged = {(row.grouping, row.group) for row in rows if row.flag}
        if not compared:
            return f"no group can be compared: {len(flagged)} are too small, or have no others"
        found_worse = f"served worse by {ours}: {_some(worse)}" if worse else ""
        found_less = f"shown less than its share: {_some(less)}" if less else ""
        result = (
            "; ".join(filter(None, (found_worse, found_less)))
            or f"no group is shown to be served worse by {ours}"
        )
        return f"{result} ({len(compared)} groups compared, {len(flagged - compared)} not)"

    def table(self) -> list[dict[str, str]]:
        """Rows to print: every group's scores; then its exposure by all systems."""
        by_group: dict[tuple[str, str], list[Exposure]] = {}
        for shown in self.exposures:
            by_group.setdefault((shown.grouping, shown.group), []).append(shown)
        exposure_rows = [_exposure_cells(*of_systems) for of_systems in by_group.values()]
        return [score.cells() for score in self.scores] + exposure_rows


def fairness(
    measures: Sequence[Measure],
    groupings: Groupings,
    systems: Systems | None = None,
    artists: Int[np.ndarray, " tracks"] | None = None,
    k: int = K,
    resamples: int = RESAMPLES,
    random_seed: int = 0,
    unit: str = "artists",
) -> Fairness:
    """Split `measures` by `groupings`, and count how often each group is among the `k` nearest by `systems`.

    Items of measures are tracks in catalog order, or users in the order of user groupings. `systems`, ours
    first, are vectors in catalog order, for exposure, and `artists` numbers each track's artist from 0
    (`Catalog.artists.groups`; `unit` is what it numbers); leave these out where groups are of users.
    """
    systems = systems or {}
    scores = group_scores(measures, groupings, resamples, random_seed)
    shown: tuple[Exposure, ...] = ()
    if artists is not None and groupings:
        shown = exposures(systems, groupings, artists, k, resamples, random_seed, unit)
    names = list(dict.fromkeys(chain(*(measure.scores for measure in measures), systems)))
    return Fairness(
        systems=tuple(names), scores=scores, exposures=shown, notes=tuple(_notes(scores, shown, k))
    )


def group_scores(
    measures: Iterable[Measure], groupings: Groupings, resamples: int, random_seed: int
) -> tuple[GroupScore, ...]:
    """Every measure split by every grouping, in this order; measures that no item was asked are left out.

    All comparisons of a system are one family of tests.
    """
    scores = [
        score
        for measure in measures
        if measure.asked.any()
        for grouping, values in groupings.items()
        for score in _split(measure, grouping, values, resamples, random_seed)
    ]
    families: dict[str, dict[int, float]] = {}  # of each system: p value by row
    for row, score in enumerate(scores):
        for gap, p in zip(score.gaps, score.p_values, strict=True):
            families.setdefault(gap.system, {})[row] = p
    sure: dict[int, list[str]] = {row: [] for row in range(len(scores))}
    for system, family in families.items():
        for row in compress(family, confirmed(np.array(list(family.values())))):
            if system in scores[row].worse:
                sure[row].append(system)
    return tuple(score.model_copy(update={"confirmed": tuple(sure[row])}) for row, score in enumerate(scores))


def _split(
    measure: Measure, grouping: str, values: Values, resamples: int, random_seed: int
) -> list[GroupScore]:
    asked = np.flatnonzero(measure.asked)
    names, members = members_of([values[row] for row in asked.tolist()])
    units = np.unique(measure.groups[asked], return_inverse=True)[1]
    weights = np.ones(len(measure.groups)) if measure.weights is None else measure.weights.astype(float)
    size_by_group = sizes(members, units)
    scores = np.stack([np.asarray(score[asked], dtype=float) for score in measure.scores.values()], axis=1)
    rows = [
        GroupScore(
            protocol=measure.protocol,
            label=measure.label,
            metric=measure.metric,
            filtered_by=measure.filtered_by,
            grouping=grouping,
            group=name,
            items=size.items,
            units=size.units,
            unit=measure.unit,
            flag=_flag(size, measure.unit),
        )
        for name, size in zip(names, size_by_group, strict=True)
    ]
    kept = [place for place, row in enumerate(rows) if not row.flag]
    within, without = means_within_and_without(
        scores, weights[asked], members[:, kept], units, resamples, random_seed
    )
    for column, place in enumerate(kept):
        gaps = (within - without)[:, column].T
        gap_intervals = _intervals(measure, gaps)
        measured = {
            "means": _intervals(measure, within[:, column].T),
            "gaps": gap_intervals,
            "p_values": tuple(
                p_value(float(gap[0]), gap[1:], size_by_group[place].smaller_side) for gap in gaps
            ),
            "worse": tuple(gap.system for gap in gap_intervals if gap.high is not None and gap.high < 0),
        }
        rows[place] = rows[place].model_copy(update=measured)
    return rows


def _intervals(measure: Measure, draws: Float[np.ndarray, "systems draws"]) -> tuple[Interval, ...]:
    return tuple(interval_of(system, drawn) for system, drawn in zip(measure.scores, draws, strict=True))


def _flag(size: Sizes, unit: str) -> str:
    """Why a group cannot be compared with all others; empty where it can."""
    few = too_small(size.items, size.units, "items", unit)
    few_others = too_small(size.other_items, size.other_units, "other items", f"other {unit}")
    return few or (few_others if size.other_items else NOBODY_ELSE)


def exposures(
    systems: Systems,
    groupings: Groupings,
    artists: Int[np.ndarray, " tracks"],
    k: int,
    resamples: int,
    random_seed: int,
    unit: str = "artists",
) -> tuple[Exposure, ...]:
    """How often every system shows every group; empty for less than two tracks.

    `artists` numbers each track's artist (`unit`) from 0. Of very many tracks the lists of a sample are
    looked at (`sampled_queries`). The groups of a system are one family of tests.
    """
    tracks = len(artists)
    k = min(k, tracks - 1)
    if k < 1:
        return ()
    queries, ones = sampled_queries(tracks, random_seed), np.ones(tracks)
    shown: list[Exposure] = []
    for system, vectors in systems.items():
        occurrences = k_occurrences(vectors, k, queries) / k * (tracks / len(queries))
        family = []
        for grouping, values in groupings.items():
            names, members = members_of(values)
            columns = hstack([members, csr_matrix(ones[:, None])], format="csr")  # the last: every track
            means, _ = means_within_and_without(
                occurrences[:, None], ones, columns, artists, resamples, random_seed
            )
            ratios = means[:, :-1, 0] / means[:, -1:, 0]
            for name, size, ratio in zip(names, sizes(members, artists), ratios.T, strict=True):
                flag = too_small(size.items, size.units, "tracks", unit)
                share = size.items / tracks
                family.append(
                    Exposure(
                        system=system,
                        grouping=grouping,
                        group=name,
                        tracks=size.items,
                        artists=size.units,
                        unit=unit,
                        share_of_places=float(ratio[0] * share),
                        share_of_tracks=share,
                        ratio=None if flag else interval_of(system, ratio),
                        p_value=None if flag else p_value(float(ratio[0] - 1), ratio[1:], size.units),
                        flag=flag,
                    )
                )
        tested = [row.p_value for row in family if row.p_value is not None]
        sure = iter(confirmed(np.array(tested, dtype=float)).tolist())
        shown += [
            row if row.p_value is None else row.model_copy(update={"confirmed": next(sure)}) for row in family
        ]
    return tuple(shown)


def _exposure_cells(ours: Exposure, *others: Exposure) -> dict[str, str]:
    """A row to print: one group's exposure by all systems."""
    named = {
        "split by": ours.grouping,
        "group": ours.group,
        "items": f"{ours.tracks} ({ours.artists} {ours.unit})",
        "measure": "places over share",
    }
    if ours.ratio is None:
        return {**named, "found": ours.flag}
    return {
        **named,
        ours.system: str(ours.ratio),
        "gap to all others": "",
        **{other.system: f"{other.ratio.mean:.2f}" for other in others if other.ratio},
        "found": _conclusion("shown less", ours.shown_less, ours.shown_less and ours.confirmed),
    }


def _conclusion(what: str, interval_says_so: bool, is_confirmed: bool) -> str:
    if is_confirmed:
        return what
    return f"{what}, unless by chance" if interval_says_so else ""


def _some(rows: Sequence[GroupScore | Exposure]) -> str:
    names = list(dict.fromkeys(f"{row.grouping} {row.group}" for row in rows))
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _notes(scores: Sequence[GroupScore], shown: Sequence[Exposure], k: int) -> list[str]:
    compared = sum(bool(score.gaps) for score in scores)
    ratios = [exposure for exposure in shown if exposure.ratio]
    systems = max(len({exposure.system for exposure in ratios}), 1)
    notes = []
    if scores:
        notes += [
            "A group's mean against that of all other items, on the same draws of whole artists (or users): "
            f"{LEVEL:.0%} percentiles. {CHANCE} has a gap where right answers are rarer in a group: that "
            "much of ours is the question's, not the system's.",
            f"{compared} comparisons: of so many, {compared * (1 - LEVEL) / 2:.1f} intervals would lie "
            "wholly below zero by chance. Called worse is what is left by Benjamini and Hochberg's "
            f"procedure, by which {FALSE_DISCOVERIES:.0%} of those called so may be expected to be called so "
            "by chance; measures of the same tracks rise and fall together, so count groups, not rows.",
        ]
    if shown:
        notes.append(
            f"Places over share: the share of the places in all tracks' {k} nearest that go to a group, over "
            "its share of the tracks; nobody is filtered out. Intervals are drawn over the artists of the "
            f"tracks found. Of {len(ratios) // systems} ratios, "
            f"{len(ratios) / systems * (1 - LEVEL) / 2:.1f} would lie wholly below 1 by chance."
        )
    if any(score.flag for score in scores) or len(ratios) < len(shown):
        notes.append(
            f"Groups of fewer than {FEW_ITEMS} items or {FEW_GROUPS} artists (users) are named, not scored."
        )
    groups = [*(score.group for score in scores), *(exposure.group for exposure in shown)]
    if any("decile" in group for group in groups):
        notes.append(DECILE_NOTE)
    if scores or shown:
        notes.append(
            "A track of several values in a column counts in each of their groups; what is unknown is a "
            "group."
        )
    return notes
