# mypy: disable-error-code="no-untyped-call"
"""Whether what a model's heads think is as often right as they say, on tracks that nothing was fitted to.

    python benchmarks/calibration.py RUN [RUN ...]

RUN is a folder of `soundkin demo`: catalog.csv, model and embeddings. The calibration is fitted to the
held-out tracks of the validation split, as training does, and judged on the test split. The expected
calibration error is the mean distance, over ten bins of probability, between how probable a label is said to
be and how often it is there, weighted by the bins' sizes (M. Naeini et al., 2015); `said 50% or more` are the
labels that `soundkin why` would name.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from soundkin.catalog.splits import SplitRule
from soundkin.catalog.table import read_catalog
from soundkin.config import validate
from soundkin.embedding.bundle import load_bundle
from soundkin.embedding.store import read_embeddings
from soundkin.embedding.trained_tasks import trained_task
from soundkin.tasks.multi_label import MultiLabelTask
from soundkin.training.calibration import fit_calibration

BINS = 10


def main() -> None:
    """Print the calibration error of each task, before and after."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--quick", action="store_true", help="nothing to shorten: it takes seconds")
    for run in parser.parse_args().runs:
        judge(run)


@torch.no_grad()
def judge(run: Path) -> None:
    """Print the figures of one run."""
    bundle, embeddings = load_bundle(run / "model"), read_embeddings(run / "embeddings")
    catalog = read_catalog(run / "catalog.csv").select(embeddings.track_ids)
    splits = np.array(validate(SplitRule, bundle.provenance["split"]).assign(catalog))
    vectors = torch.from_numpy(embeddings.vectors)
    for name in bundle.tasks:
        task = trained_task(bundle, run, name)
        if not isinstance(task, MultiLabelTask):
            continue
        targets = task.target_lookup(catalog)(torch.arange(len(catalog)))
        known = task.labelled(targets).numpy()
        valid, test = (torch.from_numpy(known & (splits == split)) for split in ("valid", "test"))
        logits = task.logits(vectors)
        fitted = fit_calibration(logits[valid], targets[valid])
        if fitted is None:
            print(f"{run}, {name}: no calibration")
            continue
        sizes = f"{int(valid.sum())} tracks; judged on {int(test.sum())} tracks, {targets.shape[1]} labels"
        print(f"{run}, {name}: slope {fitted.slope:.2f}, intercept {fitted.intercept:.2f}, from {sizes}")
        for which, probabilities in (
            ("as trained", torch.sigmoid(logits[test])),
            ("calibrated", fitted.probabilities(logits[test])),
        ):
            print(f"  {which}: {described(probabilities.numpy().ravel(), targets[test].numpy().ravel())}")


def described(said: np.ndarray, there: np.ndarray) -> str:
    """The expected calibration error, and how often labels that would be named are there."""
    bins = np.minimum((said * BINS).astype(int), BINS - 1)
    error = sum(
        abs(said[bins == b].mean() - there[bins == b].mean()) * (bins == b).mean()
        for b in range(BINS)
        if (bins == b).any()
    )
    named = said >= 0.5
    share = f"said {said[named].mean():.2f}, there {there[named].mean():.2f}" if named.any() else "none"
    return f"calibration error {error:.3f}; said 50% or more: {named.sum()}, on average {share}"


if __name__ == "__main__":
    main()
