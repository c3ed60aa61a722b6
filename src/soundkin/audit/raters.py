"""Raters: whether people agree, whom of them to believe, and how much each one's judgements weigh in
training.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pandas as pd
from pydantic import BaseModel

from soundkin.audit.agreement import Agreement, triplet_agreement
from soundkin.audit.rating_scales import Feedback, RatingScales, audit_rating_scales
from soundkin.audit.reliability import AnnotatorReliability, annotator_reliabilities
from soundkin.catalog.annotators import PRIOR_RELIABILITY
from soundkin.catalog.table_io import write_rows
from soundkin.statistics.bootstrap import Interval

ANNOTATOR_COLUMNS = ["annotator_id", "reliability", "low", "high", "answers", "weight", "flags"]
FILE_DIGITS = 4


class VerdictAgreement(BaseModel, frozen=True):
    """How far people agree on which of two tracks is closer to a third; None where there are no triplets."""

    title: ClassVar[str] = "Agreement between annotators"
    agreement: Agreement | None

    @property
    def verdict(self) -> str:
        """What to make of it, in a line."""
        found = self.agreement
        if found is None:
            return "No triplets were given."
        if found.alpha is None:
            return f"Whether annotators agree cannot be told: {found.reason}. Ask several people the same questions."
        return f"Two people give the same answer in {found.alike:.0%} of cases (alpha {found.alpha}): {self._words()}."

    def table(self) -> list[dict[str, str]]:
        """One row."""
        found = self.agreement
        if found is None:
            return []
        return [
            {
                "Krippendorff's alpha": "" if found.alpha is None else str(found.alpha),
                "alike": "" if found.alike is None else f"{found.alike:.0%}",
                "questions": str(found.units),
                "drawn": str(found.groups),
                "annotators": str(found.raters),
                "judgements": str(found.values),
            }
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing it."""
        if self.agreement is None or self.agreement.alpha is None:
            return ()
        return (
            "Only questions that two people answered count, and of several answers of a person the first.",
            "Alpha is 1 where all agree and 0 where they agree as by chance; its interval "
            "draws anchors (or their artists), with all questions about them.",
            "People differ where two tracks are about as close, so a low alpha may be due to hard questions.",
        )

    def _words(self) -> str:
        assert self.agreement is not None and self.agreement.alpha is not None
        return self.agreement.in_words("anchors or their artists")


class AnnotatorAudit(BaseModel, frozen=True):
    """How reliable each annotator is; `unnamed` judgements name nobody, of `judgements` in all."""

    title: ClassVar[str] = "Reliability of annotators"
    annotators: tuple[AnnotatorReliability, ...]
    judgements: int
    unnamed: int

    @property
    def verdict(self) -> str:
        """What to make of them, in a line."""
        if not self.judgements:
            return "No triplets were given."
        if not self.annotators:
            return (
                "No judgement names its annotator, so nobody's reliability can be told. Fill in annotator_id."
            )
        if not any(one.shared for one in self.annotators):
            return "No question was answered twice, so nobody's reliability can be told. Ask several people the same."
        known = [one.reliability.mean for one in self.annotators if "few shared answers" not in one.flags]
        few = len(self.annotators) - len(known)
        spread = f"reliability from {min(known):.2f} to {max(known):.2f}" if known else "nobody is known well"
        flagged = sum(bool(set(one.flags) - {"few shared answers"}) for one in self.annotators)
        unknown = f", {few} answered too little that others did" if few else ""
        return f"{len(self.annotators)} annotators: {spread}; {flagged} to look at{unknown}."

    def table(self) -> list[dict[str, str]]:
        """A row for each annotator, the least reliable first."""
        ordered = sorted(self.annotators, key=lambda one: (one.reliability.mean, one.annotator_id))
        return [
            {
                "annotator_id": one.annotator_id,
                "reliability": str(one.reliability),
                "weight": f"{one.weight:.2f}",
                "answers": str(one.answers),
                "shared": str(one.shared),
                "thirds": " ".join(f"{third.mean:.2f}" for third in one.thirds),
                "change": _signed(one.change),
                "same answer again": _share_of(one.consistency, one.repeated),
                "fast": "" if one.fast is None else f"{one.fast:.0%}",
                "slow": "" if one.slow is None else f"{one.slow:.0%}",
                "flags": "; ".join(one.flags),
            }
            for one in ordered
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing it."""
        if not self.annotators:
            return ()
        notes = [
            "Reliability is how often somebody says what is likely to be true, as judged by the others' answers and "
            "gold questions; what all get wrong together, only gold questions can tell.",
            f"Who answered little is held to be nearer to {PRIOR_RELIABILITY}. Answers to questions that nobody else "
            "answered do not narrow the interval.",
            "A weight of 1 is that of somebody unknown. Judgements of people below chance weigh nothing: they could be "
            "read the other way round, but nobody can say that they stay so.",
            "Whether somebody prefers one side of the page cannot be told: the file says closer and farther only.",
        ]
        if any(one.change for one in self.annotators):
            notes.append(
                "Change is the last third of the answers less the first; 1 in 20 who do not change is flagged."
            )
        else:
            notes.append("Change over time needs a timestamp on thirty answers of a person.")
        if not any(one.fast is not None for one in self.annotators):
            notes.append("Haste needs seconds_taken.")
        if self.unnamed:
            notes.append(
                f"{self.unnamed} of {self.judgements} judgements name nobody, and count as by strangers."
            )
        return tuple(notes)


Section = VerdictAgreement | AnnotatorAudit | RatingScales


def audit_raters(
    triplets: pd.DataFrame | None,
    ratings: pd.DataFrame | None,
    gold: pd.DataFrame | None = None,
    expected: pd.DataFrame | None = None,
    feedback: Feedback | None = None,
    resamples: int = 1000,
    random_seed: int = 0,
    artists: Mapping[str, int] | None = None,
) -> tuple[Section, ...]:
    """Agreement and reliability of annotators, and the use of rating scales; what is not given is said to be
    missing.

    `triplets` and `ratings` are tables as `read_triplets` and `read_ratings` return them; `gold` and
    `expected` those of `catalog.annotators.find_consensus`, which raises where gold questions contradict each
    other. Where `feedback` is not said, it is guessed from the ratings. `artists` numbers the artist of each
    track: the unit of intervals.
    """
    agreement = None
    if triplets is not None and len(triplets):
        agreement = triplet_agreement(triplets, resamples, random_seed, artists)
    return (
        VerdictAgreement(agreement=agreement),
        audit_annotators(triplets, gold, expected),
        audit_rating_scales(ratings, feedback, resamples, random_seed, artists),
    )


def audit_annotators(
    triplets: pd.DataFrame | None, gold: pd.DataFrame | None = None, expected: pd.DataFrame | None = None
) -> AnnotatorAudit:
    """The second section of `audit_raters` alone."""
    if triplets is None or not len(triplets):
        return AnnotatorAudit(annotators=(), judgements=0, unnamed=0)
    unnamed = int(triplets["annotator_id"].isna().sum()) if "annotator_id" in triplets else len(triplets)
    annotators = annotator_reliabilities(triplets, gold, expected)
    return AnnotatorAudit(annotators=annotators, judgements=len(triplets), unnamed=unnamed)


def annotator_table(audit: AnnotatorAudit) -> pd.DataFrame:
    """ANNOTATOR_COLUMNS of everybody, in the order of their ids; flags are separated by `;`."""
    rows = [
        [
            one.annotator_id, one.reliability.mean, one.reliability.low, one.reliability.high, one.answers, one.weight,
            ";".join(one.flags),
        ]
        for one in audit.annotators
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=ANNOTATOR_COLUMNS)


def write_annotators(audit: AnnotatorAudit, path: Path) -> None:
    """Write `annotator_table` as CSV or Parquet (`annotators.csv`).

    Raises:
        CatalogError: another suffix.
        OutputError: the folder cannot be written, or the disk is full.
    """
    write_rows(annotator_table(audit).round(FILE_DIGITS), path)


def _signed(change: Interval | None) -> str:
    return "" if change is None else f"{change:+.2f}"


def _share_of(share: float | None, count: int) -> str:
    return "" if share is None else f"{share:.0%} of {count}"
