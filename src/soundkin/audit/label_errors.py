"""Labels to doubt: those that a classifier which never met the track's artist finds unlikely, for people to
listen to.

A track is believed as far as a classifier fitted on other artists (other albums, where the artist is the
question) believes its labels. What a low belief means depends on the catalog and the vectors, so it is
measured on errors that are planted in the catalog's own labels (`planted_errors.py`), and the section says
how often doubts of these are right.
"""

from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix

from soundkin.audit.out_of_fold import fit_temperature, out_of_fold_scores
from soundkin.audit.planted_errors import LEAST_CHANCE, Calibration, PlantedErrors, beliefs, plant_errors
from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import Question, group_numbers, memberships, question
from soundkin.evaluation.probes import deal_folds
from soundkin.shapes import Float
from soundkin.statistics.bootstrap import FEW_GROUPS

SHOWN = 15
MOST_CELLS = 50_000_000  # tracks x classes: 400 MB as float64
LEAST_TRACKS = 20


class DoubtedLabel(BaseModel, frozen=True):
    """A track whose label is doubted; chances are calibrated on errors planted in one label of twenty, in [0,
    1].
    """

    rank: int  # from 1, the most doubted first
    track_id: str
    given: str  # as the catalog has it: `jazz;soul`
    doubt: float  # chance that none of the given labels is right
    suggested: str = ""  # only where it is likely to be right
    belief: float | None = None  # chance that it is


class LabelErrors(BaseModel, frozen=True):
    """Which labels of one column to look at, and how often such doubts are right."""

    label: str
    judged: int
    groups: int = 0
    classes: int
    agreeing: float | None = None  # share of tracks whose likeliest class is one of their own
    doubted: tuple[DoubtedLabel, ...] = ()
    check: PlantedErrors | None = None
    missing: str = ""
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The heading of the section."""
        return f"Doubted labels: {self.label}"

    @property
    def verdict(self) -> str:
        """One line."""
        if self.missing or self.check is None:
            return self.missing
        judged = f"{self.judged} {self.label} labels ({self.groups} artists)"
        found = (
            f"{len(self.doubted)} of {judged} are doubted" if self.doubted else f"none of {judged} is doubted"
        )
        return f"{found}; {self.check.in_words}"

    def table(self) -> list[dict[str, str]]:
        """The first doubts."""
        return [
            {
                "rank": str(one.rank),
                "track_id": one.track_id,
                f"given {self.label}": one.given,
                "doubt": f"{one.doubt:.2f}",
                "suggested": one.suggested,
                "belief": "" if one.belief is None else f"{one.belief:.2f}",
            }
            for one in self.doubted[:SHOWN]
        ]


NOTES = (
    "A doubt is no verdict: the track sounds unlike the others of that name, and a rare side of an artist or a genre "
    "does so too. Only ears settle it.",
    "Doubt and belief are chances if one label in twenty were an error at random. In a cleaner catalog fewer doubts "
    "are right; people confuse what sounds alike, and such errors are harder to find than planted ones.",
    f"A label is doubted, and a correction offered, above a chance of {LEAST_CHANCE:.2f} that is calibrated on planted "
    "errors; other planted errors are those counted above. Where more than about one label in "
    "ten is an error, they hide each other, and few are doubted.",
    "A track of several labels is doubted only if all of them together are unlikely: one error among right ones is "
    "not found.",
)


def find_label_errors(
    catalog: Catalog, label: str, vectors: Float[np.ndarray, "tracks embedding"], random_seed: int = 0
) -> LabelErrors:
    """Doubt the labels of a column that out-of-fold predictions hardly believe.

    `vectors` are in catalog order. Tracks without the label are not judged. Folds keep an artist's tracks
    together, and an album's where `label` is the artist. Where there is too little to learn from, `missing`
    says what.
    """
    asked = question(catalog, label)
    names = np.array(sorted({name for held in asked.values for name in held}), dtype=object)
    apart = group_numbers(asked.filter_values)
    given = memberships(asked.values)
    taught = _taught(given, apart)
    known, judged = given.getnnz(axis=1) > 0, given[:, taught].getnnz(axis=1) > 0
    notes = [
        _apart_note(asked, label),
        *NOTES,
        *_left_out_notes(label, len(names) - len(taught), known, judged),
    ]
    groups = len(np.unique(asked.groups[judged]))
    if judged.sum() < LEAST_TRACKS or len(taught) < 2 or groups < FEW_GROUPS:
        return LabelErrors(
            label=label,
            judged=int(judged.sum()),
            groups=groups,
            classes=len(taught),
            missing=f"too little to learn from: {len(taught)} values of {label} that several "
            f"{asked.filtered_by or 'track'}s share, on {judged.sum()} tracks by {groups} artists",
        )
    rows = np.flatnonzero(judged)
    classes = given[rows][:, taught].toarray() > 0
    folds = deal_folds(classes, apart[judged], random_seed)
    return _judge(
        catalog, asked, rows, names[taught], classes, vectors[judged], folds, random_seed, tuple(notes)
    )


def _judge(
    catalog: Catalog,
    asked: Question,
    rows: np.ndarray,
    names: np.ndarray,
    classes: np.ndarray,
    vectors: np.ndarray,
    folds: np.ndarray,
    random_seed: int,
    notes: tuple[str, ...],
) -> LabelErrors:
    scores = out_of_fold_scores(vectors, classes, folds)
    fair = np.isfinite(np.where(classes, scores, -np.inf)).any(
        axis=1
    )  # the other folds taught one of its labels
    rows, classes, vectors, folds, scores = (
        rows[fair],
        classes[fair],
        vectors[fair],
        folds[fair],
        scores[fair],
    )
    temperature = fit_temperature(scores, classes)
    calibrating, checking = plant_errors(vectors, classes, folds, temperature, random_seed)
    calibration = Calibration.from_planted(calibrating)
    check = calibration.check(checking)
    known: dict[str, Any] = {
        "label": asked.label,
        "judged": len(rows),
        "groups": len(np.unique(asked.groups[rows])),
        "classes": len(names),
        "agreeing": float(classes[np.arange(len(rows)), scores.argmax(axis=1)].mean()),
        "check": check,
        "notes": notes,
    }
    if not check.found:
        return LabelErrors(**known, missing=_too_dull(known))
    found = beliefs(scores / temperature, classes)
    doubts, offers = calibration.chances(found)
    listed = [row for row in np.lexsort((found.given, -doubts)).tolist() if doubts[row] >= LEAST_CHANCE]
    return LabelErrors(
        **known,
        doubted=tuple(
            DoubtedLabel(
                rank=place,
                track_id=catalog.track_ids[rows[row]],
                given=";".join(asked.values[rows[row]]),
                doubt=float(doubts[row]),
                suggested=str(names[found.suggested[row]]) if offers[row] >= LEAST_CHANCE else "",
                belief=float(offers[row]) if offers[row] >= LEAST_CHANCE else None,
            )
            for place, row in enumerate(listed, start=1)
        ),
    )


def _taught(given: csr_matrix, apart: np.ndarray) -> np.ndarray:
    """The classes to tell apart: those that several groups share, the commonest where memory would not hold
    all.
    """
    groups = csr_matrix((np.ones(len(apart)), (np.arange(len(apart)), apart)))
    spread = np.flatnonzero(np.diff(csr_matrix(given.T @ groups).indptr) >= 2)
    sizes = given.getnnz(axis=0)[spread]
    most = max(2, MOST_CELLS // max(1, len(apart)))
    return np.sort(spread[np.argsort(-sizes, kind="stable")][:most])


def _too_dull(known: dict[str, Any]) -> str:
    return (
        f"these vectors do not tell {known['label']}s apart well enough to doubt a label, or far more than one in "
        f"twenty is an error: they place {known['agreeing']:.0%} of {known['judged']} tracks right, and none of "
        f"{known['check'].planted} labels swapped on purpose stands out"
    )


def _apart_note(asked: Question, label: str) -> str:
    if asked.filtered_by is None:
        return f"No {'album' if label == 'artist' else 'artist'} is known, so folds are dealt track by track."
    return f"Each track is judged by a classifier fitted on tracks of other {asked.filtered_by}s only."


def _left_out_notes(label: str, untaught: int, known: np.ndarray, judged: np.ndarray) -> list[str]:
    unknown, unjudged = int((~known).sum()), int((known & ~judged).sum())
    notes = [f"{unknown} tracks have no {label}, and were not judged."] if unknown else []
    if unjudged:
        notes.append(
            f"{unjudged} tracks were not judged: {untaught} values of {label} are on too few to be learnt."
        )
    return notes
