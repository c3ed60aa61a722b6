"""How many swapped labels an audit doubts, how many of its doubts are right, and of its corrections.

    python benchmarks/label_errors.py RUN

RUN is a folder of `soundkin demo`: catalog.csv and embeddings. One label in twenty is swapped for another,
ten times over; the audit doubts labels by the model's vectors, then by MFCC statistics. `stated` is the
precision that the audit states of itself, from errors that it plants in the catalog that it is given: swapped
labels count as right ones there, so it is a lower bound. The last column is how many labels it doubts where
none was swapped.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.preprocessing import MultiLabelBinarizer

from soundkin.audit.label_beliefs import swap_labels
from soundkin.audit.label_errors import find_label_errors
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.store import read_embeddings
from soundkin.evaluation.baselines import mfcc_statistics, mfccs
from soundkin.evaluation.label_questions import column_values
from soundkin.features.frontends.log_mel import LogMelFrontEnd
from soundkin.progress import progress

SHARE, SEEDS = 0.05, 10


def main() -> None:
    """Print a row for each label and kind of vector."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    embeddings = read_embeddings(run / "embeddings")
    catalog = read_catalog(run / "catalog.csv").select(embeddings.track_ids)
    statistics = np.stack(
        [describe(path) for path in progress(catalog.audio_paths(), "MFCC", total=len(catalog))]
    )
    print(
        "| label, vectors | swapped | doubted | precision | recall | stated | corrections | right "
        "| doubted of none |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for label in ("genre", "artist"):
        for name, vectors in (("model", embeddings.vectors), ("MFCC", statistics)):
            cells = np.mean([found(catalog, label, vectors, seed) for seed in range(SEEDS)], axis=0)
            none = len(find_label_errors(catalog, label, vectors).doubted)
            swapped, doubted, precision, recall, stated, offered, right = cells
            print(
                f"| {label}, {name} | {swapped:.0f} | {doubted:.1f} | {precision:.2f} | {recall:.2f} "
                f"| {stated:.2f} | {offered:.1f} | {right:.1f} | {none} |",
                flush=True,
            )


def describe(path: Path) -> np.ndarray:
    """MFCC statistics of a file."""
    return mfcc_statistics(np.concatenate([mfccs(block.numpy()) for block in LogMelFrontEnd().stream(path)]))


def found(catalog: Catalog, label: str, vectors: np.ndarray, random_seed: int) -> tuple[float, ...]:
    """Swapped; doubted; precision and recall of that; the precision stated; corrections; how many of them are
    right.
    """
    mistaken, swapped = with_swapped(catalog, label, random_seed)
    errors = find_label_errors(mistaken, label, vectors, random_seed)
    right = swapped & {one.track_id for one in errors.doubted}
    offered = [one for one in errors.doubted if one.suggested]
    true = [
        one
        for one in offered
        if one.track_id in swapped and one.suggested in truth(catalog, label, one.track_id)
    ]
    return (
        len(swapped),
        len(errors.doubted),
        len(right) / max(len(errors.doubted), 1),
        len(right) / len(swapped),
        errors.check.found / max(errors.check.doubted, 1) if errors.check else 0.0,
        len(offered),
        len(true),
    )


def truth(catalog: Catalog, label: str, track_id: str) -> tuple[str, ...]:
    """The labels before any was swapped."""
    return column_values(catalog, label)[catalog.row(track_id)]


def with_swapped(catalog: Catalog, label: str, random_seed: int) -> tuple[Catalog, set[str]]:
    """The catalog with some labels swapped, and the ids of these tracks."""
    values = column_values(catalog, label)
    binarizer = MultiLabelBinarizer()
    classes = binarizer.fit_transform(values) > 0
    names = binarizer.classes_
    known = np.flatnonzero(classes.any(axis=1))
    wrong, chosen = swap_labels(classes[known], round(SHARE * len(known)), np.random.default_rng(random_seed))
    frame = catalog.frame.copy()
    for row in chosen:
        frame.loc[known[row], label] = ";".join(names[wrong[row]])
    return replace(catalog, frame=frame), {catalog.track_ids[known[row]] for row in chosen}


if __name__ == "__main__":
    main()
