"""How many swapped labels an audit finds, and how many of those that it calls wrong are.

    python benchmarks/label_errors.py RUN

RUN is a folder of `soundkin demo`: catalog.csv and embeddings. One label in twenty is swapped for another, ten times
over; the audit doubts labels by the model's vectors, then by MFCC statistics. Precision and recall are of the labels
that it calls likely wrong; `shown` is the share of the swapped ones in its whole list. The last column is how many it
calls wrong where none is.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from soundkin.audit.label_errors import find_label_errors, swap_labels
from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.store import read_embeddings
from soundkin.evaluation.baselines import mfcc_statistics, mfccs
from soundkin.evaluation.questions import column_values, memberships
from soundkin.features.front_ends import stream_frames
from soundkin.features.log_mel import FrontEnd
from soundkin.progress import progress

SHARE, SEEDS = 0.05, 10


def main() -> None:
    """Print a row for each label and kind of vector."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    embeddings = read_embeddings(run / "embeddings")
    catalog = read_catalog(run / "catalog.csv").select(embeddings.track_ids)
    statistics = np.stack([describe(path) for path in progress(catalog.audio_paths(), "MFCC", total=len(catalog))])
    print("| label, vectors | swapped | called wrong | precision | recall | shown | called wrong of none |")
    print("|---|---|---|---|---|---|---|")
    for label in ("genre", "artist"):
        for name, vectors in (("model", embeddings.vectors), ("MFCC", statistics)):
            cells = np.mean([found(catalog, label, vectors, seed) for seed in range(SEEDS)], axis=0)
            none = find_label_errors(catalog, label, vectors).estimated
            print(
                f"| {label}, {name} | {cells[0]:.0f} | {cells[1]:.1f} | {cells[2]:.2f} | {cells[3]:.2f} | "
                f"{cells[4]:.2f} | {none} |",
                flush=True,
            )


def describe(path: Path) -> np.ndarray:
    """MFCC statistics of a file."""
    return mfcc_statistics(np.concatenate([mfccs(block.numpy()) for block in stream_frames(path, FrontEnd())]))


def found(catalog: Catalog, label: str, vectors: np.ndarray, random_seed: int) -> tuple[float, ...]:
    """Swapped; called wrong; precision and recall of that; share of the swapped among all that are shown."""
    mistaken, swapped = with_swapped(catalog, label, random_seed)
    errors = find_label_errors(mistaken, label, vectors)
    likely = {one.track_id for one in errors.suspects if one.likely}
    shown = {one.track_id for one in errors.suspects}
    right = len(likely & swapped)
    return (
        len(swapped),
        errors.estimated,
        right / max(len(likely), 1),
        right / len(swapped),
        len(shown & swapped) / len(swapped),
    )


def with_swapped(catalog: Catalog, label: str, random_seed: int) -> tuple[Catalog, set[str]]:
    """The catalog with some labels swapped, and the ids of these tracks."""
    values = column_values(catalog, label)
    names = np.array(sorted({name for held in values for name in held}), dtype=object)
    classes = memberships(values).toarray() > 0
    known = np.flatnonzero(classes.any(axis=1))
    wrong, chosen = swap_labels(classes[known], round(SHARE * len(known)), np.random.default_rng(random_seed))
    frame = catalog.frame.copy()
    for row in chosen:
        frame.loc[known[row], label] = ";".join(names[wrong[row]])
    return replace(catalog, frame=frame), {catalog.track_ids[known[row]] for row in chosen}


if __name__ == "__main__":
    main()
