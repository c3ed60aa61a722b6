"""How often the song of the same course over time is found, though it is put together from other songs.

    python benchmarks/trajectories.py ../shared/music/tracks.csv [--pairs 150] [--random-seed 1]

*Same form*: two songs of one drawn form such as ABACB, each letter 8 to 16 s of a track, another stretch each
time, its length drawn anew within a tenth; the two have no track in common. *Altered*: an excerpt
of 60 s, and the same played a third faster and higher, with all above 2 kHz taken away. Every song is asked
for, among all others of its kind. Ours beside the default query (cosine of track vectors), the path signature
(to depth 3 of the first three principal components, whose signs are free: the best of eight), dynamic time
warping along paths that are rotated upon each other, and chance. Steps, blur and centring were
chosen on eighty pairs of each kind of another draw.
"""

from collections.abc import Callable, Sequence
from itertools import product
from time import perf_counter

import librosa
import numpy as np
import pandas as pd
import scipy

from joined_songs import RATE_HZ, joined, options
from soundkin.embedding.embedder import Embedder, load
from soundkin.features.decode import read_waveform
from soundkin.progress import progress
from soundkin.search.trajectory import STEPS, trajectory
from soundkin.shapes import Float, Float32

SHORTEST, LONGEST = 8.0, 16.0  # seconds of a stretch
PatchVectors = Float32[np.ndarray, "patches embedding"]
Song = tuple[PatchVectors, Float32[np.ndarray, " embedding"]]  # its patch vectors, and the track's
Likeness = Float[np.ndarray, "songs songs"]


def main() -> None:
    """Print one table."""
    given = options(__doc__, "pairs", 150, 1)
    tracks = pd.read_csv(given.catalog)
    tracks["path"] = [given.catalog.parent / path for path in tracks["path"]]
    embedder = load("default")
    finders: dict[str, Callable[[Sequence[Song]], Likeness]] = {
        "by sound": by_sound,
        "by trajectory": by_trajectory,
        "path signature": by_signature,
        "time warping": by_warping,
    }
    print(f"{'':30}{'top 1':>8}{'top 10':>8}{'ms a pair':>11}")
    for kind, make in (("same form", same_form), ("altered", altered)):
        random = np.random.default_rng(given.random_seed)
        drawn = progress(range(given.pairs), kind, total=given.pairs)
        songs = [heard(embedder, wave) for _ in drawn for wave in make(tracks, random)]
        print(f"{kind + ': chance':30}{1 / (len(songs) - 1):8.2f}{10 / (len(songs) - 1):8.2f}")
        for name, find in finders.items():
            begun = perf_counter()
            likeness = find(songs)
            took = 1_000 * (perf_counter() - begun) / len(songs) ** 2
            shares = "".join(f"{hits(likeness, k):8.2f}" for k in (1, 10))
            print(f"{kind + ': ' + name:30}{shares}{took:11.3f}", flush=True)


def same_form(tracks: pd.DataFrame, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two songs of one form and of different tracks."""
    letters = int(random.integers(2, 5))
    form = [0]
    while len(form) < random.integers(4, 8) or len(set(form)) < letters:
        new = min(max(form) + 1, letters - 1)
        form.append(int(random.choice([each for each in range(new + 1) if each != form[-1]])))
    lengths = random.uniform(SHORTEST, LONGEST, letters)
    long = tracks[tracks["duration"] >= 1.2 * LONGEST]
    rows = random.choice(len(long), (2, letters), replace=False)
    songs = []
    for each in rows:
        waves = [read_waveform(path, RATE_HZ).samples for path in long["path"].iloc[each]]
        pieces = []
        for letter in form:
            length = int(lengths[letter] * random.uniform(0.9, 1.1) * RATE_HZ)
            first = random.integers(len(waves[letter]) - length)
            pieces.append(waves[letter][first : first + length])
        songs.append(joined(pieces))
    return songs[0], songs[1]


def altered(tracks: pd.DataFrame, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An excerpt, and the same faster, higher and muffled."""
    long = tracks[tracks["duration"] >= 59]
    samples = read_waveform(long["path"].iloc[random.integers(len(long))], RATE_HZ).samples
    faster = scipy.signal.resample_poly(samples, 3, 4)
    muffle = scipy.signal.butter(4, 2_000, fs=RATE_HZ, output="sos")
    return samples, scipy.signal.sosfilt(muffle, faster).astype(np.float32)


def heard(embedder: Embedder, samples: np.ndarray) -> Song:
    """As `soundkin sync` stores it."""
    vectors, _ = embedder.embed_patches((samples, RATE_HZ))
    return vectors, embedder.pool(vectors)


def hits(likeness: Likeness, k: int) -> float:
    """The share of songs whose mate is among the `k` most alike."""
    others = likeness.copy()
    np.fill_diagonal(others, -np.inf)
    mates = np.arange(len(others)) ^ 1
    ranks = (others > others[np.arange(len(others)), mates][:, None]).sum(axis=1)
    return float((ranks < k).mean())


def by_sound(songs: Sequence[Song]) -> Likeness:
    """Cosines of track vectors."""
    vectors = np.array([vector / np.linalg.norm(vector) for _, vector in songs])
    return np.asarray(vectors @ vectors.T)


def by_trajectory(songs: Sequence[Song]) -> Likeness:
    """As `--by trajectory`."""
    shapes = np.array([trajectory(patches) for patches, _ in songs])
    return np.asarray(shapes @ shapes.T)


def by_signature(songs: Sequence[Song]) -> Likeness:
    """Cosines of path signatures to depth 3 (K.-T. Chen), the best of the eight choices of signs."""
    parts = [signature(principal(stretched(patches), 3)) for patches, _ in songs]
    scaled = [np.concatenate([np.ravel(part) for part in each]) for each in parts]
    signed = []
    for signs in product((1, -1), repeat=3):
        sign = np.array(signs)
        two = np.multiply.outer(sign, sign)
        all_signs = np.concatenate([sign, two.ravel(), np.multiply.outer(two, sign).ravel()])
        signed.append([all_signs * each for each in scaled])
    first = np.array(scaled) / np.linalg.norm(scaled, axis=1, keepdims=True)
    others = np.array(signed) / np.linalg.norm(scaled, axis=1)[None, :, None]
    return np.asarray(np.einsum("id,sjd->sij", first, others).max(axis=0))


def principal(
    path: Float[np.ndarray, "steps embedding"], count: int
) -> Float[np.ndarray, "steps components"]:
    """Its first principal components, their greatest spread 1."""
    left, singular, _ = np.linalg.svd(path - path.mean(axis=0), full_matrices=False)
    return np.asarray(left[:, :count] * singular[:count] / max(float(singular[0]), 1e-9))


def signature(path: Float[np.ndarray, "steps 3"]) -> list[np.ndarray]:
    """Levels 1 to 3, segment by segment (Chen's identity)."""
    one, two, three = np.zeros(3), np.zeros((3, 3)), np.zeros((3, 3, 3))
    for step in np.diff(path, axis=0):
        square = np.multiply.outer(step, step)
        three = three + np.multiply.outer(two, step) + np.multiply.outer(one, square) / 2
        three = three + np.multiply.outer(square, step) / 6
        two = two + np.multiply.outer(one, step) + square / 2
        one = one + step
    return [one, two, three]


def by_warping(songs: Sequence[Song]) -> Likeness:
    """Minus the cost of warping along paths that are rotated upon each other."""
    paths = [principal(stretched(patches), STEPS - 1) for patches, _ in songs]
    paths = [path / np.linalg.norm(path) for path in paths]
    likeness = np.zeros((len(paths), len(paths)))
    for here, there in product(range(len(paths)), repeat=2):
        if here < there:
            left, _, right = np.linalg.svd(paths[here].T @ paths[there], full_matrices=False)
            costs = scipy.spatial.distance.cdist(paths[here] @ (left @ right), paths[there])
            total = librosa.sequence.dtw(C=costs, backtrack=False)
            likeness[here, there] = likeness[there, here] = -total[-1, -1]
    return likeness


def stretched(patches: PatchVectors) -> Float[np.ndarray, "steps embedding"]:
    """The patch vectors as STEPS of equal length."""
    before, after = ((np.arange(count) + 0.5) / count for count in (len(patches), STEPS))
    return np.array([np.interp(after, before, column) for column in patches.T]).T


if __name__ == "__main__":
    main()
