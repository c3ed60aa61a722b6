"""Every question put to every system, by every protocol: a score for each track, before any mean is taken."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.evaluation.label_questions import DEFAULT_LABELS, Question, column_values, question, unit_of
from soundkin.evaluation.probes import ask_probes
from soundkin.evaluation.retrieval import Systems, ask_retrieval
from soundkin.evaluation.systems import check_systems
from soundkin.shapes import Int
from soundkin.statistics.measure import Measure

Protocol = Callable[[Systems, Question, int], list[Measure]]


@dataclass(frozen=True, eq=False)
class Answers:
    """What was asked, and the measures that came of it: those where at least one track could be asked."""

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
) -> Answers:
    """Put the questions of `labels` to all systems, by retrieval and, but for `unprobed` ones, by probes.

    Row i of every system in `systems[n]` is the vector of the i-th track that `folds` puts in fold n. A query
    finds candidates of its own fold only, and a probe learns and is tested within one.

    Raises:
        UsageError: vectors and catalog do not match, or vectors hold a NaN or infinity.
        CatalogError: a label asked for is not in the catalog.
    """
    rows_of = {fold: np.flatnonzero(folds == fold) for fold in systems}
    for fold, of_fold in systems.items():
        check_systems(of_fold, catalog.select(folds == fold).track_ids)
    questions = [question(catalog, label) for label in labels_to_ask(catalog, labels)]
    measures = []
    for asked in questions:
        protocols: list[Protocol] = (
            [ask_retrieval] if asked.label in unprobed else [ask_retrieval, ask_probes]
        )
        measures += _joined_measures(systems, asked, protocols, rows_of, random_seed)
    return Answers(
        questions=questions,
        measures=[replace(measure, unit=unit_of(catalog)) for measure in measures if measure.asked.any()],
        unprobed=[asked.label for asked in questions if asked.label in unprobed],
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


def _joined_measures(
    systems: Mapping[int, Systems],
    asked: Question,
    protocols: Sequence[Protocol],
    rows_of: Mapping[int, np.ndarray],
    random_seed: int,
) -> list[Measure]:
    """Every protocol's measures of one question, the scores of all folds one after the other."""
    found: dict[tuple[str, str, str | None], list[Measure]] = {}
    for fold, of_fold in systems.items():
        part = _within(asked, rows_of[fold])
        for measure in (
            measure for protocol in protocols for measure in protocol(of_fold, part, random_seed)
        ):
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
