# mypy: disable-error-code="no-untyped-call"
"""How surely `soundkin why` finds a passage that two tracks share.

    python benchmarks/moments.py MUSIC [--model MODEL] [--pairs 200] [--quick]

MUSIC is a catalog. A passage of 6, 9 or 12 s of one track is put at random places into two others, all three
by different artists: instead of what is there, as loud as the host, 6 dB louder in one and softer in the
other, or the other way round; and, harder, on top of what is there.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from soundkin.catalog.table import Catalog, read_catalog
from soundkin.embedding.embedder import Embedder, load
from soundkin.embedding.store import PatchEmbeddings
from soundkin.errors import AudioError
from soundkin.features.decode import read_waveform
from soundkin.pipelines.why import FINE_HOP_SECONDS
from soundkin.progress import progress
from soundkin.search.moments import Moment, best_moment

RATE_HZ = 22_050
FADE_SECONDS = 0.05
LENGTHS_SECONDS = (6, 9, 12)
WAYS = (("instead", 0.0), ("instead", 6.0), ("instead", -6.0), ("on top", 0.0))
QUICK_PAIRS = 24

Planted = tuple[np.ndarray, np.ndarray, float, float, float]  # two tracks, places of the passage, its length


def main() -> None:
    """Print how often the passage is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("music", type=Path)
    parser.add_argument("--model", default="default")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--random-seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_PAIRS} pairs")
    given = parser.parse_args()
    embedder = load(given.model)
    rng = np.random.default_rng(given.random_seed)
    pairs = QUICK_PAIRS if given.quick else given.pairs
    rows = defaultdict(list)
    planted = pairs_with_a_passage(read_catalog(given.music), rng)
    for number in progress(range(pairs), "moments", total=pairs, unit="pair"):
        way = WAYS[number % len(WAYS)]
        first, second, here, there, seconds = plant(next(planted), *way, rng)
        moment = best_moment(patches(embedder, first), patches(embedder, second), embedder.patch_seconds)
        rows[way].append(errors(moment, here, there, seconds))
    for way, found in rows.items():
        print(f"{way[0]}, {way[1]:+.0f} dB: {described(np.array(found))}")
    replaced = [row for way, found in rows.items() if way[0] == "instead" for row in found]
    print(f"all put instead: {described(np.array(replaced))}")


def pairs_with_a_passage(catalog: Catalog, rng: np.random.Generator) -> Iterator[list[np.ndarray]]:
    """Three tracks by three artists, the third with a passage to take."""
    paths, artists = catalog.audio_paths(), catalog.artists.keys
    while True:
        rows = rng.choice(len(catalog), 3, replace=False)
        if len({artists[row][:1] for row in rows}) < 3:
            continue
        try:
            tracks = [read_waveform(paths[row], RATE_HZ).samples for row in rows]
        except AudioError:
            continue
        if min(map(len, tracks)) > 2 * max(LENGTHS_SECONDS) * RATE_HZ:
            yield tracks


def plant(tracks: Sequence[np.ndarray], way: str, decibels: float, rng: np.random.Generator) -> Planted:
    """The first two tracks with a passage of the third, louder than the first's level and softer than the
    second's.
    """
    first, second, third = tracks
    samples = int(rng.choice(LENGTHS_SECONDS)) * RATE_HZ
    passage = np.zeros(0)
    for _ in range(100):  # one that is not next to silent
        start = int(rng.integers(len(third) - samples))
        passage = third[start : start + samples]
        if loudness(passage) > 0.5 * loudness(third):
            break
    places = [int(rng.integers(len(host) - samples)) for host in (first, second)]
    levels = (decibels, -decibels)
    made = [
        with_passage(host, passage, place, way, level)
        for host, place, level in zip((first, second), places, levels, strict=True)
    ]
    return made[0], made[1], places[0] / RATE_HZ, places[1] / RATE_HZ, samples / RATE_HZ


def with_passage(host: np.ndarray, passage: np.ndarray, place: int, way: str, decibels: float) -> np.ndarray:
    """`host` with the passage at a place, so many decibels above its level."""
    fade = np.ones(len(passage), np.float32)
    edge = int(FADE_SECONDS * RATE_HZ)
    fade[:edge] = np.linspace(0, 1, edge)
    fade[-edge:] = fade[:edge][::-1]
    gain = loudness(host) / max(loudness(passage), 1e-6) * 10 ** (decibels / 20)
    made = host.copy()
    under = made[place : place + len(passage)]
    made[place : place + len(passage)] = fade * passage * gain + under * (1 if way == "on top" else 1 - fade)
    return np.asarray(np.clip(made, -1.0, 1.0))


def loudness(samples: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples))))


def patches(embedder: Embedder, samples: np.ndarray) -> PatchEmbeddings:
    """Patches of a waveform as `why` makes them."""
    vectors, starts = embedder.embed_patches((samples.astype(np.float32), RATE_HZ), FINE_HOP_SECONDS)
    return PatchEmbeddings("", starts, vectors)


def errors(moment: Moment, here: float, there: float, seconds: float) -> tuple[float, float, float, float]:
    """How far off in seconds are: the start here, the start there, the end here, what lies side by side."""
    start_here, start_there = moment.here_seconds - here, moment.there_seconds - there
    end = moment.here_seconds + moment.seconds - (here + seconds)
    return start_here, start_there, end, start_here - start_there


def described(found: np.ndarray) -> str:
    """What share of pairs is found."""
    start_here, start_there, end, apart = found.T
    inside = (start_here > -1) & (end < 1) & (abs(apart) <= 1)
    starts = (abs(start_here) <= 1) & (abs(start_there) <= 1)
    return (
        f"found {inside.mean():.0%} (within the passage, side by side to 1 s); both starts within 1 s "
        f"{starts.mean():.0%}, end {np.mean(abs(end) <= 1):.0%}; {len(found)} pairs"
    )


if __name__ == "__main__":
    main()
