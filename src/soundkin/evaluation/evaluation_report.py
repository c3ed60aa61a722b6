"""The report of an evaluation: mean scores of every system, intervals, verdict, sections, notes and JSON."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ValidationError

from soundkin.catalog.table import Catalog
from soundkin.errors import ArtefactError, Skipped
from soundkin.evaluation.cold_start import ColdStart
from soundkin.evaluation.fairness import Fairness
from soundkin.evaluation.geometry import Geometry
from soundkin.evaluation.hubness import Hubness, hubness
from soundkin.evaluation.label_questions import FILTERED_BY, unit_of
from soundkin.evaluation.label_scores import LabelScores, ask
from soundkin.evaluation.neighbour_verdicts import NeighbourVerdicts
from soundkin.evaluation.retrieval import MAX_QUERIES, Systems, sampled_queries
from soundkin.evaluation.robustness import Robustness
from soundkin.evaluation.sections import Section
from soundkin.evaluation.triplet_agreement import TripletAgreement
from soundkin.files import read_versioned_json
from soundkin.shapes import Int
from soundkin.statistics.bootstrap import (
    FEW_GROUPS,
    LEVEL,
    Compared,
    Interval,
    compare,
    listed_means,
    not_shown_to_beat,
)
from soundkin.statistics.measure import CHANCE

FORMAT, FORMAT_VERSION = "soundkin evaluation", 3
RESAMPLES = 2000
HEADLINES = ("mAP@10", "nDCG@10", "accuracy", "balanced accuracy")  # what `table` shows unless asked for all
MAIN = (
    ("retrieval", "mAP@10"),
    ("logistic probe", "balanced accuracy"),
)  # what is drawn, and split by groups
NOTHING_MEASURED = "nothing measured: no label is shared by two of these tracks."
SECTIONS = ("cold_start", "assessors", "by_hand", "geometry", "robustness", "fairness", "fairness_of_users")


class Row(Compared, frozen=True):
    """One measure of all systems; `trained`: whether ours was trained on the label, None if unknown."""

    protocol: str
    label: str
    metric: str
    filtered_by: str | None
    trained: bool | None
    items: int

    @property
    def least_gain(self) -> Interval:
        """The gain over the best of the others."""
        return min(self.gains, key=lambda gain: gain.mean)

    @property
    def verdict(self) -> str:
        """One line: what was learnt, or that it was not shown."""
        ours, *others = self.scores
        level = [system for system in self.unbeaten if system not in self.better]
        below = f"below {' and '.join(self.better)}" if self.better else ""
        shown = ", ".join(filter(None, (not_shown_to_beat(level), below)))
        filter_column = self.filtered_by or FILTERED_BY.get(self.label) or "artist"
        return (
            f"{self.too_few or shown or 'what was learnt'}: {self.label} {self.metric} {ours} "
            f"against {listed_means(others)}; {filter_column} filter {'on' if self.filtered_by else 'off'}"
        )

    def cells(self) -> dict[str, str]:
        """Cells by column: ours with its interval, the others' means, the gain over the best of them."""
        ours, *others = self.scores
        return {
            "label": self.label,
            "trained on": {True: "yes", False: "no", None: "unknown"}[self.trained],
            "measure": f"{self.protocol.removesuffix(' probe')} {self.metric}",
            "filter": self.filtered_by or "off",
            **_size_cell(self.items, self.groups, self.unit),
            ours.system: str(ours),
            **{score.system: f"{score.mean:.2f}" for score in others},
            "gain over the best": f"{self.least_gain:+.2f} over {self.least_gain.system}",
        }


class UserFairness(Fairness, frozen=True):
    """Fairness of a cold start: scores are those of users, and so are groups."""

    title: ClassVar[str] = "fairness among users"


class Evaluation(BaseModel, frozen=True):
    """Systems compared on the same tracks; the first one is ours, which the others are compared with.

    `artists` counts what is drawn for intervals: `unit` says whether it is artists, or tracks if no artist is
    known. Sections are there if somebody asked for them, and gave what they need. `caveat` ends the verdict:
    what the tracks are to the systems, unless they are held out from all training.
    """

    systems: tuple[str, ...]
    tracks: int
    artists: int
    unit: str = "artists"
    rows: tuple[Row, ...]
    hubness: tuple[Hubness, ...]
    trained_labels: tuple[str, ...] = ()
    cold_start: ColdStart | None = None
    assessors: TripletAgreement | None = None  # these two keep their names in JSON files of earlier versions
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
        return {name: getattr(self, name) for name in SECTIONS if getattr(self, name) is not None}

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
        """What retrieval says of one label, with the filter on if it has one; else the verdict."""
        row = _most_telling([row for row in self.rows if row.label == label])
        return row.verdict if row else self.verdict

    def table(self, every_metric: bool = False) -> list[dict[str, str]]:
        """Rows to print, cells by column: `Row.cells`, and the hubs of all tracks."""
        rows = [row.cells() for row in self.rows if every_metric or row.metric in HEADLINES]
        hubs = {"label": "all tracks", "measure": "hubness: skewness"}
        skewness = {hub.system: f"{hub.skewness:.2f}" for hub in self.hubness}
        return [*rows, hubs | _size_cell(self.tracks, self.artists, self.unit) | skewness]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON; sections come with their title, verdict and table."""
        named = {"format": FORMAT, "format_version": FORMAT_VERSION, "verdict": self.verdict}
        sections = {
            name: section.model_dump(mode="json")
            | {"title": section.title, "verdict": section.verdict, "table": section.table()}
            for name, section in self.sections.items()
        }
        return named | self.model_dump(mode="json") | sections


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation that was written as JSON."""
    saved = read_versioned_json(path, FORMAT, FORMAT_VERSION)
    try:
        return Evaluation.model_validate({key: saved[key] for key in Evaluation.model_fields if key in saved})
    except ValidationError as error:
        raise ArtefactError(f"{path} is corrupt. Run soundkin evaluate again.") from error


def evaluate_folds(
    systems: Mapping[int, Systems],
    catalog: Catalog,
    folds: Int[np.ndarray, " tracks"],
    labels: Sequence[str] | None = None,
    trained_labels: Collection[str] = (),
    random_seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Score each fold by its own vectors, as `ask` does, and average over the scores of all folds.

    An artist with tracks in several folds is drawn as one artist. `trained_labels` are those that the first
    system was trained on: marked so in the table.
    """
    scores = ask(systems, catalog, folds, labels, random_seed=random_seed)
    return summarise(scores, systems, catalog, trained_labels, random_seed, resamples)


def summarise(
    scores: LabelScores,
    systems: Mapping[int, Systems],
    catalog: Catalog,
    trained_labels: Collection[str] | None = (),
    random_seed: int = 0,
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Means, intervals and notes of the scores of `systems`, by fold as `ask` was given them.

    `trained_labels` are None where nobody knows what the first system was trained on.
    """
    rows = tuple(
        Row(
            protocol=measure.protocol,
            label=measure.label,
            metric=measure.metric,
            filtered_by=measure.filtered_by,
            trained=None if trained_labels is None else measure.label in trained_labels,
            items=int(measure.asked.sum()),
            **dict(compare(measure, resamples, random_seed)),
        )
        for measure in scores.measures
    )
    names = list(dict.fromkeys(name for fold_systems in systems.values() for name in fold_systems))
    return Evaluation(
        systems=(*names, CHANCE),
        tracks=len(catalog),
        artists=len(np.unique(catalog.artists.groups)),
        unit=unit_of(catalog),
        rows=rows,
        hubness=tuple(
            _mean_hubness(name, [fold_systems[name] for fold_systems in systems.values()], random_seed)
            for name in names
        ),
        trained_labels=tuple(sorted(trained_labels or ())),
        notes=(*_notes(scores, rows, resamples), *_sampling_notes(systems)),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


def _most_telling(rows: Sequence[Row]) -> Row | None:
    shown = [row for row in rows if row.metric == HEADLINES[0]]
    return next((row for row in shown if row.filtered_by), next(iter(shown or rows), None))


def _size_cell(tracks: int, groups: int, unit: str) -> dict[str, str]:
    return {"tracks": str(tracks)} if unit == "tracks" else {f"tracks ({unit})": f"{tracks} ({groups})"}


def _mean_hubness(name: str, vectors_of_folds: Sequence[np.ndarray], random_seed: int) -> Hubness:
    """Hubness within each fold, where alone there are neighbours; a fold counts by its tracks.

    Of very many tracks a sample is looked at.
    """
    samples = [
        np.asarray(vectors[sampled_queries(len(vectors), random_seed)]) for vectors in vectors_of_folds
    ]
    by_fold = [hubness(name, sample.astype(np.float32)) for sample in samples]
    tracks = np.array([len(vectors) for vectors in vectors_of_folds])
    shares = tracks / max(tracks.sum(), 1)
    means = {
        part: float(shares @ [getattr(fold, part) for fold in by_fold])
        for part in ("skewness", "largest_hub", "antihubs")
    }
    return Hubness(system=name, k=max(fold.k for fold in by_fold), **means)


def _notes(scores: LabelScores, rows: tuple[Row, ...], resamples: int) -> list[str]:
    """What a reader has to know before believing the table."""
    groups, unit = max(((row.groups, row.unit) for row in rows), default=(0, "artists"))
    notes = [
        f"Intervals are {LEVEL:.0%} percentiles of {resamples} draws of whole {unit} (at most {groups} "
        "here), since tracks by one artist are not independent. The candidates stay fixed: an interval is "
        "about other queries, not about another collection.",
        "Chance is exact: for retrieval what a random order is expected to score, for probes the commonest "
        "label.",
        "With the filter on, a query cannot find tracks by its own artist (where the artist is asked for, "
        "of its own album), and probes learn from other artists (albums) only. With it off, knowing voices "
        "passes for more.",
    ]
    shown = {row.label for row in rows}
    remarks = {
        "The model was trained on {}: there, scores say how well that carries over.": sorted(
            {row.label for row in rows if row.trained is True}
        ),
        "The model was never trained on {}: there, scores say what else its vectors hold.": sorted(
            {row.label for row in rows if row.trained is False}
        ),
        "No probe was asked for {}: reading a trained label back off the vectors says nothing of what else "
        "they hold. --trained-too asks it.": scores.unprobed,
        f"Fewer than {FEW_GROUPS} {unit} were measured for {{}}: there are no intervals, and nothing is "
        "concluded.": sorted({row.label for row in rows if row.groups < FEW_GROUPS}),
        "The catalog names nothing to filter {} by: those scores flatter every system.": [
            asked.label for asked in scores.questions if asked.filtered_by is None and asked.label != "album"
        ],
        "No two of these tracks share a value of {}: nothing to score.": [
            asked.label for asked in scores.questions if asked.label not in shown
        ],
    }
    return notes + [remark.format(", ".join(labels)) for remark, labels in remarks.items() if labels]


def _sampling_notes(systems: Mapping[int, Systems]) -> list[str]:
    tracks = max(len(next(iter(fold_systems.values()), ())) for fold_systems in systems.values())
    if tracks <= MAX_QUERIES:
        return []
    return [
        f"Of more than {MAX_QUERIES:,} tracks that may find each other ({tracks:,} here) so many are drawn "
        "to ask, the same ones by every system; all are candidates. Hubs are those among the drawn ones: "
        "they tend to grow with a collection, so the whole may have more."
    ]
