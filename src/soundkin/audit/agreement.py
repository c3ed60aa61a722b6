"""Agreement between people: Krippendorff's alpha, for any number of raters and with values missing.

alpha = 1 - observed / expected disagreement: 1 where all agree, 0 where they agree as often as by chance
("Computing Krippendorff's Alpha-Reliability", 2011). Disagreement is the squared difference of two numbers,
which for two values is nominal alpha too: four sums per unit are enough, and no pairs of values are held.

Intervals draw units anew, with all their values (A. Zapf et al., "Measuring inter-rater reliability for
nominal data", 2016). Units that depend on each other, such as tracks by one artist, are drawn together.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from pydantic import BaseModel

from soundkin.catalog.annotators import UNKNOWN, make_judgements
from soundkin.statistics.bootstrap import Interval, drawn_sums, interval_of, too_few

RELIABLE, TENTATIVE = 0.8, 0.667
ROUNDING = 1e-12  # a smaller spread, relative to the values themselves, is none


class RaterAgreement(BaseModel, frozen=True):
    """Alpha over the units that several raters valued; None where it is undefined, for the `reason` given.

    `alike` is the share of pairs of values of one unit that are equal. `groups` counts what is drawn for the
    interval: units, or groups of them.
    """

    alpha: Interval | None
    reason: str = ""
    alike: float | None
    units: int
    raters: int
    values: int
    groups: int

    def in_words(self, unit: str) -> str:
        """What Krippendorff would conclude from alpha, if there are enough groups (`unit`, in the plural)."""
        assert self.alpha is not None
        if few := too_few(self.groups, unit):
            return few
        if self.alpha.mean >= RELIABLE:
            return "single values can be relied on"
        if self.alpha.mean >= TENTATIVE:
            return "single values allow tentative conclusions"
        unreliable = "single values are not to be relied on"
        return unreliable if self.alpha.mean > 0 else "no more than chance would bring"


def krippendorff_alpha(
    raters: ArrayLike,
    units: ArrayLike,
    values: ArrayLike,
    groups: ArrayLike | None = None,
    random_seed: int = 0,
    resamples: int = 1000,
) -> RaterAgreement:
    """Alpha of a long table with a row for each value (a number) that one of `raters` gave one of `units`.

    A missing rater is a different person in every row. Of several values that a rater gave a unit the first
    counts. `groups`: which units are drawn together (the artist of a track, the anchor of a question).
    """
    drawn = units if groups is None else groups
    table = pd.DataFrame({"rater": raters, "unit": units, "value": values, "group": drawn})
    table = table.dropna(subset=["unit", "value"])
    table = table[table["rater"].isna() | ~table.duplicated(["rater", "unit"])]
    size = table.groupby("unit")["unit"].transform("size").astype(float)
    table, size = table[size >= 2], size[size >= 2]
    counts = {
        "units": table["unit"].nunique(),
        "raters": table["rater"].nunique() + int(table["rater"].isna().sum()),
        "values": len(table),
        "groups": table["group"].nunique(),
    }
    if table.empty:
        return RaterAgreement(alpha=None, alike=None, reason="no unit was valued by two raters", **counts)
    equal = table.groupby(["unit", "value"])["unit"].transform("size")
    alike = float(((equal - 1) / (size - 1)).mean())
    value = table["value"].astype(float)
    if value.nunique() == 1:
        reason = "everybody always gave the same value, which chance would explain as well"
        return RaterAgreement(alpha=None, alike=alike, reason=reason, **counts)
    value = value - value.mean()  # so that rounding loses nothing
    deviation = value - value.groupby(table["unit"]).transform("mean")
    within = 2 * size * deviation**2 / (size - 1)
    columns = pd.DataFrame({"size": 1.0, "sum": value, "squares": value**2, "within": within})
    by_group = columns.groupby(table["group"], sort=False).sum().to_numpy()
    alphas = _alpha(*drawn_sums(by_group, resamples, random_seed).T)
    return RaterAgreement(alpha=interval_of("people", alphas[np.isfinite(alphas)]), alike=alike, **counts)


def _alpha(size: np.ndarray, sums: np.ndarray, squares: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Alpha of each draw; NaN where all its values are the same."""
    spread = size * squares - sums**2
    expected = np.where(spread > ROUNDING * size * squares, 2 * spread / (size * (size - 1)), np.nan)
    return np.asarray(1.0 - within / size / expected)


class AnnotatorAgreement(BaseModel, frozen=True):
    """How far people agree on which of two tracks is closer to a third; None where there are no triplets."""

    title: ClassVar[str] = "Agreement between annotators"
    agreement: RaterAgreement | None

    @property
    def verdict(self) -> str:
        """One line."""
        agreement = self.agreement
        if agreement is None:
            return "No triplets were given."
        if agreement.alpha is None:
            ask = "Ask several people the same questions."
            return f"Whether annotators agree is unknown: {agreement.reason}. {ask}"
        words, alike = agreement.in_words("anchors or their artists"), f"{agreement.alike:.0%} of cases"
        return f"Two people give the same answer in {alike} (alpha {agreement.alpha}): {words}."

    def table(self) -> list[dict[str, str]]:
        """One row."""
        if self.agreement is None:
            return []
        alpha, alike = self.agreement.alpha, self.agreement.alike
        row = {
            "Krippendorff's alpha": "" if alpha is None else str(alpha),
            "alike": "" if alike is None else f"{alike:.0%}",
            "questions": str(self.agreement.units),
            "drawn": str(self.agreement.groups),
            "annotators": str(self.agreement.raters),
            "answers": str(self.agreement.values),
        }
        return [row]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before relying on it."""
        if self.agreement is None or self.agreement.alpha is None:
            return ()
        return (
            "Only questions that two people answered count, and of several answers of a person the first.",
            "Alpha is 1 where all agree and 0 where they agree as by chance; its interval draws anchors "
            "(or their artists), with all questions about them.",
            "People differ where two tracks are about as close, so a low alpha may be due to hard questions.",
        )


def audit_agreement(
    triplets: pd.DataFrame | None, artists: Mapping[str, int] | None = None, random_seed: int = 0
) -> AnnotatorAgreement:
    """Alpha of triplets: the unit is a question (anchor, two tracks), the value which of these is closer.

    The values are the question's tracks in the order of their ids, so that alpha is about 2 `alike` - 1.
    Questions about one anchor are drawn together, or about one artist, where `artists` numbers these by
    track.
    """
    if triplets is None or triplets.empty:
        return AnnotatorAgreement(agreement=None)
    judgements = make_judgements(triplets)
    assert UNKNOWN == -1  # the last of `people`
    people = np.array([*judgements.annotator_ids, None], dtype=object)[judgements.annotators]
    anchors = triplets["anchor_id"]
    groups = anchors.map(artists) if artists else anchors
    alpha = krippendorff_alpha(people, judgements.questions, judgements.answers, groups, random_seed)
    return AnnotatorAgreement(agreement=alpha)
