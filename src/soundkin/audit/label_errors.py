"""Labels that are probably wrong: confident learning (Northcutt, Jiang & Chuang 2021) over out-of-fold predictions.

A track is believed as far as a classifier that never heard its artist (its album, where the artist is the question)
believes its labels. The least believed come first, for people to listen to.

How many are wrong is harder to say than which. Confident learning counts too many where the vectors tell classes apart
badly. So we swap some labels on purpose, watch where these land, and ask how many of the others can stand as low: no
share of wrong labels above `share of the others below a score / share of swapped ones below it` is possible, whatever
the score (the bound of mixture proportion estimation: Blanchard, Lee & Scott 2010). The smaller figure counts.
"""

from typing import Any

import numpy as np
from pydantic import BaseModel
from scipy.sparse import csr_matrix
from scipy.stats import rankdata

from soundkin.audit.out_of_fold import fit_temperature, out_of_fold_scores, probabilities
from soundkin.catalog.table import Catalog
from soundkin.evaluation.probes import deal_folds
from soundkin.evaluation.questions import Question, group_numbers, memberships, question
from soundkin.progress import progress
from soundkin.shapes import Bool, Float, Int, typechecked

SWAPPED_SHARE, SWAPPED = 0.05, 120  # so many labels are swapped at a time, and in all, in at most so many rounds
MOST_ROUNDS = 20
LEAST_FOUND = 0.5  # where fewer of the swapped ones have been found, their share is too uncertain to divide by
LEAST_TELLING = 0.85  # below it, of swapped labels among classes made up, three of four suspects were right
LEAST_SHOWN = 10
SHOWN = 15
MOST_CELLS = 50_000_000  # tracks x classes: 400 MB as float64
LEAST_TRACKS = 20


class Suspect(BaseModel, frozen=True):
    """A track whose label is doubted. Probabilities are the classifier's, in [0, 1]."""

    rank: int  # from 1, the least believed first
    track_id: str
    given: str  # as the catalog has it: `jazz;soul`
    suggested: str
    belief: float  # that any of the given labels is right
    confidence: float  # that the suggested one is
    likely: bool  # among the number that is estimated wrong; the others are borderline


class LabelErrors(BaseModel, frozen=True):
    """Which labels of one column to look at, and about how many are wrong."""

    label: str
    judged: int
    classes: int
    agreeing: float | None = None  # share of tracks whose likeliest class is one of their own
    estimated: int = 0
    confident_count: int = 0  # what confident learning alone would say
    telling: float | None = None  # chance that a label swapped on purpose is believed less than another; 0.5 is none
    found: float | None = None  # share of the labels swapped on purpose that landed among the suspects
    swapped: int = 0
    suspects: tuple[Suspect, ...] = ()
    missing: str = ""
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The heading of the section."""
        return f"Likely wrong labels: {self.label}"

    @property
    def verdict(self) -> str:
        """One line."""
        if self.missing:
            return self.missing
        check = f"{self.found or 0:.0%} of {self.swapped} labels swapped on purpose landed in this list"
        if not self.estimated:
            return f"no {self.label} label stands out as wrong among {self.judged}; {check}"
        share = self.estimated / self.judged
        return (
            f"about {self.estimated} of {self.judged} {self.label} labels ({share:.1%}) are probably wrong: listen to "
            f"the {len(self.suspects)} least believed; {check}"
        )

    def table(self) -> list[dict[str, str]]:
        """The first suspects."""
        return [
            {
                "rank": str(one.rank),
                "track_id": one.track_id,
                f"given {self.label}": one.given,
                "suggested": one.suggested,
                "belief in given": f"{one.belief:.2f}",
                "in suggested": f"{one.confidence:.2f}",
                "likely wrong": "yes" if one.likely else "borderline",
            }
            for one in self.suspects[:SHOWN]
        ]


NOTES = (
    "A label is doubted because it sounds unlike the others of that name: a rare side of an artist looks the same as "
    "an error. Only ears settle it.",
    "The number is as many as can be wrong if labels went wrong at random; vectors that tell classes apart badly leave "
    "it too high. People confuse what sounds alike: such errors are harder to find, and it may be too low for them.",
    "A track of several labels is doubted only if all of them together are unlikely: one wrong among right ones is "
    "not found.",
)


def find_label_errors(
    catalog: Catalog, label: str, vectors: Float[np.ndarray, "tracks embedding"], random_seed: int = 0
) -> LabelErrors:
    """Rank the labels of a column by how little out-of-fold predictions believe them.

    `vectors` are in catalog order. Tracks without the label are not judged. Folds keep an artist's tracks together,
    and an album's where `label` is the artist. Where there is too little to learn from, `missing` says what.
    """
    asked = question(catalog, label)
    names = np.array(sorted({name for held in asked.values for name in held}), dtype=object)
    apart = group_numbers(asked.filter_values)
    given = memberships(asked.values)
    taught = _taught(given, apart)
    known, judged = given.getnnz(axis=1) > 0, given[:, taught].getnnz(axis=1) > 0
    notes = [_apart_note(asked, label), *NOTES, *_left_out_notes(label, len(names) - len(taught), known, judged)]
    if judged.sum() < LEAST_TRACKS or len(taught) < 2:
        return LabelErrors(
            label=label,
            judged=int(judged.sum()),
            classes=len(taught),
            missing=f"too little to learn from: {len(taught)} values of {label} that several "
            f"{asked.filtered_by or 'track'}s share, on {judged.sum()} tracks",
        )
    rows = np.flatnonzero(judged)
    classes = given[rows][:, taught].toarray() > 0
    folds = deal_folds(classes, apart[judged], random_seed)
    return _judge(catalog, asked, rows, names[taught], classes, vectors[judged], folds, random_seed, tuple(notes))


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
    fair = np.isfinite(np.where(classes, scores, -np.inf)).any(axis=1)  # the other folds taught one of its labels
    rows, classes, vectors, folds, scores = rows[fair], classes[fair], vectors[fair], folds[fair], scores[fair]
    temperature = fit_temperature(scores, classes)
    believed = probabilities(scores / temperature)
    answers, chances = as_single(classes, believed)
    beliefs = _quality(answers, chances)
    swapped, others = _swap_on_purpose(vectors, classes, folds, temperature, random_seed)
    known: dict[str, Any] = {
        "label": asked.label,
        "judged": len(rows),
        "classes": len(names),
        "agreeing": float(classes[np.arange(len(rows)), believed.argmax(axis=1)].mean()),
        "telling": stands_out(swapped, others),
        "swapped": len(swapped),
        "notes": notes,
    }
    if known["telling"] < LEAST_TELLING:
        return LabelErrors(**known, missing=_too_dull(known))
    suggested = np.where(classes, -1.0, believed).argmax(axis=1)
    confidence = believed[np.arange(len(rows)), suggested]
    doubted = np.flatnonzero(confidence > beliefs)
    doubted = doubted[np.argsort(beliefs[doubted], kind="stable")]
    confident_count = _confident_count(answers, chances)
    ceiling = round(most_wrong(swapped, others) * len(rows))
    estimated = min(confident_count, ceiling, len(doubted))
    shown = doubted[: max(2 * estimated, LEAST_SHOWN)]
    return LabelErrors(
        **known,
        estimated=estimated,
        confident_count=confident_count,
        found=float((swapped <= beliefs[shown].max()).mean()) if len(shown) else 0.0,
        suspects=tuple(
            Suspect(
                rank=place + 1,
                track_id=catalog.track_ids[rows[row]],
                given=";".join(asked.values[rows[row]]),
                suggested=str(names[suggested[row]]),
                belief=float(beliefs[row]),
                confidence=float(confidence[row]),
                likely=place < estimated,
            )
            for place, row in enumerate(shown.tolist())
        ),
    )


@typechecked
def as_single(
    classes: Bool[np.ndarray, "tracks classes"], believed: Float[np.ndarray, "tracks classes"]
) -> tuple[Int[np.ndarray, " tracks"], Float[np.ndarray, "tracks classes"]]:
    """One label a track, as confident learning wants it: the likeliest of its own, with the probability of them all."""
    own = np.where(classes, believed, 0.0)
    answers = np.where(classes, believed, -1.0).argmax(axis=1)
    chances = np.where(classes, 0.0, believed)
    chances[np.arange(len(classes)), answers] = own.sum(axis=1)
    return answers, chances


@typechecked
def stands_out(swapped: Float[np.ndarray, " swapped"], others: Float[np.ndarray, " others"]) -> float:
    """Chance that a label swapped on purpose is believed less than another one, ties counting half."""
    ranks = rankdata(np.concatenate([swapped, others]))[: len(swapped)]
    less = ranks.sum() - len(swapped) * (len(swapped) + 1) / 2  # pairs in which the other is believed less
    return float(1.0 - less / (len(swapped) * len(others)))


@typechecked
def most_wrong(swapped: Float[np.ndarray, " swapped"], others: Float[np.ndarray, " others"]) -> float:
    """The largest share of wrong labels among `others` that is possible, in [0, 1].

    Both are beliefs in labels: in those swapped on purpose, and in the given ones beside them.
    """
    cuts = np.sort(swapped)
    found = np.arange(1, len(cuts) + 1) / len(cuts)
    below = np.searchsorted(np.sort(others), cuts, side="right") / len(others)
    certain = found >= LEAST_FOUND
    return float(np.clip(below[certain] / found[certain], 0.0, 1.0).min())


def _swap_on_purpose(
    vectors: np.ndarray, classes: np.ndarray, folds: np.ndarray, temperature: float, random_seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Beliefs in labels drawn at random from those that a track does not have, and in all other labels beside them."""
    rng = np.random.default_rng(random_seed)
    count = max(1, round(SWAPPED_SHARE * len(classes)))
    of_swapped, of_others = [], []
    for _ in progress(range(min(MOST_ROUNDS, -(-SWAPPED // count))), "swapping labels", unit="round"):
        wrong, chosen = swap_labels(classes, count, rng)
        scores = out_of_fold_scores(vectors, wrong, folds)
        beliefs = _quality(*as_single(wrong, probabilities(scores / temperature)))
        of_swapped.append(beliefs[chosen])
        of_others.append(np.delete(beliefs, chosen))
    return np.concatenate(of_swapped), np.concatenate(of_others)


@typechecked
def swap_labels(
    classes: Bool[np.ndarray, "tracks classes"], count: int, rng: np.random.Generator
) -> tuple[Bool[np.ndarray, "tracks classes"], Int[np.ndarray, " swapped"]]:
    """`count` tracks get one class that is not theirs in place of their own; also which tracks these are."""
    wrong = classes.copy()
    able = np.flatnonzero(~classes.all(axis=1))
    chosen = rng.choice(able, min(count, len(able)), replace=False)
    for row in chosen:
        wrong[row] = False
        wrong[row, rng.choice(np.flatnonzero(~classes[row]))] = True
    return wrong, chosen


def _quality(answers: np.ndarray, chances: np.ndarray) -> Float[np.ndarray, " tracks"]:
    """How far each label is believed, in [0, 1]: cleanlab's self-confidence."""
    from cleanlab.rank import get_label_quality_scores

    scores: Any = get_label_quality_scores(answers, chances, method="self_confidence")
    return np.asarray(scores, dtype=np.float64)


def _confident_count(answers: np.ndarray, chances: np.ndarray) -> int:
    """How many labels the confident joint puts off its diagonal."""
    from cleanlab.count import num_label_issues

    return int(num_label_issues(answers, chances))


def _taught(given: csr_matrix, apart: np.ndarray) -> np.ndarray:
    """The classes to tell apart: those that several groups share, the commonest where memory would not hold all."""
    groups = csr_matrix((np.ones(len(apart)), (np.arange(len(apart)), apart)))
    spread = np.flatnonzero(np.diff(csr_matrix(given.T @ groups).indptr) >= 2)
    sizes = given.getnnz(axis=0)[spread]
    most = max(2, MOST_CELLS // max(1, len(apart)))
    return np.sort(spread[np.argsort(-sizes, kind="stable")][:most])


def _too_dull(known: dict[str, Any]) -> str:
    return (
        f"these vectors do not tell {known['label']}s apart well enough to doubt a label: they would place "
        f"{known['agreeing']:.0%} of {known['judged']} tracks right, and labels swapped on purpose hardly stand out "
        f"({known['telling']:.2f}; 0.5 is not at all, {LEAST_TELLING} is enough)"
    )


def _apart_note(asked: Question, label: str) -> str:
    if asked.filtered_by is None:
        return f"No {'album' if label == 'artist' else 'artist'} is known, so folds are dealt track by track."
    return f"Each track is judged by a classifier that was taught on tracks of other {asked.filtered_by}s only."


def _left_out_notes(label: str, untaught: int, known: np.ndarray, judged: np.ndarray) -> list[str]:
    unknown, unjudged = int((~known).sum()), int((known & ~judged).sum())
    notes = [f"{unknown} tracks have no {label}, and were not judged."] if unknown else []
    if unjudged:
        notes.append(f"{unjudged} tracks were not judged: {untaught} values of {label} are on too few to be learnt.")
    return notes
