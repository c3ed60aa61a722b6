"""An evaluation of vectors of one model."""

from collections.abc import Collection, Sequence

import numpy as np

from soundkin.catalog.table import Catalog
from soundkin.evaluation.evaluation_report import RESAMPLES, Evaluation, evaluate_folds
from soundkin.evaluation.retrieval import Systems


def evaluate_vectors(
    systems: Systems,
    catalog: Catalog,
    labels: Sequence[str] | None = None,
    trained_labels: Collection[str] = (),
    resamples: int = RESAMPLES,
) -> Evaluation:
    """Row i of every system is the vector of row i of the catalog."""
    folds = np.zeros(len(catalog), dtype=int)
    return evaluate_folds({0: systems}, catalog, folds, labels, trained_labels, resamples=resamples)
