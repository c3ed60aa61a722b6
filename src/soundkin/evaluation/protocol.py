"""Every system answers the same questions: the table, the intervals, and one line that says what was learnt."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel

from soundkin.catalog.table import Catalog
from soundkin.errors import Skipped, UsageError
from soundkin.evaluation.bootstrap import FEW_GROUPS, LEVEL, Interval, intervals, paired_gains
from soundkin.evaluation.hubness import Hubness, hubness
from soundkin.evaluation.measure import CHANCE, Measure
from soundkin.evaluation.probes import ask_probes
from soundkin.evaluation.questions import DEFAULT_LABELS, Question, artist_groups, column_values, question
from soundkin.evaluation.retrieval import Systems, ask_retrieval

RESAMPLES = 2000
PROTOCOLS: tuple[Callable[[Systems, Question, int], list[Measure]], ...] = (ask_retrieval, ask_probes)
HEADLINES = ("mAP@10", "nDCG@10", "accuracy", "balanced accuracy")  # what `table` shows unless asked for all


class Row(BaseModel, frozen=True):
    """One measure of all systems. `gains` are the first system minus each other one, on the same draws of artists."""

    protocol: str
    label: str
    metric: str
    held_out: str | None
    trained: bool
    items: int
    groups: int
    scores: dict[str, Interval]
    gains: dict[str, Interval]

    @property
    def best_rival(self) -> str:
        """The highest of the other systems."""
        return max(self.gains, key=lambda name: self.scores[name].mean)

    @property
    def unbeaten(self) -> list[str]:
        """The systems that ours is not shown to be above: those whose gain's interval reaches down to zero."""
        return [name for name, gain in self.gains.items() if gain.low is None or gain.low <= 0]

    @property
    def gain_in_words(self) -> str:
        """`+0.27 [+0.20, +0.33] MFCC`: how far ours is above the best of the others, and which that is."""
        gain = self.gains[self.best_rival]
        ends = "" if gain.low is None else f" [{gain.low:+.2f}, {gain.high:+.2f}]"
        return f"{gain.mean:+.2f}{ends} {self.best_rival}"


class Evaluation(BaseModel, frozen=True):
    """Systems side by side on the same tracks; the first one is ours, the one that others are compared with."""

    systems: tuple[str, ...]
    tracks: int
    artists: int
    rows: tuple[Row, ...]
    hubness: dict[str, Hubness]
    trained_labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    provenance: dict[str, Any] = {}

    @property
    def headline(self) -> Row | None:
        """Retrieval mAP with the filter on, of the first label that has it; else the first row there is."""
        shown = [row for row in self.rows if row.metric == HEADLINES[0]]
        return next((row for row in shown if row.held_out), next(iter(shown or self.rows), None))

    @property
    def verdict(self) -> str:
        """One line: what was learnt, or that it was not shown."""
        row = self.headline
        if row is None:
            return "nothing measured: no label is shared by two of these tracks."
        ours, *others = row.scores.items()
        found = f"not shown to beat {', '.join(row.unbeaten)}" if row.unbeaten else "what was learnt"
        against = ", ".join(f"{name} {score.mean:.2f}" for name, score in others)
        return (
            f"{found}: {row.label} {row.metric} {ours[1]} against {against}; "
            f"{row.held_out or 'artist'} filter {'on' if row.held_out else 'off'}"
        )

    def table(self, every_metric: bool = False) -> list[dict[str, str]]:
        """Rows to print, cells by column: ours with its interval, the others' means, the gain over the best of them."""
        rows = [_table_row(row) for row in self.rows if every_metric or row.metric in HEADLINES]
        skewness = {name: f"{of.skewness:.2f}" for name, of in self.hubness.items()}
        return [*rows, {"label": "all tracks", "measure": "hubness: skewness", **skewness}]

    def to_json(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"verdict": self.verdict, **self.model_dump(mode="json")}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> "Evaluation":
        """The evaluation that `to_json` described."""
        return cls.model_validate({key: value for key, value in saved.items() if key != "verdict"})


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
    asked = [question(catalog, label) for label in _labels(catalog, labels)]
    measures = [measure for q in asked for protocol in PROTOCOLS for measure in protocol(systems, q, random_seed)]
    measures = [measure for measure in measures if measure.asked.any()]
    rows = tuple(_row(measure, measure.label in trained_labels, resamples, random_seed) for measure in measures)
    return Evaluation(
        systems=(*systems, CHANCE),
        tracks=len(catalog),
        artists=len(np.unique(artist_groups(catalog))),
        rows=rows,
        hubness={name: hubness(np.asarray(vectors, dtype=np.float32)) for name, vectors in systems.items()},
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


def _labels(catalog: Catalog, labels: Sequence[str] | None) -> list[str]:
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
        held_out=measure.held_out,
        trained=trained,
        items=int(measure.asked.sum()),
        groups=len(np.unique(measure.groups[measure.asked])),
        scores=intervals(measure, resamples, random_seed),
        gains=paired_gains(measure, resamples, random_seed),
    )


def _table_row(row: Row) -> dict[str, str]:
    (ours, score), *others = row.scores.items()
    return {
        "label": row.label,
        "trained on": "yes" if row.trained else "no",
        "measure": f"{row.protocol.removesuffix(' probe')} {row.metric}",
        "filter": row.held_out or "off",
        ours: str(score),
        **{name: f"{other.mean:.2f}" for name, other in others},
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
    if known := [label for label in shown if label in trained]:
        notes.append(
            f"The model was trained on {', '.join(known)}: those rows say how well that carries over to these tracks."
        )
    if new := [label for label in shown if label not in trained]:
        notes.append(f"The model was never trained on {', '.join(new)}: there, scores say what else its vectors hold.")
    if few := sorted({row.label for row in rows if row.groups < FEW_GROUPS}):
        notes.append(
            f"Fewer than {FEW_GROUPS} artists stand behind {', '.join(few)}: take those intervals as too narrow."
        )
    if open_ := [q.label for q in asked if q.held_out is None and q.label != "album"]:
        notes.append(
            f"The catalog names no artists or albums to filter {', '.join(open_)} by: those scores flatter all systems."
        )
    if silent := [q.label for q in asked if q.label not in shown]:
        notes.append(f"No two of these tracks share a value of {', '.join(silent)}: nothing to score.")
    return notes
