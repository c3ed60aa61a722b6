"""Cliff's delta of two sides whose items come in groups: how much more often one side's value is the higher.

N. Cliff, "Dominance statistics: ordinal analyses to answer ordinal questions" (1993). It asks only which of
two values is the higher, so that neither units nor a few extreme values move it.
"""

from typing import NamedTuple

from soundkin.extras import require

require("evaluate", "effect sizes")

import numpy as np

from soundkin.shapes import Bool, Float, Int, typechecked
from soundkin.statistics.bootstrap import draw_blocks, interval_of
from soundkin.statistics.false_discovery import p_value

RESAMPLES = 2_000


class CliffsDelta(NamedTuple):
    """From -1 to 1, above 0 where the second side's values are the higher ones; 0.5: in 3 of 4 pairs.

    The 95 % interval and the p value are by drawing whole groups of each side anew; None where a side has
    fewer than `FEW_GROUPS` of them. `groups` are those of the side that has fewer.
    """

    value: float
    low: float | None
    high: float | None
    p: float | None
    groups: int


@typechecked
def cliffs_delta(
    values: Float[np.ndarray, " items"],
    second: Bool[np.ndarray, " items"],
    groups: Int[np.ndarray, " items"],
    random_seed: int,
) -> CliffsDelta:
    """Delta of the `second` side over the other; neither may be empty."""
    higher = np.sign(values[second][:, None] - values[~second])
    sides = [np.unique(groups[side], return_inverse=True) for side in (second, ~second)]
    ours, theirs = (np.eye(len(names))[places] for names, places in sides)
    by_group, pairs = ours.T @ higher @ theirs, np.outer(ours.sum(axis=0), theirs.sum(axis=0))
    drawn = [
        np.concatenate(list(draw_blocks(len(names), RESAMPLES, random_seed + side)))
        for side, (names, _) in enumerate(sides)
    ]
    count = min(map(len, drawn))  # one where a side has too few groups
    times, other_times = (each[:count] for each in drawn)
    sums, totals = (((times @ each) * other_times).sum(axis=1) for each in (by_group, pairs))
    draws = np.asarray(sums / totals)
    fewest = min(len(names) for names, _ in sides)
    found = interval_of("", draws)
    if found.low is None or found.high is None:
        return CliffsDelta(found.mean, None, None, None, fewest)
    # Where no group disagrees, up to 3 in n may (the rule of three: Hanley & Lippman-Hand 1983).
    edge = 1 - 6 / fewest
    low = min(found.low, edge) if found.mean == 1 else found.low
    high = max(found.high, -edge) if found.mean == -1 else found.high
    return CliffsDelta(found.mean, low, high, p_value(found.mean, draws[1:], fewest), fewest)
