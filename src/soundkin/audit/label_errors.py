"""Labels to doubt: those that a classifier not trained on the track's artist finds unlikely.

The classifier is fitted on other artists (other albums, where the artist is the question). What a low belief
means depends on the catalog and the vectors, so it is measured on errors that are planted in the catalog's
own labels (`label_beliefs.py`), and the section says how often doubts of these are right.
"""

import warnings

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import MultiLabelBinarizer

from soundkin.audit.label_beliefs import LEAST_CHANCE, PlantedErrors, judge_labels
from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import Question, group_numbers, question
from soundkin.shapes import Float
from soundkin.statistics.bootstrap import FEW_GROUPS

FOLDS = 5
SHOWN = 15
MOST_CELLS = 50_000_000  # tracks x classes: 400 MB as float64
LEAST_TRACKS = 20


class DoubtedLabel(BaseModel, frozen=True):
    """A track whose label is doubted; chances [0, 1] are calibrated on errors planted in a twentieth."""

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
        doubted = f"{len(self.doubted)} of {judged} are" if self.doubted else f"none of {judged} is"
        return f"{doubted} doubted; {self.check.in_words}"

    def table(self) -> list[dict[str, str]]:
        """The first doubts."""
        return [
            {
                "rank": str(label.rank),
                "track_id": label.track_id,
                f"given {self.label}": label.given,
                "doubt": f"{label.doubt:.2f}",
                "suggested": label.suggested,
                "belief": "" if label.belief is None else f"{label.belief:.2f}",
            }
            for label in self.doubted[:SHOWN]
        ]


NOTES = (
    "A doubt is no verdict: the track sounds unlike the others of that name, and a rare side of an artist "
    "or a genre does so too. Only ears settle it.",
    "Doubt and belief are chances if one label in twenty were an error at random. In a cleaner catalog "
    "fewer doubts are right; people confuse what sounds alike, and such errors are harder to find than "
    "planted ones.",
    f"A label is doubted, and a correction offered, above a chance of {LEAST_CHANCE:.2f} that is calibrated "
    "on planted errors; other planted errors are those counted above. Where more than about one label in "
    "ten is an error, they hide each other, and few are doubted.",
    "A track of several labels is doubted only if all of them together are unlikely: one error among right "
    "ones is not found.",
)


def find_label_errors(
    catalog: Catalog,
    label: str,
    vectors: Float[np.ndarray, "tracks embedding"],
    random_seed: int = 0,
    without_vector: int = 0,
    trained: bool = False,
) -> LabelErrors:
    """Doubt the labels of a column that out-of-fold predictions hardly believe.

    `vectors` are in catalog order; `without_vector` more tracks have none. `trained`: the model behind them
    was trained on this label. Where there is too little to learn from, `missing` says what.
    """
    asked = question(catalog, label)
    binarizer = MultiLabelBinarizer(sparse_output=True)
    given = csr_matrix(binarizer.fit_transform(asked.values))
    groups = group_numbers(asked.filter_values)
    learnable = _learnable(given, groups)
    classes = given[:, learnable]
    rows = np.flatnonzero(classes.getnnz(axis=1))
    unlabelled = int((given.getnnz(axis=1) == 0).sum())
    unjudged = len(catalog) - unlabelled - len(rows)
    notes = _notes(asked, trained, without_vector, unlabelled, unjudged, given.shape[1] - len(learnable))
    artists = len(np.unique(asked.groups[rows]))
    counts = {"label": label, "classes": len(learnable), "notes": notes}
    if len(rows) < LEAST_TRACKS or len(learnable) < 2 or artists < FEW_GROUPS:
        missing = (
            f"too little to learn from: {len(learnable)} values of {label} that several "
            f"{asked.filtered_by or 'track'}s share, on {len(rows)} tracks by {artists} artists"
        )
        return LabelErrors(**counts, judged=len(rows), groups=artists, missing=missing)
    table = classes[rows].toarray() > 0
    judged, check = judge_labels(vectors[rows], table, _folds(table, groups[rows], random_seed), random_seed)
    judged.index = rows = rows[judged.index]
    agreeing = float(judged["agrees"].mean())
    counts |= {"judged": len(rows), "groups": len(np.unique(asked.groups[rows]))}
    counts |= {"agreeing": agreeing, "check": check}
    if not check.found:
        missing = (
            f"these vectors do not tell {label}s apart well enough to doubt a label, or far more than one in "
            f"twenty is an error: they place {agreeing:.0%} of {len(rows)} tracks right, and none of "
            f"{check.planted} labels swapped on purpose stands out"
        )
        return LabelErrors(**counts, missing=missing)
    names = binarizer.classes_[learnable]
    doubted = judged[judged["doubt"] >= LEAST_CHANCE].sort_values(["doubt", "given"], ascending=[False, True])
    labels: list[DoubtedLabel] = []
    for row, doubt, suggested, belief in doubted[["doubt", "suggested", "belief"]].itertuples():
        likely = {"suggested": names[suggested], "belief": belief} if belief >= LEAST_CHANCE else {}
        track = {"track_id": catalog.track_ids[row], "given": ";".join(asked.values[row])}
        labels.append(DoubtedLabel(rank=len(labels) + 1, doubt=doubt, **track, **likely))
    return LabelErrors(**counts, doubted=tuple(labels))


def _learnable(given: csr_matrix, groups: np.ndarray) -> np.ndarray:
    """The classes that several groups share, the commonest where memory would not hold all."""
    of_groups = csr_matrix((np.ones(len(groups)), (np.arange(len(groups)), groups)))
    spread = np.flatnonzero((of_groups.T @ given).getnnz(axis=0) >= 2)
    most = max(2, MOST_CELLS // max(1, len(groups)))
    return np.sort(spread[np.argsort(-given.getnnz(axis=0)[spread], kind="stable")][:most])


def _folds(classes: np.ndarray, groups: np.ndarray, random_seed: int) -> np.ndarray:
    """A fold for each track, the same for all of a group."""
    first = classes.argmax(axis=1)  # of several classes
    count = min(FOLDS, len(np.unique(groups)), np.bincount(first).max())
    folds = np.empty(len(classes), dtype=int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")
        deal = StratifiedGroupKFold(count, shuffle=True, random_state=random_seed)
        for fold, (_, rows) in enumerate(deal.split(classes, first, groups)):
            folds[rows] = fold
    return folds


def _notes(
    asked: Question, trained: bool, without_vector: int, unlabelled: int, unjudged: int, too_rare: int
) -> tuple[str, ...]:
    label, apart = asked.label, "album" if asked.label == "artist" else "artist"
    notes = {
        f"The vectors are by a model that was trained on {label}: of its training tracks it may know wrong "
        "labels by heart, which hides them. Vectors of a model that never saw these labels hide "
        "none.": trained,
        f"{without_vector} tracks have no vector, and were not judged.": without_vector,
        f"No {apart} is known, so folds are dealt track by track.": asked.filtered_by is None,
        f"Each track is judged by a classifier fitted on tracks of other {apart}s only.": asked.filtered_by,
        **dict.fromkeys(NOTES, True),
        f"{unlabelled} tracks have no {label}, and were not judged.": unlabelled,
        f"{unjudged} tracks were not judged: {too_rare} values of {label} are on too few to be "
        "learnt.": unjudged,
    }
    return tuple(note for note, shown in notes.items() if shown)
