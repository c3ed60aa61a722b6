"""Every system answers the same questions: the table, the intervals, and one line that says what was learnt."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from soundkin.catalog.table import Catalog
from soundkin.errors import ArtefactError, Skipped
from soundkin.evaluation.asking import Answers, ask
from soundkin.evaluation.cold_start import ColdStart
from soundkin.evaluation.fairness import Fairness
from soundkin.evaluation.geometry import Geometry
from soundkin.evaluation.hubness import Hubness, hubness
from soundkin.evaluation.label_questions import unit_of
from soundkin.evaluation.neighbour_verdicts import NeighbourVerdicts
from soundkin.evaluation.retrieval import MOST_QUERIES, Systems, sampled_queries
from soundkin.evaluation.robustness import Robustness
from soundkin.evaluation.row import Row, make_row, size_cell, table_row
from soundkin.evaluation.sections import SECTIONS, Section, UserFairness, section_json
from soundkin.evaluation.triplet_agreement import TripletAgreement
from soundkin.files import read_versioned_json
from soundkin.shapes import Int
from soundkin.statistics.bootstrap import FEW_GROUPS, LEVEL
from soundkin.statistics.measure import CHANCE

FORMAT, FORMAT_VERSION = "soundkin evaluation", 3
RESAMPLES = 2000
HEADLINES = ("mAP@10", "nDCG@10", "accuracy", "balanced accuracy")  # what `table` shows unless asked for all
MAIN = (
    ("retrieval", "mAP@10"),
    ("logistic probe", "balanced accuracy"),
)  # what is drawn, and split by groups
NOTHING_MEASURED = "nothing measured: no label is shared by two of these tracks."


class Evaluation(BaseModel, frozen=True):
    """Systems side by side on the same tracks; the first one is ours, the one that others are compared with.

    `artists` counts what is drawn for intervals: `unit` says whether it is artists, or tracks for want of
    them. Of the sections those are there that somebody asked for, and gave what they need: `cold_start` takes
    users to offer the tracks to, `assessors` and `by_hand` people's answers. `caveat` ends the verdict: what
    the tracks are to the systems, unless they are held out from all training.
    """

    systems: tuple[str, ...]
    tracks: int
    artists: int
    unit: str = "artists"
    rows: tuple[Row, ...]
    hubness: tuple[Hubness, ...]
    trained_labels: tuple[str, ...] = ()
    cold_start: ColdStart | None = None
    assessors: TripletAgreement | None = None
    by_hand: NeighbourVerdicts | None = None
    geometry: Geometry | None = None
    robustness: Robustness | None = None
    fairness: Fairness | None = None
    fairness_of_users: UserFairness | None = None
    caveat: str = ""
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def sections(self) -> dict[str, Section]:
        """The sections that are there, by the name of their field."""
        found = {name: getattr(self, name) for name in SECTIONS}
        return {name: section for name, section in found.items() if section is not None}

    @property
    def size(self) -> str:
        """What it is made of: `112 tracks by 14 artists`."""
        return f"{self.tracks} tracks" + (f" by {self.artists} artists" if self.unit == "artists" else "")

    @property
    def headline(self) -> Row | None:
        """Retrieval mAP with the filter on, of the first label that has it; else the first row there is."""
        return _most_telling(self.rows)

    @property
    def verdict(self) -> str:
        """What the headline says."""
        if self.headline is None:
            return NOTHING_MEASURED
        return f"{self.headline.verdict}; {self.caveat}" if self.caveat else self.headline.verdict

    def verdict_on(self, label: str) -> str:
        """What retrieval says of one label, with the filter on where it has one; the verdict where it has no
        row.
        """
        row = _most_telling([row for row in self.rows if row.label == label])
        return row.verdict if row else self.verdict

    def table(self, every_metric: bool = False) -> list[dict[str, str]]:
        """Rows to print, cells by column: ours with its interval, the others' means, the gain over the best
        of them.
        """
        rows = [table_row(row) for row in self.rows if every_metric or row.metric in HEADLINES]
        skewness = {of.system: f"{of.skewness:.2f}" for of in self.hubness}
        hubs = {
            "label": "all tracks",
            "measure": "hubness: skewness",
            **size_cell(self.tracks, self.artists, self.unit),
        }
        return [*rows, hubs | skewness]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        named = {"format": FORMAT, "format_version": FORMAT_VERSION, "verdict": self.verdict}
        return (
            named
            | self.model_dump(mode="json")
            | {name: section_json(of) for name, of in self.sections.items()}
        )


def _most_telling(rows: Sequence[Row]) -> Row | None:
    shown = [row for row in rows if row.metric == HEADLINES[0]]
    return next((row for row in shown if row.filtered_by), next(iter(shown or rows), None))


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation that was written as JSON.

    Raises:
        ArtefactError: the file is missing, corrupt or of another version.
    """
    saved = read_versioned_json(path, FORMAT, FORMAT_VERSION)
    try:
        return Evaluation.model_validate({key: saved[key] for key in Evaluation.model_fields if key in saved})
    except ValidationError as error:
        raise ArtefactError(f"{path} is corrupt. Run soundkin evaluate again.") from error


def evaluate_vectors(
    systems: Systems,
    catalog: Catalog,
    labels: Sequence[str] | None = None,
    trained_labels: Collection[str] = (),
    random_seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Put the questions of `labels` (default: genre, artist, album, decade, as far as known) to all systems.

    Row i of every system is the vector of row i of `catalog`. `trained_labels` are those that the first
    system was trained on: marked so in the table.

    Raises:
        UsageError: vectors and catalog do not match, or vectors hold a NaN or infinity.
        CatalogError: a label asked for is not in the catalog.
    """
    folds = np.zeros(len(catalog), dtype=int)
    return evaluate_folds({0: systems}, catalog, folds, labels, trained_labels, random_seed, resamples)


def evaluate_folds(
    systems: Mapping[int, Systems],
    catalog: Catalog,
    folds: Int[np.ndarray, " tracks"],
    labels: Sequence[str] | None = None,
    trained_labels: Collection[str] = (),
    random_seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Judge each fold by the vectors that were made for it, and take the scores of all folds together.

    Row i of every system in `systems[n]` is the vector of the i-th track that `folds` puts in fold n. Vectors
    of two folds come from two models and are never compared: a query finds candidates of its own fold only,
    and a probe learns and is tested within one. An artist who stands in several folds is drawn as one artist.

    Raises:
        UsageError, CatalogError: as `evaluate_vectors`.
    """
    answers = ask(systems, catalog, folds, labels, random_seed=random_seed)
    return summarised(answers, systems, catalog, trained_labels, random_seed, resamples)


def summarised(
    answers: Answers,
    systems: Mapping[int, Systems],
    catalog: Catalog,
    trained_labels: Collection[str] | None = (),
    random_seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """What the answers of `systems`, by fold as `ask` was given them, come to: means, intervals and notes.

    `trained_labels` are None where nobody knows what the first system was trained on.
    """
    trained = {
        of.label: None if trained_labels is None else of.label in trained_labels for of in answers.measures
    }
    rows = tuple(
        make_row(measure, trained[measure.label], resamples, random_seed) for measure in answers.measures
    )
    names = list(dict.fromkeys(name for of_fold in systems.values() for name in of_fold))
    return Evaluation(
        systems=(*names, CHANCE),
        tracks=len(catalog),
        artists=len(np.unique(catalog.artists.groups)),
        unit=unit_of(catalog),
        rows=rows,
        hubness=tuple(
            _mean_hubness(name, [of_fold[name] for of_fold in systems.values()], random_seed)
            for name in names
        ),
        trained_labels=tuple(sorted(trained_labels or ())),
        notes=tuple([*_notes(answers, rows, resamples), *_sampled(systems)]),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


def _sampled(systems: Mapping[int, Systems]) -> list[str]:
    """A note, where there are too many tracks for all of them to ask."""
    tracks = max(len(next(iter(of_fold.values()), ())) for of_fold in systems.values())
    if tracks <= MOST_QUERIES:
        return []
    return [
        f"Of more than {MOST_QUERIES:,} tracks that may find each other ({tracks:,} here) so many are drawn to ask, "
        "the same ones by every system; all are candidates. Hubs are those among the drawn ones: they tend to grow "
        "with a collection, so the whole may have more."
    ]


def _mean_hubness(name: str, vectors_of_folds: Sequence[np.ndarray], random_seed: int) -> Hubness:
    """Hubness within each fold, where alone there are neighbours; a fold counts by its tracks.

    Of very many tracks a sample is looked at.
    """
    samples = [
        np.asarray(vectors[sampled_queries(len(vectors), random_seed)]) for vectors in vectors_of_folds
    ]
    found = [hubness(name, sample.astype(np.float32)) for sample in samples]
    tracks = np.array([len(vectors) for vectors in vectors_of_folds])
    shares = tracks / max(tracks.sum(), 1)
    means = {
        part: float(shares @ [getattr(of_fold, part) for of_fold in found])
        for part in ("skewness", "largest_hub", "antihubs")
    }
    return Hubness(system=name, k=max(of_fold.k for of_fold in found), **means)


def _notes(answers: Answers, rows: tuple[Row, ...], resamples: int) -> list[str]:
    """What a reader has to know before believing the table."""
    asked = answers.questions
    groups, unit = max(((row.groups, row.unit) for row in rows), default=(0, "artists"))
    notes = [
        f"Intervals are {LEVEL:.0%} percentiles of {resamples} draws of whole {unit} (at most {groups} here), since "
        "tracks by one artist are not independent. The candidates stay fixed: an interval is about other queries, "
        "not about another collection.",
        "Chance is exact: for retrieval what a random order is expected to score, for probes the commonest label.",
        "With the filter on, a query cannot find tracks by its own artist (where the artist is asked for, of its own "
        "album), and probes learn from other artists (albums) only. With it off, knowing voices passes for more.",
    ]
    shown = sorted({row.label for row in rows})
    remarks = {
        "The model was trained on {}: there, scores say how well that carries over.": _labels(rows, True),
        "The model was never trained on {}: there, scores say what else its vectors hold.": _labels(
            rows, False
        ),
        "No probe was asked for {}: reading what was taught back off the vectors says nothing of what else they hold. "
        "--trained-too asks it.": answers.unprobed,
        f"Fewer than {FEW_GROUPS} {unit} stand behind {{}}: there are no intervals, and nothing is concluded.": sorted(
            {row.label for row in rows if row.groups < FEW_GROUPS}
        ),
        "The catalog names nothing to filter {} by: those scores flatter every system.": [
            question.label for question in asked if question.filtered_by is None and question.label != "album"
        ],
        "No two of these tracks share a value of {}: nothing to score.": [
            question.label for question in asked if question.label not in shown
        ],
    }
    return notes + [remark.format(", ".join(labels)) for remark, labels in remarks.items() if labels]


def _labels(rows: tuple[Row, ...], trained: bool) -> list[str]:
    return sorted({row.label for row in rows if row.trained is trained})
