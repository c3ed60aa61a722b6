"""Every system answers the same questions: the table, the intervals, and one line that says what was learnt."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError

from soundkin.catalog.table import Catalog
from soundkin.errors import ArtefactError, Skipped, UsageError
from soundkin.evaluation.bootstrap import FEW_GROUPS, LEVEL, Interval, intervals, paired_gains
from soundkin.evaluation.hubness import Hubness, hubness
from soundkin.evaluation.measure import CHANCE, Measure
from soundkin.evaluation.probes import ask_probes
from soundkin.evaluation.questions import DEFAULT_LABELS, FILTERED_BY, Question, artist_groups, column_values, question
from soundkin.evaluation.recommendation import ColdStart
from soundkin.evaluation.retrieval import Systems, ask_retrieval
from soundkin.files import read_versioned_json
from soundkin.shapes import Int

FORMAT, FORMAT_VERSION = "soundkin evaluation", 1
RESAMPLES = 2000
PROTOCOLS: tuple[Callable[[Systems, Question, int], list[Measure]], ...] = (ask_retrieval, ask_probes)
HEADLINES = ("mAP@10", "nDCG@10", "accuracy", "balanced accuracy")  # what `table` shows unless asked for all
NOTHING_MEASURED = "nothing measured: no label is shared by two of these tracks."


class Row(BaseModel, frozen=True):
    """One measure of all systems. `gains` are the first system minus each other one, on the same draws of artists."""

    protocol: str
    label: str
    metric: str
    filtered_by: str | None
    trained: bool
    items: int
    groups: int
    scores: tuple[Interval, ...]
    gains: tuple[Interval, ...]

    @property
    def unbeaten(self) -> list[str]:
        """The systems that ours is not shown to be above: those whose gain's interval reaches down to zero."""
        return [gain.system for gain in self.gains if gain.low is None or gain.low <= 0]

    @property
    def least_gain(self) -> Interval:
        """The gain over the best of the others."""
        return min(self.gains, key=lambda gain: gain.mean)

    @property
    def gain_in_words(self) -> str:
        """`+0.27 [+0.20, +0.33] over MFCC`: how far ours is above the best of the others, and which that is."""
        gain = self.least_gain
        return f"{gain:+.2f} over {gain.system}"

    @property
    def verdict(self) -> str:
        """One line: what was learnt, or that it was not shown."""
        ours, *others = self.scores
        found = f"not shown to beat {' or '.join(self.unbeaten)}" if self.unbeaten else "what was learnt"
        against = ", ".join(f"{other.system} {other.mean:.2f}" for other in others)
        left_out = self.filtered_by or FILTERED_BY.get(self.label) or "artist"
        return (
            f"{found}: {self.label} {self.metric} {ours} against {against}; "
            f"{left_out} filter {'on' if self.filtered_by else 'off'}"
        )


class Evaluation(BaseModel, frozen=True):
    """Systems side by side on the same tracks; the first one is ours, the one that others are compared with.

    `cold_start` is there where there are users to offer the tracks to.
    """

    systems: tuple[str, ...]
    tracks: int
    artists: int
    rows: tuple[Row, ...]
    hubness: tuple[Hubness, ...]
    trained_labels: tuple[str, ...] = ()
    cold_start: ColdStart | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def headline(self) -> Row | None:
        """Retrieval mAP with the filter on, of the first label that has it; else the first row there is."""
        return _most_telling(self.rows)

    @property
    def verdict(self) -> str:
        """What the headline says."""
        return self.headline.verdict if self.headline else NOTHING_MEASURED

    def verdict_on(self, label: str) -> str:
        """What retrieval says of one label, with the filter on where it has one; the verdict where it has no row."""
        row = _most_telling([row for row in self.rows if row.label == label])
        return row.verdict if row else self.verdict

    def table(self, every_metric: bool = False) -> list[dict[str, str]]:
        """Rows to print, cells by column: ours with its interval, the others' means, the gain over the best of them."""
        rows = [_table_row(row) for row in self.rows if every_metric or row.metric in HEADLINES]
        skewness = {of.system: f"{of.skewness:.2f}" for of in self.hubness}
        return [*rows, {"label": "all tracks", "measure": "hubness: skewness", **skewness}]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        named = {"format": FORMAT, "format_version": FORMAT_VERSION, "verdict": self.verdict}
        offered = {"cold_start": self.cold_start.to_json()} if self.cold_start else {}
        return named | self.model_dump(mode="json") | offered


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

    Row i of every system is the vector of row i of `catalog`. `trained_labels` are those that the first system was
    trained on: marked so in the table.

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

    Row i of every system in `systems[n]` is the vector of the i-th track that `folds` puts in fold n. Vectors of two
    folds come from two models and are never compared: a query finds candidates of its own fold only, and a probe
    learns and is tested within one. An artist who stands in several folds is drawn as one artist.

    Raises:
        UsageError, CatalogError: as `evaluate_vectors`.
    """
    rows_of = {fold: np.flatnonzero(folds == fold) for fold in systems}
    for fold, of_fold in systems.items():
        _check(of_fold, catalog.select(folds == fold))
    asked = [question(catalog, label) for label in labels_to_ask(catalog, labels)]
    measures = [measure for q in asked for measure in _joined_measures(systems, q, rows_of, random_seed)]
    measures = [measure for measure in measures if measure.asked.any()]
    rows = tuple(_row(measure, measure.label in trained_labels, resamples, random_seed) for measure in measures)
    names = list(dict.fromkeys(name for of_fold in systems.values() for name in of_fold))
    return Evaluation(
        systems=(*names, CHANCE),
        tracks=len(catalog),
        artists=len(np.unique(artist_groups(catalog))),
        rows=rows,
        hubness=tuple(_mean_hubness(name, [of_fold[name] for of_fold in systems.values()]) for name in names),
        trained_labels=tuple(sorted(trained_labels)),
        notes=tuple(_notes(asked, rows, trained_labels, resamples)),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


def _joined_measures(
    systems: Mapping[int, Systems], asked: Question, rows_of: Mapping[int, np.ndarray], random_seed: int
) -> list[Measure]:
    """Every protocol's measures of one question, the scores of all folds one after the other."""
    found: dict[tuple[str, str, str | None], list[Measure]] = {}
    for fold, of_fold in systems.items():
        part = _within(asked, rows_of[fold])
        for measure in (measure for protocol in PROTOCOLS for measure in protocol(of_fold, part, random_seed)):
            found.setdefault((measure.protocol, measure.metric, measure.filtered_by), []).append(measure)
    return [_joined(measures) for measures in found.values()]


def _within(asked: Question, rows: np.ndarray) -> Question:
    """The question put to some of the tracks; artists keep their numbers."""
    return replace(
        asked,
        values=[asked.values[row] for row in rows],
        filter_values=[asked.filter_values[row] for row in rows],
        groups=asked.groups[rows],
    )


def _joined(measures: Sequence[Measure]) -> Measure:
    """One measure with the items of several of the same kind, in their order."""
    weights = [measure.weights for measure in measures]
    return replace(
        measures[0],
        scores={name: np.concatenate([of.scores[name] for of in measures]) for name in measures[0].scores},
        groups=np.concatenate([measure.groups for measure in measures]),
        weights=None if weights[0] is None else np.concatenate([of for of in weights if of is not None]),
    )


def _mean_hubness(name: str, vectors_of_folds: Sequence[np.ndarray]) -> Hubness:
    """Hubness within each fold, where alone there are neighbours; a fold counts by its tracks."""
    found = [hubness(name, np.asarray(vectors, dtype=np.float32)) for vectors in vectors_of_folds]
    tracks = np.array([len(vectors) for vectors in vectors_of_folds])
    shares = tracks / max(tracks.sum(), 1)
    means = {
        part: float(shares @ [getattr(of_fold, part) for of_fold in found])
        for part in ("skewness", "largest_hub", "antihubs")
    }
    return Hubness(system=name, k=max(of_fold.k for of_fold in found), **means)


def _check(systems: Systems, catalog: Catalog) -> None:
    for name, vectors in systems.items():
        if len(vectors) != len(catalog):
            raise UsageError(
                f"{name} has {len(vectors)} vectors for {len(catalog)} tracks. Give one a track, in catalog order."
            )
        if not np.isfinite(vectors).all():
            row = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
            raise UsageError(
                f"the vector of track {catalog.track_ids[row]} by {name} holds a NaN or infinity. Leave the track out."
            )


def labels_to_ask(catalog: Catalog, labels: Sequence[str] | None) -> list[str]:
    """The labels asked for, or else the usual ones that the catalog knows.

    Raises:
        CatalogError: a label asked for is not in the catalog.
    """
    if labels is None:
        return [label for label in DEFAULT_LABELS if any(column_values(catalog, label))]
    for label in labels:
        catalog.require("year" if label == "decade" else label, "it was named as a label to evaluate on.")
    return list(labels)


def _row(measure: Measure, trained: bool, resamples: int, random_seed: int) -> Row:
    return Row(
        protocol=measure.protocol,
        label=measure.label,
        metric=measure.metric,
        filtered_by=measure.filtered_by,
        trained=trained,
        items=int(measure.asked.sum()),
        groups=len(np.unique(measure.groups[measure.asked])),
        scores=intervals(measure, resamples, random_seed),
        gains=paired_gains(measure, resamples, random_seed),
    )


def _table_row(row: Row) -> dict[str, str]:
    ours, *others = row.scores
    return {
        "label": row.label,
        "trained on": "yes" if row.trained else "no",
        "measure": f"{row.protocol.removesuffix(' probe')} {row.metric}",
        "filter": row.filtered_by or "off",
        ours.system: str(ours),
        **{other.system: f"{other.mean:.2f}" for other in others},
        "gain over the best": row.gain_in_words,
    }


def _notes(asked: list[Question], rows: tuple[Row, ...], trained: Collection[str], resamples: int) -> list[str]:
    """What a reader has to know before believing the table."""
    groups = max((row.groups for row in rows), default=0)
    notes = [
        f"Intervals are {LEVEL:.0%} percentiles of {resamples} draws of whole artists (at most {groups} here), since "
        "tracks by one artist are not independent. The candidates stay fixed: an interval is about other queries, "
        "not about another collection.",
        "Chance is exact: for retrieval what a random order is expected to score, for probes the commonest label.",
        "With the filter on, a query cannot find tracks by its own artist (where the artist is asked for, of its own "
        "album), and probes learn from other artists (albums) only. With it off, knowing voices passes for more.",
    ]
    shown = sorted({row.label for row in rows})
    remarks = {
        "The model was trained on {}: there, scores say how well that carries over.": [
            label for label in shown if label in trained
        ],
        "The model was never trained on {}: there, scores say what else its vectors hold.": [
            label for label in shown if label not in trained
        ],
        f"Fewer than {FEW_GROUPS} artists stand behind {{}}: those intervals are too narrow.": sorted(
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
