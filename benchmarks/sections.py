"""How well sections of songs are found whose form is known, since they were put together from other songs.

    python benchmarks/sections.py ../shared/music/tracks.csv [--songs 16] [--random-seed 2]

Each song is a form such as ABACA, whose letters are stretches of 10 to 22 s of different tracks. *Far*:
letters are any tracks, and a letter comes back as the same stretch; *moved*: as another stretch of its track;
*near*: moved, and all letters are of one collection. Scores are mir_eval's: F of boundaries within 0.5 s and
3 s, F of pairs of moments (of one letter or not). Beside ours the spectral clustering of McFee and Ellis
(2014), after the example in librosa's documentation, told the true number of letters; and a boundary each
15 s, letters in turn. PRICE, SAME and the shares in explore/song_sections.py were chosen on ten songs of each
kind of another draw.
"""

import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import librosa
import mir_eval
import numpy as np
import pandas as pd
import scipy
from sklearn.cluster import KMeans

from joined_songs import RATE_HZ, joined, options
from soundkin.embedding.embedder import Embedder, load
from soundkin.explore.song_course import SongCourse, song_course
from soundkin.explore.song_sections import find_sections
from soundkin.explore.song_spectra import HOP_SAMPLES
from soundkin.features.decode import read_waveform
from soundkin.progress import progress

FORMS = ("ABAC", "AABA", "ABABCB", "ABACA", "ABCAB")
SHORTEST, LONGEST = 10.0, 22.0  # seconds of a stretch
LONG_ENOUGH = 50.0  # tracks
Labelled = tuple[np.ndarray, list[str]]  # intervals [sections, 2] in seconds, and their letters
Song = tuple[np.ndarray, Labelled]


def main() -> None:
    """Print one table."""
    given = options(__doc__, "songs", 16, 2)
    tracks = pd.read_csv(given.catalog).query(f"duration >= {LONG_ENOUGH}")
    finders: dict[str, Callable[[SongCourse, np.ndarray, int], Labelled]] = {
        "ours": lambda course, _, __: ours(course),
        "spectral clustering": spectral,
        "every 15 s": lambda course, _, kinds: every(course.seconds, kinds),
    }
    embedder = load("default")
    print(f"{'':28}{'F 0.5 s':>9}{'F 3 s':>9}{'F pairs':>9}{'too many':>10}")
    for kind in ("far", "moved", "near"):
        random = np.random.default_rng([given.random_seed, len(kind)])
        scores: dict[str, list[tuple[float, ...]]] = {name: [] for name in finders}
        for _ in progress(range(given.songs), kind, total=given.songs):
            samples, truth = put_together(tracks, given.catalog.parent, kind, random)
            course = heard(embedder, samples)
            for name, find in finders.items():
                scores[name].append(judged(find(course, samples, len(set(truth[1]))), truth))
        for name, values in scores.items():
            means = np.mean(values, axis=0)
            print(
                f"{kind + ': ' + name:28}"
                + "".join(f"{mean:9.2f}" for mean in means[:3])
                + f"{means[3]:10.1f}"
            )


def put_together(tracks: pd.DataFrame, folder: Path, kind: str, random: np.random.Generator) -> Song:
    """A song, and where its letters are; neighbours of one letter are one section."""
    form = FORMS[random.integers(len(FORMS))]
    letters = sorted(set(form))
    choice = tracks
    if kind == "near":
        counts = tracks["collection"].value_counts()
        names = sorted(counts[counts >= len(letters)].index)
        choice = tracks[tracks["collection"] == names[random.integers(len(names))]]
    rows = choice.iloc[random.choice(len(choice), len(letters), replace=False)]
    waves = {
        letter: read_waveform(folder / path, RATE_HZ).samples
        for letter, path in zip(letters, rows["path"], strict=True)
    }
    lengths = {letter: int(random.uniform(SHORTEST, LONGEST) * RATE_HZ) for letter in letters}
    firsts = {letter: int(random.uniform(0, 3) * RATE_HZ) for letter in letters}
    pieces: list[np.ndarray] = []
    sections: list[tuple[float, float, str]] = []
    for place, letter in enumerate(form):
        again = kind != "far" and form[:place].count(letter) % 2
        first = firsts[letter] + (lengths[letter] if again else 0)
        piece = waves[letter][first : first + lengths[letter]]
        start = sum(map(len, pieces)) / RATE_HZ
        if sections and sections[-1][2] == letter:
            start = sections.pop()[0]
        pieces.append(piece)
        sections.append((start, sum(map(len, pieces)) / RATE_HZ, letter))
    return joined(pieces), labelled(sections)


def labelled(sections: list[tuple[float, float, str]]) -> Labelled:
    """As mir_eval takes them."""
    return np.array([section[:2] for section in sections]), [section[2] for section in sections]


def heard(embedder: Embedder, samples: np.ndarray) -> SongCourse:
    """The course of a song, as `soundkin explore track` finds it."""
    vectors, starts = embedder.embed_patches((samples, RATE_HZ), 0.5)
    return song_course(samples, vectors, np.array(starts) + (embedder.patch_seconds or 0) / 2)


def ours(course: SongCourse) -> Labelled:
    """The sections that we find."""
    return labelled([(each.start, each.end, each.letter) for each in find_sections(course)])


def every(seconds: float, kinds: int) -> Labelled:
    """A boundary each 15 s."""
    bounds = [*np.arange(0, seconds, 15), seconds]
    sections: list[tuple[float, float, str]] = []
    for place, (start, end) in enumerate(pairwise(bounds)):
        sections.append((float(start), float(end), str(place % kinds)))
    return labelled(sections)


def spectral(course: SongCourse, samples: np.ndarray, kinds: int) -> Labelled:
    """Clusters of the eigenvectors of a graph of beats, linked where alike and where neighbours."""
    bounds = librosa.time_to_frames(course.starts[:-1], sr=RATE_HZ, hop_length=HOP_SAMPLES)
    pitches = np.abs(
        librosa.cqt(samples, sr=RATE_HZ, bins_per_octave=36, n_bins=7 * 36, hop_length=HOP_SAMPLES)
    )
    pitches = librosa.util.sync(librosa.amplitude_to_db(pitches, ref=np.max), bounds, aggregate=np.median)
    beats = min(pitches.shape[1], len(course.timbre))
    recurrence = librosa.segment.recurrence_matrix(pitches[:, :beats], width=3, mode="affinity", sym=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        smoothed = librosa.segment.timelag_filter(scipy.ndimage.median_filter)
        repeats = np.asarray(smoothed(np.asarray(recurrence), size=(1, 7)))
    steps = (np.diff(course.timbre[:beats], axis=0) ** 2).sum(axis=1)
    sequence = np.exp(-steps / np.median(steps))
    neighbours = np.diag(sequence, 1) + np.diag(sequence, -1)
    degrees, repeated = neighbours.sum(axis=1), repeats.sum(axis=1)
    share = degrees @ (degrees + repeated) / ((degrees + repeated) ** 2).sum()
    laplacian = scipy.sparse.csgraph.laplacian(share * repeats + (1 - share) * neighbours, normed=True)
    _, eigenvectors = scipy.linalg.eigh(np.asarray(laplacian))
    eigenvectors = scipy.ndimage.median_filter(eigenvectors, size=(9, 1))
    norms = np.sqrt(np.cumsum(eigenvectors**2, axis=1))
    points = eigenvectors[:, :kinds] / (norms[:, kinds - 1 : kinds] + 1e-9)
    found = KMeans(kinds, n_init=10, random_state=0).fit_predict(points)
    firsts = [0, *(1 + np.flatnonzero(found[1:] != found[:-1]))]
    ends = [*course.starts[firsts[1:]], course.seconds]
    starts = [0.0, *ends[:-1]]
    return labelled(
        [(start, end, str(found[first])) for start, end, first in zip(starts, ends, firsts, strict=True)]
    )


def judged(found: Labelled, truth: Labelled) -> tuple[float, float, float, float]:
    """F of boundaries within 0.5 s and 3 s, F of pairs, and how many sections there are too many."""
    (intervals, letters), (true, names) = found, truth
    intervals, letters = mir_eval.util.adjust_intervals(intervals, letters, t_min=0, t_max=true.max())
    close, wide = (
        mir_eval.segment.detection(true, intervals, window=window, trim=True)[2] for window in (0.5, 3.0)
    )
    pairs = mir_eval.segment.pairwise(true, names, intervals, letters)[2]
    return close, wide, pairs, float(len(intervals) - len(true))


if __name__ == "__main__":
    main()
