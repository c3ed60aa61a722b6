# mypy: disable-error-code="no-untyped-call"
"""How large the largest step of `soundkin path` is, beside that of a straight line's.

    python benchmarks/paths.py INDEX [INDEX ...] [--pairs 100] [--lengths 5 10 20] [--quick]

Between random tracks by different artists. The straight line is what others do (spherical interpolation, and
the nearest track not yet taken to each point), under the same rules: no track twice, no artist twice in a
row. `most` is how many tracks near the line the path may look at, as in a large library.
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np

from soundkin.pipelines import path as path_module
from soundkin.search.vector_index import Index, open_index

QUICK_PAIRS = 10


def main() -> None:
    """Print the largest steps, and the time that a path takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("indexes", type=Path, nargs="+", metavar="INDEX")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--lengths", type=int, nargs="+", default=[5, 10, 20])
    parser.add_argument("--most", type=int, nargs="+", default=[path_module.MOST_TRACKS, 500])
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAIRS} pairs")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    for folder in given.indexes:
        index = open_index(folder)
        pairs = random_pairs(index, QUICK_PAIRS if given.quick else given.pairs, given.random_seed)
        print(f"{folder}: {len(index)} tracks, {len(pairs)} pairs")
        for length in given.lengths:
            line = np.array([max(straight_line(index, *pair, length)) for pair in pairs])
            print(f"  {length} tracks: straight line, largest step {described(line)}")
            for most in given.most:
                path_module.MOST_TRACKS = most
                largest, seconds = [], []
                for pair in pairs:
                    began = time.perf_counter()
                    start, end = (index.tracks.label(row).track_id for row in pair)
                    tracks = path_module.path(index, start, end, length=length)
                    seconds.append(time.perf_counter() - began)
                    largest.append(max(1 - track.score for track in tracks))
                smaller = np.mean(np.array(largest) < line + 1e-6)
                print(
                    f"  {length} tracks: path over {most}, largest step {described(np.array(largest))}, no "
                    f"larger for {smaller:.0%} of pairs; {np.median(seconds):.2f} s"
                )


def random_pairs(index: Index, count: int, random_seed: int) -> list[tuple[int, int]]:
    """Rows of tracks by different artists."""
    rng = np.random.default_rng(random_seed)
    pairs: list[tuple[int, int]] = []
    while len(pairs) < count:
        first, last = rng.choice(len(index), 2, replace=False).tolist()
        if not set(index.tracks.artists(first)) & set(index.tracks.artists(last)):
            pairs.append((first, last))
    return pairs


def straight_line(index: Index, first: int, last: int, length: int) -> list[float]:
    """Steps of the tracks nearest to points of the great circle between two tracks."""
    start, end = index.vector(first), index.vector(last)
    angle = np.arccos(np.clip(start @ end, -1, 1))
    way = [first]
    for share in np.linspace(0, 1, length)[1:-1]:
        point = (np.sin((1 - share) * angle) * start + np.sin(share * angle) * end) / np.sin(angle)
        _, rows = index.search(point[None].astype(np.float32), min(len(index), 200))
        artists = set(index.tracks.artists(way[-1]))
        way.append(
            next(
                row
                for row in rows[0].tolist()
                if row not in (*way, last) and not artists & set(index.tracks.artists(row))
            )
        )
    vectors = np.array([index.vector(row) for row in [*way, last]])
    steps: list[float] = (1 - np.sum(vectors[1:] * vectors[:-1], axis=1)).tolist()
    return steps


def described(steps: np.ndarray) -> str:
    """Mean, and the worst of ten."""
    return f"{steps.mean():.3f} (90th percentile {np.quantile(steps, 0.9):.3f})"


if __name__ == "__main__":
    main()
