"""Moments against all runs of all diagonals, and on vectors with a planted passage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soundkin.embedding.store import PatchEmbeddings
from soundkin.search.moments import MOST_OF_THE_WAY, STANDARD_DEVIATIONS, best_moment, clock, moment_of
from soundkin.statistics.scaling import unit_length


def track(vectors: np.ndarray, hop: float = 3.0) -> PatchEmbeddings:
    return PatchEmbeddings("track", [hop * n for n in range(len(vectors))], vectors.astype(np.float32))


def random_vectors(random_seed: int, patches: int, size: int = 4) -> np.ndarray:
    return np.random.default_rng(random_seed).standard_normal((patches, size))


@given(st.integers(0, 10_000), st.integers(1, 9), st.integers(1, 9))
def test_no_other_run_adds_up_to_more(random_seed: int, ours: int, theirs: int) -> None:
    here, there = random_vectors(random_seed, ours), random_vectors(random_seed + 1, theirs)
    cosines = unit_length(here) @ unit_length(there).T
    threshold = cosines.mean() + STANDARD_DEVIATIONS * cosines.std()
    excess = cosines - min(threshold, cosines.mean() + MOST_OF_THE_WAY * (cosines.max() - cosines.mean()))
    best = max(
        excess[range(i, i + length), range(j, j + length)].sum()
        for i in range(ours)
        for j in range(theirs)
        for length in range(1, min(ours - i, theirs - j) + 1)
    )
    moment = best_moment(track(here), track(there))
    first, second = moment.here_patch, moment.there_patch
    rows = np.arange(first, first + moment.patches), np.arange(second, second + moment.patches)
    assert excess[rows].sum() == pytest.approx(best, abs=1e-4)
    assert moment.likeness == pytest.approx(cosines[rows].mean(), abs=1e-5)


@given(st.integers(0, 10_000), st.integers(4, 12), st.integers(0, 20), st.integers(0, 20))
@settings(max_examples=50)
def test_a_passage_in_both_is_found_and_mirrored(random_seed: int, length: int, at: int, other: int) -> None:
    here, there = random_vectors(random_seed, 40, 64), random_vectors(random_seed + 1, 35, 64)
    there[other : other + length] = here[at : at + length]
    moment, mirrored = best_moment(track(here), track(there)), best_moment(track(there), track(here))
    assert moment.there_patch - moment.here_patch == other - at
    assert moment.here_patch <= at and moment.here_patch + moment.patches >= at + min(length, 35 - other)
    assert (mirrored.here_seconds, mirrored.there_seconds) == (moment.there_seconds, moment.here_seconds)


def test_a_track_is_like_itself_throughout() -> None:
    own = track(random_vectors(0, 30))
    moment = best_moment(own, own)
    assert (moment.here_seconds, moment.there_seconds, moment.seconds) == (0.0, 0.0, 90.0)


def test_tracks_of_one_sound_are_alike_throughout() -> None:
    assert best_moment(track(np.ones((5, 3))), track(np.ones((5, 3)))).patches == 5


def test_of_patches_that_overlap_each_stands_for_its_middle() -> None:
    here, there = random_vectors(2, 30, 64), random_vectors(3, 30, 64)
    there[4:14] = here[9:19]
    moment = best_moment(track(here, hop=0.5), track(there, hop=0.5), patch_seconds=3.0)
    assert (moment.here_seconds, moment.there_seconds, moment.seconds) == (4.5 + 1.25, 2.0 + 1.25, 5.0)


def test_a_track_of_one_patch_lasts_as_long_as_it() -> None:
    one = track(random_vectors(0, 1))
    assert best_moment(one, one, patch_seconds=3.0).seconds == 3.0


def test_moments_in_words() -> None:
    patches = {
        "query": PatchEmbeddings("query", [0.0, 17.3], np.array([[1, 0], [0, 2]], np.float32)),
        "near": PatchEmbeddings(
            "near", [0.0, 62.9, 130.0], np.array([[-1, 1], [0.1, 1], [-1, 0]], np.float32)
        ),
    }
    assert moment_of(patches, "query", "near") == "its 1:02 is most like the query's 0:17"
    assert moment_of(patches, "query", "unknown") == "" == moment_of({}, "query", "near")
    assert clock(3725.9) == "62:05"
