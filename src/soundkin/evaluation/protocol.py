"""Every system answers the same questions: the table, the intervals, and one line that says what was learnt."""

from collections.abc import Callable, Collection, Sequence
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
from soundkin.evaluation.questions import DEFAULT_LABELS, Question, artist_groups, column_values, question
from soundkin.evaluation.retrieval import Systems, ask_retrieval
from soundkin.files import read_versioned_json

FORMAT, FORMAT_VERSION = "soundkin evaluation", 1
RESAMPLES = 2000
PROTOCOLS: tuple[Callable[[Systems, Question, int], list[Measure]], ...] = (ask_retrieval, ask_probes)
HEADLINES = ("mAP@10", "nDCG@10", "accuracy", "balanced accuracy")  # what `table` shows unless asked for all


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
        ends = "" if gain.low is None else f" [{gain.low:+.2f}, {gain.high:+.2f}]"
        return f"{gain.mean:+.2f}{ends} over {gain.system}"


class Evaluation(BaseModel, frozen=True):
    """Systems side by side on the same tracks; the first one is ours, the one that others are compared with."""

    systems: tuple[str, ...]
    tracks: int
    artists: int
    rows: tuple[Row, ...]
    hubness: tuple[Hubness, ...]
    trained_labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def headline(self) -> Row | None:
        """Retrieval mAP with the filter on, of the first label that has it; else the first row there is."""
        shown = [row for row in self.rows if row.metric == HEADLINES[0]]
        return next((row for row in shown if row.filtered_by), next(iter(shown or self.rows), None))

    @property
    def verdict(self) -> str:
        """One line: what was learnt, or that it was not shown."""
        row = self.headline
        if row is None:
            return "nothing measured: no label is shared by two of these tracks."
        ours, *others = row.scores
        found = f"not shown to beat {' or '.join(row.unbeaten)}" if row.unbeaten else "what was learnt"
        against = ", ".join(f"{other.system} {other.mean:.2f}" for other in others)
        return (
            f"{found}: {row.label} {row.metric} {ours} against {against}; "
            f"{row.filtered_by or 'artist'} filter {'on' if row.filtered_by else 'off'}"
        )

    def table(self, every_metric: bool = False) -> list[dict[str, str]]:
        """Rows to print, cells by column: ours with its interval, the others' means, the gain over the best of them."""
        rows = [_table_row(row) for row in self.rows if every_metric or row.metric in HEADLINES]
        skewness = {of.system: f"{of.skewness:.2f}" for of in self.hubness}
        return [*rows, {"label": "all tracks", "measure": "hubness: skewness", **skewness}]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        named = {"format": FORMAT, "format_version": FORMAT_VERSION, "verdict": self.verdict}
        return named | self.model_dump(mode="json")


def read_evaluation(path: Path) -> Evaluation:
    """Read an evaluation that was written as JSON.

    Raises:
        ArtefactError: the file is missing, corrupt or of another version.
    """
    saved = read_versioned_json(path, FORMAT, FORMAT_VERSION)
    try:
        return Evaluation.model_validate({key: saved[key] for key in Evaluation.model_fields})
    except (KeyError, ValidationError) as error:
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
    _check(systems, catalog)
    asked = [question(catalog, label) for label in labels_to_ask(catalog, labels)]
    measures = [measure for q in asked for protocol in PROTOCOLS for measure in protocol(systems, q, random_seed)]
    measures = [measure for measure in measures if measure.asked.any()]
    rows = tuple(_row(measure, measure.label in trained_labels, resamples, random_seed) for measure in measures)
    return Evaluation(
        systems=(*systems, CHANCE),
        tracks=len(catalog),
        artists=len(np.unique(artist_groups(catalog))),
        rows=rows,
        hubness=tuple(hubness(name, np.asarray(vectors, dtype=np.float32)) for name, vectors in systems.items()),
        trained_labels=tuple(sorted(trained_labels)),
        notes=tuple(_notes(asked, rows, trained_labels, resamples)),
        provenance={"random_seed": random_seed, "resamples": resamples},
    )


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
