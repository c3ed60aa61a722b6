"""Whom a system serves worse: every score split by groups of tracks (or of users), and who is shown how
often.

A group's mean is compared with that of all other items, on the same draws of artists. A gap is a fact about
the system together with the question: a group of many tracks finds its kin more easily, by chance too. So
chance stands beside with a gap of its own.
"""

from collections.abc import Sequence
from itertools import chain
from typing import ClassVar

import numpy as np
from pydantic import BaseModel

from soundkin.errors import UsageError
from soundkin.evaluation.exposure import Exposure, K, exposures
from soundkin.evaluation.group_scores import GroupScore, group_scores
from soundkin.evaluation.groupings import DECILE_NOTE, Groupings
from soundkin.evaluation.retrieval import Systems
from soundkin.shapes import Int
from soundkin.statistics.bootstrap import FEW_GROUPS, LEVEL
from soundkin.statistics.false_discovery import FALSE_DISCOVERIES
from soundkin.statistics.group_means import FEW_ITEMS
from soundkin.statistics.measure import CHANCE, Measure

RESAMPLES = 2000
NOTHING = "nothing to split: no item with a score is in a group."
NAMED = 3  # groups that a verdict names


class Fairness(BaseModel, frozen=True):
    """Scores and exposure by group; the first system is ours."""

    title: ClassVar[str] = "fairness"
    systems: tuple[str, ...] = ()
    scores: tuple[GroupScore, ...] = ()
    exposures: tuple[Exposure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """One line: who is served worse by ours and who is shown less than their share, or that none is shown
        to be.
        """
        if not self.scores and not self.exposures:
            return NOTHING
        ours = self.systems[0]
        worse = {f"{one.grouping} {one.group}": None for one in self.scores if ours in one.confirmed}
        less = {
            f"{one.grouping} {one.group}": None
            for one in self.exposures
            if one.system == ours and one.confirmed and one.shown_less
        }
        compared = {(one.grouping, one.group) for one in self.scores if one.gaps}
        compared |= {(one.grouping, one.group) for one in self.exposures if one.ratio}
        flagged = {(one.grouping, one.group) for one in self.scores if one.flag}
        flagged |= {(one.grouping, one.group) for one in self.exposures if one.flag}
        found = [
            *([f"served worse by {ours}: {_some(list(worse))}"] if worse else []),
            *([f"shown less than its share: {_some(list(less))}"] if less else []),
        ]
        if not compared:
            return f"no group can be compared: {len(flagged)} are too small, or have nobody beside them"
        told = "; ".join(found) or f"no group is shown to be served worse by {ours}"
        return f"{told} ({len(compared)} groups compared, {len(flagged - compared)} not)"

    def table(self) -> list[dict[str, str]]:
        """Rows to print: ours and its gap to all others, other systems with theirs in brackets; then
        exposure.
        """
        return [_score_row(one) for one in self.scores] + self._exposure_rows()

    def _exposure_rows(self) -> list[dict[str, str]]:
        by_group: dict[tuple[str, str], list[Exposure]] = {}
        for one in self.exposures:
            by_group.setdefault((one.grouping, one.group), []).append(one)
        return [_exposure_row(of_systems) for of_systems in by_group.values()]


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
    """Split `measures` by `groupings`, and see how often each group stands among the `k` nearest by
    `systems`.

    Items of measures are tracks in catalog order, or users in the order of user groupings. `systems`, ours
    first, are vectors in catalog order, for exposure; leave them out where groups are of users. `artists`
    numbers each track's artist from 0 (`Catalog.artists.groups`), and `unit` is what it numbers (`unit_of`);
    without it every track is drawn by itself, and the table says that it is tracks which are counted.

    Raises:
        UsageError: a grouping is of more or fewer items than a measure, or than there are vectors.
    """
    systems = systems or {}
    for measure in measures:
        _check(groupings, len(measure.groups), f"the {measure.protocol} of {measure.label}")
    for name, vectors in systems.items():
        _check(groupings, len(vectors), f"the vectors of {name}")
    scores = group_scores(measures, groupings, resamples, random_seed)
    if artists is None:
        artists, unit = np.arange(max((len(vectors) for vectors in systems.values()), default=0)), "tracks"
    shown = exposures(systems, groupings, artists, k, resamples, random_seed, unit) if groupings else ()
    names = list(dict.fromkeys(chain(*(measure.scores for measure in measures), systems)))
    return Fairness(
        systems=tuple(names), scores=scores, exposures=shown, notes=tuple(_notes(scores, shown, k))
    )


def _check(groupings: Groupings, items: int, of_what: str) -> None:
    for grouping, values in groupings.items():
        if len(values) != items:
            raise UsageError(
                f"the grouping by {grouping} is of {len(values)} items, {of_what} of {items}. Give one group an item, "
                "in the same order."
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _score_row(score: GroupScore) -> dict[str, str]:
    named = {
        "split by": score.grouping,
        "group": score.group,
        "items": f"{score.items} ({score.units} {score.unit})",
        "measure": score.measure,
    }
    if not score.gaps:
        return {**named, "found": score.flag}
    (ours, gap), *others = zip(score.means, score.gaps, strict=True)
    return {
        **named,
        ours.system: str(ours),
        "gap to all others": f"{gap:+.2f}",
        **{other.system: f"{other.mean:.2f} ({its_gap.mean:+.2f})" for other, its_gap in others},
        "found": _found(ours.system in score.worse, ours.system in score.confirmed),
    }


def _exposure_row(of_systems: list[Exposure]) -> dict[str, str]:
    ours, *others = of_systems
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
        "found": _found(ours.shown_less, ours.shown_less and ours.confirmed, "shown less"),
    }


def _found(interval_says_so: bool, confirmed: bool, what: str = "worse") -> str:
    if confirmed:
        return what
    return f"{what}, unless by chance" if interval_says_so else ""


def _notes(scores: Sequence[GroupScore], shown: Sequence[Exposure], k: int) -> list[str]:
    """What a reader has to know before believing the table."""
    compared = sum(bool(score.gaps) for score in scores)
    ratios = [one for one in shown if one.ratio]
    systems = max(len({one.system for one in ratios}), 1)
    notes = []
    if scores:
        notes += [
            f"A group's mean against that of all other items, on the same draws of whole artists (or users): "
            f"{LEVEL:.0%} percentiles. {CHANCE} has a gap where right answers are rarer in a group: that much of ours "
            "is the question's, not the system's.",
            f"{compared} comparisons: of so many, {compared * (1 - LEVEL) / 2:.1f} intervals would lie wholly below "
            f"zero by chance. Called worse is what is left by Benjamini and Hochberg's procedure, by which "
            f"{FALSE_DISCOVERIES:.0%} of those called so may be expected to be called so by chance; measures of the "
            "same tracks rise and fall together, so count groups, not rows.",
        ]
    if shown:
        notes.append(
            f"Places over share: the share of the places in all tracks' {k} nearest that go to a group, over its share "
            f"of the tracks; nobody is filtered out. Intervals are drawn over the artists of the tracks found. Of "
            f"{len(ratios) // systems} ratios, {len(ratios) / systems * (1 - LEVEL) / 2:.1f} would lie wholly below 1 "
            "by chance."
        )
    if any(score.flag for score in scores) or len(ratios) < len(shown):
        notes.append(
            f"Groups of fewer than {FEW_ITEMS} items or {FEW_GROUPS} artists (users) are named, not scored."
        )
    if any("decile" in group for group in [*(one.group for one in scores), *(one.group for one in shown)]):
        notes.append(DECILE_NOTE)
    if scores or shown:
        notes.append(
            "A track of several values in a column counts in each of their groups; what is unknown is a group."
        )
    return notes
