"""Agreement between people: Krippendorff's alpha, for any number of raters and with values missing.

alpha = 1 - observed / expected disagreement: 1 where all agree, 0 where they agree as often as if values were
dealt out at random, below 0 where they agree less often than that. K. Krippendorff, "Computing Krippendorff's
Alpha-Reliability" (2011). He asks for 0.8 before conclusions are drawn from single values, and 0.667 for
tentative ones.

With squared distances, the disagreement within a unit is twice the number of its values times their sum of
squared deviations, so no table of all pairs of values is made. Ordinal distances are interval distances
between mean ranks, and nominal ones are what is left of all pairs once those of a kind are taken off.

Intervals draw units anew, with all their values (A. Zapf et al., "Measuring inter-rater reliability for
nominal data", 2016): they say what other units would give with the same raters. Units that depend on each
other, such as tracks by one artist, are drawn together.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel

from soundkin.catalog.annotators import UNKNOWN, make_judgements
from soundkin.shapes import Float, Int, typechecked
from soundkin.statistics.bootstrap import Interval, draw_blocks, interval_of, too_few

Level = Literal["nominal", "ordinal", "interval"]

RELIABLE, TENTATIVE = 0.8, 0.667
ROUNDING = 1e-12  # a spread smaller than this, beside the values themselves, is none


class Agreement(BaseModel, frozen=True):
    """Alpha over the units that at least two raters valued; None where it means nothing, for the `reason`
    given.

    `alike` is the share of pairs of values of one unit that are equal. `groups` counts what is drawn for the
    interval: units, or groups of them.
    """

    level: Level
    alpha: Interval | None
    reason: str = ""
    alike: float | None
    units: int
    raters: int
    values: int
    groups: int

    def in_words(self, unit: str) -> str:
        """What Krippendorff would have one conclude from alpha, if there are enough groups (`unit`, in the
        plural).
        """
        assert self.alpha is not None
        return too_few(self.groups, unit) or in_words(self.alpha.mean)


def krippendorff(
    raters: ArrayLike,
    units: ArrayLike,
    values: ArrayLike,
    level: Level = "nominal",
    resamples: int = 1000,
    random_seed: int = 0,
    groups: ArrayLike | None = None,
) -> Agreement:
    """Alpha of a long table: who (`raters`), about what (`units`), said what (`values`), one row for each
    value.

    Rows without a value or unit do not count; a rater who is not named (missing) is somebody else in every
    row. Of several values that a rater gave a unit the first counts. Values are numbers for ordinal and
    interval, and anything that can be told apart for nominal. `groups` says for each row which units are
    drawn together: the artist of a track, the anchor of a question. The interval has no ends with fewer than
    `FEW_GROUPS` of them.
    """
    drawn = units if groups is None else groups
    table = _pairable(
        pd.DataFrame({"rater": raters, "unit": units, "value": values, "group": drawn}, dtype=object)
    )
    unit = pd.factorize(table["unit"])[0].astype(np.int64)
    kinds, code = np.unique(_comparable(table["value"], level), return_inverse=True)
    units_kept, named = len(np.unique(unit)), table["rater"].notna()
    raters_kept = int(table["rater"][named].nunique() + (~named).sum())
    of_units = pd.factorize(table["group"][~table["unit"].duplicated()])[0]
    group_count = int(of_units.max(initial=-1)) + 1
    counted = {
        "level": level,
        "units": units_kept,
        "raters": raters_kept,
        "values": len(table),
        "groups": group_count,
    }
    if not len(table):
        return Agreement(alpha=None, alike=None, reason="no unit was valued by two raters", **counted)
    disagreement = _disagreements(unit, code.reshape(-1), kinds, level)
    alike = 1.0 - _nominal(unit, code.reshape(-1))(np.ones(units_kept))[0]
    if len(kinds) == 1:
        reason = "everybody always gave the same value, which chance would explain as well"
        return Agreement(alpha=None, alike=alike, reason=reason, **counted)
    alpha = _interval(disagreement, of_units, resamples, random_seed)
    return Agreement(alpha=alpha, alike=alike, **counted)


def triplet_agreement(
    triplets: pd.DataFrame,
    resamples: int = 1000,
    random_seed: int = 0,
    artists: Mapping[str, int] | None = None,
) -> Agreement:
    """Nominal alpha of judgements: the unit is a question (anchor and two tracks), the value which was the
    closer one.

    The two values are the question's tracks in the order of their ids, which has nothing to do with the
    answer; where people agree in `alike` of the cases, alpha is therefore about 2 alike - 1. Questions about
    one anchor are drawn together, or those about the anchors of one artist, where `artists` numbers these by
    track.
    """
    judgements = make_judgements(triplets)
    ids = np.array([*judgements.annotator_ids, None], dtype=object)
    assert UNKNOWN == -1  # the last of `ids`
    return krippendorff(
        ids[judgements.annotators],
        judgements.questions,
        judgements.answers,
        "nominal",
        resamples,
        random_seed,
        triplets["anchor_id"].map(artists) if artists else triplets["anchor_id"],
    )


def in_words(alpha: float) -> str:
    """What Krippendorff would have one conclude."""
    if alpha >= RELIABLE:
        return "single values can be relied on"
    if alpha >= TENTATIVE:
        return "single values allow tentative conclusions"
    return "single values are not to be relied on" if alpha > 0 else "no more than chance would bring"


_Disagreements = Callable[
    [Float[np.ndarray, " units"]], tuple[float, float]
]  # observed, expected; of weighted units


def _pairable(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of units that at least two raters valued."""
    table = table.dropna(subset=["unit", "value"])
    table = table[table["rater"].isna() | ~table.duplicated(["rater", "unit"])]
    return table[table.groupby("unit")["unit"].transform("size") >= 2]


def _comparable(values: pd.Series, level: Level) -> np.ndarray:
    """Values that can be sorted: numbers as they are; of nominal ones, numbers given in the order of
    appearance.
    """
    if level == "nominal":
        return pd.factorize(values)[0]
    return values.to_numpy(np.float64)


def _disagreements(
    unit: Int[np.ndarray, " values"], code: Int[np.ndarray, " values"], kinds: np.ndarray, level: Level
) -> _Disagreements:
    if level == "nominal":
        return _nominal(unit, code)
    if level == "ordinal":
        return _ordinal(unit, code)
    return _squared(unit, kinds[code] - kinds[code].mean())


def _nominal(unit: Int[np.ndarray, " values"], code: Int[np.ndarray, " values"]) -> _Disagreements:
    """1 for every pair of different values."""
    pairs, counts = np.unique(np.column_stack([unit, code]), axis=0, return_counts=True)
    size = np.bincount(unit).astype(np.float64)
    same = np.bincount(pairs[:, 0], counts.astype(np.float64) ** 2)
    within = (size**2 - same) / (size - 1)

    def weighted(weights: Float[np.ndarray, " units"]) -> tuple[float, float]:
        total = float(weights @ size)
        of_kind = np.bincount(pairs[:, 1], counts * weights[pairs[:, 0]])
        return float(weights @ within) / total, float(total**2 - of_kind @ of_kind) / (total * (total - 1))

    return weighted


def _ordinal(unit: Int[np.ndarray, " values"], code: Int[np.ndarray, " values"]) -> _Disagreements:
    """Squared distance of the values' mean ranks, which depend on how often each value was given."""

    def weighted(weights: Float[np.ndarray, " units"]) -> tuple[float, float]:
        given = np.bincount(code, weights[unit])
        ranks = np.cumsum(given) - given / 2
        ranks = (ranks - ranks @ given / given.sum()) / given.sum()
        return _squared(unit, ranks[code])(weights)

    return weighted


def _squared(unit: Int[np.ndarray, " values"], values: Float[np.ndarray, " values"]) -> _Disagreements:
    """Squared difference of values, which are about 0 on average so that nothing is lost to rounding."""
    size, sums, squares = (
        np.bincount(unit).astype(np.float64),
        np.bincount(unit, values),
        np.bincount(unit, values**2),
    )
    deviations = values - (sums / size)[unit]
    within = 2 * size * np.bincount(unit, deviations**2) / (size - 1)

    def weighted(weights: Float[np.ndarray, " units"]) -> tuple[float, float]:
        total = float(weights @ size)
        squared = total * float(weights @ squares)
        between = squared - float(weights @ sums) ** 2
        between = between if between > ROUNDING * squared else 0.0
        return float(weights @ within) / total, 2 * between / (total * (total - 1))

    return weighted


@typechecked
def _interval(
    disagreement: _Disagreements, groups: Int[np.ndarray, " units"], resamples: int, random_seed: int
) -> Interval:
    """Alpha, and percentiles of the draws of groups in which not all values are the same."""

    def alpha(weights: Float[np.ndarray, " units"]) -> float:
        observed, expected = disagreement(weights)
        return 1.0 - observed / expected if expected > 0 else np.nan

    blocks = draw_blocks(int(groups.max()) + 1, resamples, random_seed)
    alphas = np.array([alpha(drawn[groups]) for block in blocks for drawn in block])
    return interval_of("people", alphas[np.isfinite(alphas)])
