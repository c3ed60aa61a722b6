"""The map of a library with a path through it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from soundkin.explore.map import draw_map, map_points, sample_tracks
from soundkin.search.vector_index import Index

COLUMNS = ("genre", "artist")  # the first that the catalog has marks the tracks


def draw_path(index: Index, rows: Sequence[int], output: Path, random_seed: int = 0) -> None:
    """Write a PNG, and its twin on a dark ground; of a large library a sample is on the map."""
    shown = np.union1d(sample_tracks(len(index), random_seed), rows).astype(int)
    what = next((name for name in COLUMNS if name in index.tracks.columns), COLUMNS[0])
    names: list[str | None] = [None] * len(shown)
    if what in index.tracks.columns:
        cells = index.tracks.batch.column(what).take(shown.tolist()).to_pylist()
        names = [str(cell).partition(";")[0].strip() if cell else None for cell in cells]
    labels = [index.tracks.label(row) for row in (rows[0], rows[-1])]
    ends = " to ".join(label.title or label.track_id for label in labels)
    way = np.searchsorted(shown, rows).tolist()
    draw_map(map_points(index.vectors(shown), random_seed), names, f"From {ends}", what, output, way)
