"""Scores split by groups of tracks (or of users), and each group's gap to all other items.

Both are drawn together, whole artists (users) at a time, so that a gap is a paired one.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import BaseModel

from soundkin.evaluation.groupings import Groupings, members_of
from soundkin.evaluation.label_questions import Values
from soundkin.shapes import Float
from soundkin.statistics.bootstrap import Interval, interval_of
from soundkin.statistics.false_discovery import confirmed, p_value
from soundkin.statistics.group_means import Sizes, means_within_and_without, sizes, too_small
from soundkin.statistics.measure import Measure

NOBODY_ELSE = "nobody else to compare with"


class GroupScore(BaseModel, frozen=True):
    """What one measure says of one group.

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

    @property
    def measure(self) -> str:
        """What was asked, in words."""
        return f"{self.protocol} {self.label} {self.metric}" + (
            f", {self.filtered_by} filter" * bool(self.filtered_by)
        )


def group_scores(
    measures: Iterable[Measure], groupings: Groupings, resamples: int, random_seed: int
) -> tuple[GroupScore, ...]:
    """Every measure split by every grouping, in this order; measures that no item was asked are left out."""
    scores = [
        score
        for measure in measures
        if measure.asked.any()
        for grouping, values in groupings.items()
        for score in _split(measure, grouping, values, resamples, random_seed)
    ]
    return tuple(_confirmed(scores))


def _split(
    measure: Measure, grouping: str, values: Values, resamples: int, random_seed: int
) -> list[GroupScore]:
    """One measure's scores, group by group."""
    asked = np.flatnonzero(measure.asked)
    names, members = members_of([values[row] for row in asked.tolist()])
    units = np.unique(measure.groups[asked], return_inverse=True)[1]
    weights = (
        np.ones(len(asked)) if measure.weights is None else np.asarray(measure.weights[asked], dtype=float)
    )
    scores = np.stack([np.asarray(score[asked], dtype=float) for score in measure.scores.values()], axis=1)
    size_of = sizes(members, units)
    rows = [_uncompared(measure, grouping, name, size) for name, size in zip(names, size_of, strict=True)]
    kept = [place for place, row in enumerate(rows) if not row.flag]
    within, without = means_within_and_without(
        scores, weights, members[:, kept], units, resamples, random_seed
    )
    for column, place in enumerate(kept):
        compared = _compared(
            list(measure.scores), within[:, column], without[:, column], size_of[place].smaller_side
        )
        rows[place] = rows[place].model_copy(update=compared)
    return rows


def _uncompared(measure: Measure, grouping: str, group: str, size: Sizes) -> GroupScore:
    """A group with its size, and whether that is too small."""
    few = too_small(size.items, size.units, "items", measure.unit)
    few_others = too_small(size.other_items, size.other_units, "other items", f"other {measure.unit}")
    return GroupScore(
        protocol=measure.protocol,
        label=measure.label,
        metric=measure.metric,
        filtered_by=measure.filtered_by,
        grouping=grouping,
        group=group,
        items=size.items,
        units=size.units,
        unit=measure.unit,
        flag=few or (few_others if size.other_items else NOBODY_ELSE),
    )


def _compared(
    systems: list[str],
    within: Float[np.ndarray, "draws systems"],
    without: Float[np.ndarray, "draws systems"],
    smaller_side: int,
) -> dict[str, tuple[object, ...]]:
    """Means, gaps and who is worse, by the fields of `GroupScore`."""
    gaps = within - without
    found = [interval_of(system, gap) for system, gap in zip(systems, gaps.T, strict=True)]
    return {
        "means": tuple(interval_of(system, mean) for system, mean in zip(systems, within.T, strict=True)),
        "gaps": tuple(found),
        "p_values": tuple(p_value(float(gap[0]), gap[1:], smaller_side) for gap in gaps.T),
        "worse": tuple(gap.system for gap in found if gap.high is not None and gap.high < 0),
    }


def _confirmed(scores: Sequence[GroupScore]) -> list[GroupScore]:
    """The same, with what is left when all comparisons of a system are taken as one family."""
    left: dict[int, list[str]] = {place: [] for place in range(len(scores))}
    families: dict[str, list[tuple[int, float]]] = {}
    for place, score in enumerate(scores):
        for gap, p in zip(score.gaps, score.p_values, strict=True):
            families.setdefault(gap.system, []).append((place, p))
    for system, family in families.items():
        stands = confirmed(np.array([p for _, p in family]))
        for (place, _), sure in zip(family, stands.tolist(), strict=True):
            if sure and system in scores[place].worse:
                left[place].append(system)
    return [score.model_copy(update={"confirmed": tuple(left[place])}) for place, score in enumerate(scores)]
