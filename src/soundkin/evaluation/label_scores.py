"""Scores of every system on the labels of a catalog, track by track: by retrieval, and by probes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import DEFAULT_LABELS, Question, column_values, question, unit_of
from soundkin.evaluation.probes import ask_probes
from soundkin.evaluation.retrieval import Systems, ask_retrieval
from soundkin.evaluation.system_vectors import check_systems
from soundkin.shapes import Int
from soundkin.statistics.measure import Measure


@dataclass(frozen=True, eq=False)
class LabelScores:
    """What was asked, and a score for each track: measures where at least one track could be asked."""

    questions: list[Question]
    measures: list[Measure]
    unprobed: list[str]  # labels that no probe was asked for


def ask(
    systems: Mapping[int, Systems],
    catalog: Catalog,
    folds: Int[np.ndarray, " tracks"],
    labels: Sequence[str] | None = None,
    unprobed: Collection[str] = (),
    random_seed: int = 0,
) -> LabelScores:
    """Score all systems on `labels`, by retrieval and, but for `unprobed` ones, by probes.

    Row i of every system in `systems[n]` is the vector of the i-th track that `folds` puts in fold n. Vectors
    of two folds come from two models and are never compared: a query's candidates are those of its own fold,
    and a probe is trained and tested within one.
    """
    for fold, fold_systems in systems.items():
        check_systems(fold_systems, catalog.select(folds == fold).track_ids)
    questions = [question(catalog, label) for label in labels_to_ask(catalog, labels)]
    measures = []
    for asked in questions:
        by_kind: dict[tuple[str, str, str | None], list[Measure]] = {}
        for fold, fold_systems in systems.items():
            part = _part(asked, np.flatnonzero(folds == fold))
            scored = ask_retrieval(fold_systems, part, random_seed)
            scored += [] if asked.label in unprobed else ask_probes(fold_systems, part, random_seed)
            for measure in scored:
                by_kind.setdefault((measure.protocol, measure.metric, measure.filtered_by), []).append(
                    measure
                )
        measures += [_joined(parts, unit_of(catalog)) for parts in by_kind.values()]
    return LabelScores(
        questions,
        [measure for measure in measures if measure.asked.any()],
        [asked.label for asked in questions if asked.label in unprobed],
    )


def labels_to_ask(catalog: Catalog, labels: Sequence[str] | None) -> list[str]:
    """The labels asked for, or else the usual ones that the catalog knows."""
    if labels is None:
        return [label for label in DEFAULT_LABELS if any(column_values(catalog, label))]
    for label in labels:
        catalog.require("year" if label == "decade" else label, "it was named as a label to evaluate on.")
    return list(labels)


def _part(asked: Question, rows: np.ndarray) -> Question:
    """The question put to some of the tracks; artists keep their numbers."""
    values, filter_values = ([column[row] for row in rows] for column in (asked.values, asked.filter_values))
    return replace(asked, values=values, filter_values=filter_values, groups=asked.groups[rows])


def _joined(parts: Sequence[Measure], unit: str) -> Measure:
    """One measure of the items of all folds, in their order."""
    first, weights = parts[0], [part.weights for part in parts if part.weights is not None]
    return replace(
        first,
        scores={name: np.concatenate([part.scores[name] for part in parts]) for name in first.scores},
        groups=np.concatenate([part.groups for part in parts]),
        weights=np.concatenate(weights) if weights else None,
        unit=unit,
    )
